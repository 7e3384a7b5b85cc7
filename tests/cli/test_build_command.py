"""``minibuild build`` as a person uses it, on Dockerfiles that need no RUN."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import tarfile
from pathlib import Path

import pytest

from tests.command import Minibuild

FILES = {"Dockerfile": 'FROM scratch\nCOPY app.txt /srv/\nLABEL kind=web\nCMD ["/app"]\n', "app.txt": "hello\n"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    for name, content in FILES.items():
        (root / name).write_text(content)
    return root


def masked(text: str) -> str:
    """A log without what differs from run to run."""
    return re.sub(r"\d+\.\d+s", "0.0s", re.sub(r"sha256:[0-9a-f]{64}", "sha256:…", text))


def test_the_log_and_the_summary_say_all_there_is_to_know(minibuild: Minibuild, project: Path) -> None:
    done = minibuild("-t", "web:1", ".", cwd=project)
    assert (done.returncode, done.stdout) == (0, "")
    assert masked(done.stderr) == (
        "#1 [2/2] COPY app.txt /srv/\n"
        "#1 DONE 0.0s\n"
        "\n"
        "image   sha256:…\n"
        "digest  sha256:…\n"
        "tag     web:1\n"
        "size    2.56kB in 1 layer\n"
        "steps   0 of 1 cached\n"
    )


def test_a_second_build_is_cached_and_says_so(minibuild: Minibuild, project: Path) -> None:
    minibuild("build", project)
    done = minibuild("build", project)
    assert masked(done.stderr).startswith("#1 [2/2] COPY app.txt /srv/\n#1 CACHED\n")
    assert done.stderr.endswith("steps   1 of 1 cached\n")


def test_an_archive_comes_with_the_line_that_loads_it(minibuild: Minibuild, project: Path) -> None:
    archive = project / "a b.tar"
    done = minibuild("build", "-o", f"type=docker,dest={archive}", "-t", "web:1", project)
    assert done.stderr.endswith(f"docker  {archive}\n\ndocker load -i '{archive}'\n")
    with tarfile.open(archive) as tar:
        [item] = json.load(tar.extractfile("manifest.json"))  # type: ignore[arg-type]
    assert item["RepoTags"] == ["web:1"]


def test_one_build_may_go_to_several_places(minibuild: Minibuild, project: Path) -> None:
    out = project / "out"
    places = ("-o", out, "-o", f"type=oci,dest={project}/layout,tar=false", "-o", f"type=tar,dest={project}/tree.tar")
    done = minibuild("build", *places, project)
    assert done.returncode == 0, done.stderr
    assert (out / "srv" / "app.txt").read_text() == "hello\n"
    assert (project / "layout" / "oci-layout").exists()
    with tarfile.open(project / "tree.tar") as tar:
        assert "srv/app.txt" in tar.getnames()
    assert "#2 exporting to local" in done.stderr
    assert "#4 exporting to tar" in done.stderr


def test_a_name_of_an_image_output_is_a_name_in_the_store(minibuild: Minibuild, project: Path) -> None:
    minibuild.succeed("build", "-q", "-o", 'type=image,"name=a:1,b:2"', project)
    assert minibuild.succeed("images", "--format", "{{.Repository}}:{{.Tag}}").split() == ["a:1", "b:2"]


def test_a_dash_writes_the_tree_to_standard_output(minibuild: Minibuild, project: Path) -> None:
    done = subprocess.run(
        minibuild.command("build", "-o", "-", project), capture_output=True, env=minibuild.variables(), check=True
    )
    (project / "out.tar").write_bytes(done.stdout)
    with tarfile.open(project / "out.tar") as tar:
        assert tar.extractfile("srv/app.txt").read() == b"hello\n"  # type: ignore[union-attr]


def test_files_that_scripts_read_hold_ids_and_digests(minibuild: Minibuild, project: Path) -> None:
    words = ("--iidfile", project / "iid", "--metadata-file", project / "meta.json")
    quiet = minibuild.succeed("build", "-q", "-t", "web:1", *words, project)
    document = json.loads((project / "meta.json").read_text())
    digest = minibuild.succeed("inspect", "-f", "{{.Descriptor.digest}}", "web:1").strip()
    assert (project / "iid").read_text() == quiet.strip() == document["containerimage.config.digest"]
    assert document["containerimage.digest"] == document["containerimage.descriptor"]["digest"] == digest
    assert document["image.name"] == "docker.io/library/web:1"


def test_quiet_prints_the_id_alone(minibuild: Minibuild, project: Path) -> None:
    done = minibuild("build", "-q", "--rm", project)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", done.stdout)
    assert done.stderr == ""


def test_quiet_still_says_what_is_wrong(minibuild: Minibuild, project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\nCOPY absent /\n")
    done = minibuild("build", "-q", project)
    assert (done.returncode, done.stdout) == (4, "")
    assert "Dockerfile:2:6: error: " in done.stderr


def test_a_warning_is_shown_with_its_place(minibuild: Minibuild, project: Path) -> None:
    (project / "Dockerfile").write_text("FROM scratch\nARG emali=a\nLABEL m=$email\nCOPY app.txt /\n")
    done = minibuild("build", project)
    assert (
        "Dockerfile:3:10: warning: $email is not defined (UndefinedVar)\n"
        "3 | LABEL m=$email\n"
        "  |          ^^^^^\n"
        "hint: did you mean emali?\n"
    ) in done.stderr


def test_the_dockerfile_may_come_from_standard_input(minibuild: Minibuild, project: Path) -> None:
    done = minibuild("build", "-q", "-f", "-", project, stdin="FROM scratch\nLABEL from=stdin\n")
    assert done.returncode == 0, done.stderr
    assert minibuild.succeed("inspect", "-f", "{{.Config.Labels}}", done.stdout.strip()) == "map[from:stdin]\n"


def test_rawjson_is_json_to_the_last_line(minibuild: Minibuild, project: Path) -> None:
    done = minibuild("build", "--progress=rawjson", project)
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["started", "finished"]


def test_the_environment_may_choose_the_display(minibuild: Minibuild, project: Path) -> None:
    done = minibuild.with_variables(BUILDKIT_PROGRESS="rawjson")("build", project)
    assert json.loads(done.stderr.splitlines()[0])["title"] == "[2/2] COPY app.txt /srv/"


def test_an_option_without_effect_is_noted(minibuild: Minibuild, project: Path) -> None:
    done = minibuild("build", "--rm", "--force-rm=false", project)
    assert done.stderr.startswith("note: --rm has no effect: no container outlives its step\n")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("-q", "-o", "-"), "--output wants standard output, where -q prints the image ID"),
        (("-o", "type=oci", "-o", "-"), "--output wants standard output, where another --output writes"),
        (("-o", "type=tar,dest=absent/x.tar"), "absent doesn't exist, where --output is to write x.tar"),
        (("-o", "type=tar,dest=."), ". is a directory, --output type=tar wants a file"),
        (("-o", "Dockerfile"), "Dockerfile is no directory, --output type=local wants one"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_a_place_that_cannot_take_the_result_is_refused_before_anything_is_built(
    words: tuple[str, ...], says: str, minibuild: Minibuild, project: Path
) -> None:
    done = minibuild("build", *words, ".", cwd=project)
    assert (done.returncode, done.stdout) == (2, "")
    assert says in done.stderr
    assert "COPY" not in done.stderr


@pytest.mark.parametrize(
    ("option", "name", "says"),
    [
        ("--runtime", "rucn", "--runtime knows no 'rucn'\nhint: did you mean runc?"),
        (
            "--snapshotter",
            "zfs",
            "--snapshotter knows no 'zfs'\nhint: choose from overlay, btrfs, devicemapper, native, fuse-overlayfs",
        ),
    ],
)
@pytest.mark.parametrize("command", ["build", "run"])
def test_a_runtime_or_snapshotter_that_there_is_none_of_is_refused(
    command: str, option: str, name: str, says: str, minibuild: Minibuild, project: Path
) -> None:
    done = minibuild(command, option, name, project)
    assert (done.returncode, done.stderr) == (2, f"error: {says}\n")


def test_a_terminal_shows_steps_in_colour_and_has_its_cursor_back(minibuild: Minibuild, project: Path) -> None:
    parent, child = pty.openpty()
    environment = {**minibuild.variables(), "TERM": "xterm"}
    environment.pop("NO_COLOR", None)
    done = subprocess.run(minibuild.command("build", project), stderr=child, env=environment, check=False)
    os.close(child)
    shown = os.read(parent, 65536).decode()
    os.close(parent)
    assert done.returncode == 0
    assert re.search(r" => \[2/2\] COPY app\.txt /srv/ +0\.\ds", shown)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1
    assert "steps   0 of 1 cached" in shown


SEVERAL = "FROM scratch AS one\nCOPY f /one\nFROM scratch AS two\nCOPY f /two\nFROM scratch AS three\nCOPY missing /\n"


@pytest.fixture
def several(tmp_path: Path) -> Path:
    """A project of three stages, the last of which fails."""
    root = tmp_path / "several"
    root.mkdir()
    (root / "Dockerfile").write_text(SEVERAL)
    (root / "f").write_text("content")
    return root


def test_several_targets_go_each_to_its_own_place_under_its_own_name(minibuild: Minibuild, several: Path) -> None:
    words = ["--target", "one,two", "-t", "second", "-t", "one=first", "-o", "type=local,dest=a,target=one", "-o", "b"]
    done = minibuild("build", *words, "--metadata-file", "m.json", "--iidfile", "id", ".", cwd=several)
    assert done.returncode == 0, done.stderr
    assert ([path.name for path in (several / "a").iterdir()], (several / "b" / "two").read_text()) == (
        ["one"],
        "content",
    )
    metadata = json.loads((several / "m.json").read_text())
    assert {title: known["image.name"] for title, known in metadata.items()} == {
        "one": "docker.io/library/first:latest",
        "two": "docker.io/library/second:latest",
    }
    assert (several / "id").read_text() == metadata["two"]["containerimage.config.digest"]
    listed = minibuild.succeed("images", "--format", "{{.Repository}}").split()
    assert sorted(listed) == ["first", "second"]


def test_a_stage_that_is_asked_for_by_name_and_by_number_is_one_target_with_the_tags_and_outputs_of_both(
    minibuild: Minibuild, several: Path
) -> None:
    words = ["--target", "one,0, ONE", "-t", "0=first", "-t", "one=second", "-t", "third"]
    outputs = ["-o", "type=local,dest=a,target=0", "-o", "type=local,dest=b,target=One"]
    done = minibuild("build", *words, *outputs, "--metadata-file", "m.json", ".", cwd=several)
    assert done.returncode == 0, done.stderr
    names = json.loads((several / "m.json").read_text())["image.name"].split(",")
    assert [name.removeprefix("docker.io/library/") for name in names] == [
        "third:latest",
        "first:latest",
        "second:latest",
    ]
    assert [[path.name for path in (several / place).iterdir()] for place in "ab"] == [["one"], ["one"]]


def test_quiet_prints_an_id_for_each_target(minibuild: Minibuild, several: Path) -> None:
    ids = minibuild.succeed("build", "-q", "--target", "two", "--target", "one", str(several)).split()
    assert len(set(ids)) == 2


@pytest.mark.parametrize(
    "words", [["-t", "three=x"], ["-o", "type=local,dest=d,target=three"]], ids=["a tag", "an output"]
)
def test_what_is_about_no_target_is_refused_before_anything_is_built(
    minibuild: Minibuild, several: Path, words: list[str]
) -> None:
    done = minibuild("build", "--target", "one,two", *words, str(several))
    assert done.returncode == 2
    assert "three is about no --target of this build\nhint: did you mean" not in done.stderr
    assert "ask for it: --target one,two,three" in done.stderr


def test_all_stages_builds_what_no_target_needs(minibuild: Minibuild, several: Path) -> None:
    assert minibuild("build", "--target=one", str(several)).returncode == 0
    done = minibuild("build", "--target=one", "--all-stages", str(several))
    assert done.returncode == 4
    assert "missing" in done.stderr


@pytest.mark.parametrize("option", ["--iidfile", "--digest-file", "--metadata-file"])
def test_a_file_to_write_whose_directory_is_missing_is_refused_before_anything_is_built(
    option: str, minibuild: Minibuild, several: Path
) -> None:
    done = minibuild("build", option, "absent/file", ".", cwd=several)
    assert (done.returncode, done.stderr.splitlines()) == (
        2,
        [f"error: {option} absent/file: there is no directory absent", "hint: make it first"],
    )
