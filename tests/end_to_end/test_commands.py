"""The other commands, as a person strings them together: run, tag, save, load, history, inspect, rmi."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import daemons
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd
from tests.end_to_end.conftest import Project
from tests.machine import require

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
FROM busybox
LABEL purpose=testing
ENV GREETING=hello
WORKDIR /work
RUN echo app:x:1000:1000::/:/bin/sh >> /etc/passwd && echo content > file
USER app
VOLUME /data
EXPOSE 8080/tcp
ENTRYPOINT ["sh", "-c"]
CMD ["echo $GREETING from $(pwd) as $(id -u)"]
"""


@pytest.fixture
def built(builder: Minibuild, project: Project) -> Minibuild:
    """minibuild after it built ``demo:1``."""
    builder.succeed("build", "-t", "demo:1", project({"Dockerfile": DOCKERFILE}))
    return builder


@pytest.fixture(scope="module")
def empty_dockerd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dockerd]:
    """A docker daemon that nobody else's tests load images into."""
    require("docker", "dockerd", root=True)
    with daemons.dockerd(tmp_path_factory.mktemp("empty")) as daemon:
        yield daemon


@pytest.fixture
def two_images(minibuild: Minibuild, project: Project, empty_dockerd: Dockerd) -> Iterator[Minibuild]:
    """minibuild after it built ``first:1`` and, years later, ``second:2``, into a daemon with nothing else."""
    for order, name in ((1, "first:1"), (2, "second:2")):
        place = project(
            {
                "Dockerfile": f'FROM scratch\nLABEL order={order}\nCOPY file /a/long/way/to/a/file\nCMD ["run"]\n',
                "file": name,
            }
        )
        built = minibuild.with_variables(SOURCE_DATE_EPOCH=f"{order}00000000", DOCKER_HOST=empty_dockerd.host)
        built.succeed("build", "-t", name, "--load", place)
    yield minibuild
    empty_dockerd.run("rmi", "-f", "first:1", "second:2")


def test_run_starts_what_the_image_says(built: Minibuild) -> None:
    assert built.succeed("run", "--rm", "demo:1") == "hello from /work as 1000\n"


def test_run_takes_another_command_user_directory_and_variable(built: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "given").write_text("from outside\n")
    options = ("--rm", "-e", "GREETING=hi", "-w", "/tmp", "-u", "root", "-v", f"{tmp_path}:/mnt")
    command = "echo $GREETING $(pwd) $(id -u) $(cat /mnt/given)"
    assert built.succeed("run", *options, "demo:1", command) == "hi /tmp 0 from outside\n"
    assert built.succeed("run", "--rm", "--entrypoint", "cat", "demo:1", "file") == "content\n"


def test_run_passes_the_exit_code_and_the_standard_input_on(built: Minibuild) -> None:
    assert built("run", "--rm", "demo:1", "exit 42").returncode == 42
    done = built("run", "--rm", "-i", "demo:1", "tr a-z A-Z", stdin="shout")
    assert done.stdout == "SHOUT"


def test_what_a_container_writes_does_not_change_the_image(built: Minibuild) -> None:
    built.succeed("run", "--rm", "-u", "root", "demo:1", "echo changed > /work/file")
    assert built.succeed("run", "--rm", "demo:1", "cat /work/file") == "content\n"


def test_images_lists_and_filters(built: Minibuild) -> None:
    built.succeed("tag", "demo:1", "registry.example/other:2")
    assert re.search(r"^registry\.example/other\s+2\s", built.succeed("images"), re.MULTILINE)
    assert "demo" in built.succeed("images", "--filter", "label=purpose=testing")
    assert "demo" not in built.succeed("images", "--filter", "label=purpose=another")
    assert "demo" not in built.succeed("images", "registry.example/other")


def test_inspect_has_dockers_shape(built: Minibuild, dockerd: Dockerd, tmp_path: Path) -> None:
    built.succeed("save", "-o", tmp_path / "demo.tar", "demo:1")
    dockerd.run("load", "-i", str(tmp_path / "demo.tar"))
    [ours] = json.loads(built.succeed("inspect", "demo:1"))
    theirs = dockerd.inspect("demo:1")
    for key in ("Id", "RepoTags", "Architecture", "Os", "RootFS"):
        assert ours[key] == theirs[key], key
    for key in ("Env", "Cmd", "Entrypoint", "User", "WorkingDir", "Labels", "ExposedPorts", "Volumes"):
        assert ours["Config"][key] == theirs["Config"][key], key  # type: ignore[index]


@pytest.mark.parametrize(
    "template",
    [
        "{{.Id}}",
        "{{.Config.User}}",
        "{{json .Config.Labels}}",
        '{{index .Config.Labels "purpose"}}',
        "{{.Os}}/{{.Architecture}}",
    ],
)
def test_inspect_formats_as_docker_does(built: Minibuild, dockerd: Dockerd, tmp_path: Path, template: str) -> None:
    built.succeed("save", "-o", tmp_path / "demo.tar", "demo:1")
    dockerd.run("load", "-i", str(tmp_path / "demo.tar"))
    theirs = dockerd.run("image", "inspect", "--format", template, "demo:1").stdout
    assert built.succeed("inspect", "--format", template, "demo:1") == theirs


@pytest.mark.parametrize(
    "words",
    [
        ["images", "--format", "{{.Repository}}|{{.Tag}}|{{.ID}}|{{.CreatedAt}}"],
        ["images", "--no-trunc", "--quiet"],
        ["images", "--format", "table {{.Tag}}\t{{.ID}}", "second"],
        *(
            ["images", "--format", "{{.Repository}}:{{.Tag}}", "--filter", word]
            for word in (
                *("before=second:2", "since=first:1", "before=first:1", "since=second:2"),
                *("label=order", "label=order=2", "label=none", "reference=*:1", "reference=fir*", "dangling=true"),
            )
        ),
        ["history", "--no-trunc", "--format", "{{.ID}}|{{.CreatedBy}}|{{.Comment}}", "second:2"],
        ["history", "--format", "{{.CreatedBy}}", "second:2"],
        ["history", "-q", "second:2"],
        ["history", "--human=false", "--format", "{{.CreatedSince}}", "second:2"],
    ],
    ids=" ".join,
)
def test_images_are_listed_as_docker_lists_them(
    two_images: Minibuild, empty_dockerd: Dockerd, words: list[str]
) -> None:
    assert two_images.succeed(*words) == empty_dockerd.run(*words).stdout


def test_history_names_the_instructions(built: Minibuild) -> None:
    history = built.succeed("history", "demo:1")
    assert "RUN" in history
    assert "WORKDIR /work" in history


def test_save_and_load_into_another_store_keep_the_image(built: Minibuild, tmp_path: Path) -> None:
    built.succeed("save", "-o", tmp_path / "demo.tar", "demo:1")
    other = Minibuild(tmp_path / "other")
    assert "demo:1" in other.succeed("load", "-i", tmp_path / "demo.tar")
    identity = ("inspect", "--format", "{{.Id}}", "demo:1")
    assert other.succeed(*identity) == built.succeed(*identity)
    assert other.succeed("run", "--rm", "demo:1") == "hello from /work as 1000\n"


def test_rmi_takes_the_name_away(built: Minibuild) -> None:
    built.succeed("rmi", "demo:1")
    assert "demo" not in built.succeed("images")
    assert built("inspect", "demo:1").returncode == 7


def test_pull_brings_an_image_that_builds_without_a_registry(
    builder: Minibuild, busybox_base: BaseImage, project: Project
) -> None:
    builder.succeed("pull", busybox_base.name)
    offline = Minibuild(builder.root)
    offline.succeed("build", "-t", "offline", project({"Dockerfile": "FROM busybox\nRUN echo fine > /fine\n"}))
    assert offline.succeed("run", "--rm", "offline", "cat", "/fine") == "fine\n"


def test_a_second_load_leaves_out_what_the_daemon_has(builder: Minibuild, project: Project, dockerd: Dockerd) -> None:
    loading = builder.with_variables(DOCKER_HOST=dockerd.host)
    loading.succeed("build", "-t", "twice:1", "--load", project({"Dockerfile": "FROM busybox\nRUN echo 1 > /n\n"}))
    loading.succeed("build", "-t", "twice:2", "--load", project({"Dockerfile": "FROM busybox\nRUN echo 2 > /n\n"}))
    assert dockerd.run("run", "--rm", "--net", "none", "twice:1", "cat", "/n").stdout == "1\n"
    assert dockerd.run("run", "--rm", "--net", "none", "twice:2", "cat", "/n").stdout == "2\n"


def test_files_that_scripts_read_agree_with_the_quiet_output(
    builder: Minibuild, project: Project, tmp_path: Path
) -> None:
    iid, metadata = tmp_path / "iid", tmp_path / "metadata.json"
    root = project({"Dockerfile": "FROM busybox\nRUN true\n"})
    quiet = builder.succeed("build", "-q", "--iidfile", iid, "--metadata-file", metadata, root)
    assert re.fullmatch(r"sha256:[0-9a-f]{64}\n", quiet)
    assert iid.read_text() == quiet.strip()
    assert json.loads(metadata.read_text())["containerimage.config.digest"] == quiet.strip()


def test_info_says_of_each_runtime_and_snapshotter_whether_it_works(minibuild: Minibuild) -> None:
    info = minibuild.succeed("info")
    for name in ("crun", "runc", "bubblewrap", "unshare", "overlay", "native"):
        assert name in info


def test_a_directory_alone_means_build(builder: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    assert builder.succeed("-q", ".", cwd=root) == builder.succeed("build", "-q", root)


def test_the_root_may_come_from_the_environment_or_behind_the_command(builder: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM scratch\nCOPY Dockerfile /\n"})
    first = builder.succeed("build", "-q", "-t", "one", root)
    assert first.strip().removeprefix("sha256:")[:12] in builder.succeed("images", "--root", str(builder.root))
