"""``build --platform a,b`` as a person uses it, on Dockerfiles that need no RUN, and so no emulator."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from minibuild.oci import Platform
from tests.command import Minibuild

BOTH = "--platform=linux/amd64,linux/arm64"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    root = tmp_path / "project"
    root.mkdir()
    (root / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY *.$TARGETARCH /srv/app\n")
    for architecture in ("amd64", "arm64"):
        (root / f"app.{architecture}").write_text(architecture)
    return root


def test_the_summary_tells_the_index_and_what_it_has_for_each_platform(minibuild: Minibuild, project: Path) -> None:
    done = minibuild("build", BOTH, "-t", "web:1", project)
    assert re.sub(r"[0-9a-f]{64}", "…", done.stderr).endswith(
        "\n\n"
        "index   sha256:…\n"
        "for     linux/amd64  sha256:…  2.56kB in 1 layer\n"
        "for     linux/arm64  sha256:…  2.56kB in 1 layer\n"
        "tag     web:1\n"
        "size    5.12kB in 2 layers\n"
        "steps   0 of 2 cached\n"
    )


def test_files_about_the_result_tell_the_index_in_dockers_words(minibuild: Minibuild, project: Path) -> None:
    files = ("--iidfile", "iid", "--digest-file", "digest", "--metadata-file", "metadata.json")
    words = ("-t", "web:1", "-o", "type=oci,dest=web,tar=false")
    digest = minibuild.succeed("build", "-q", BOTH, *files, *words, ".", cwd=project).strip()
    [entry] = json.loads((project / "web/index.json").read_text())["manifests"]
    index = "application/vnd.oci.image.index.v1+json"
    size = (project / "web/blobs/sha256" / digest.removeprefix("sha256:")).stat().st_size
    assert (project / "iid").read_text() == (project / "digest").read_text() == entry["digest"] == digest
    assert json.loads((project / "metadata.json").read_text()) == {
        "containerimage.descriptor": {"mediaType": index, "digest": digest, "size": size},
        "containerimage.digest": digest,
        "image.name": "docker.io/library/web:1",
    }


def test_an_archive_of_all_platforms_is_loaded_whole_or_in_part(minibuild: Minibuild, project: Path) -> None:
    digest = minibuild.succeed("build", "-q", BOTH, "-t", "web:1", "-o", "type=oci,dest=web.tar", ".", cwd=project)
    elsewhere, words = minibuild.at(project / "elsewhere"), ("load", "-q", "-i", project / "web.tar")
    assert elsewhere.succeed(*words) == "Loaded image: web:1\n"
    assert elsewhere.succeed("inspect", "-f", "{{.Descriptor.digest}}", "web:1") == digest
    elsewhere.succeed(*words, "--platform=linux/arm64")
    assert elsewhere.succeed("inspect", "-f", "{{.Architecture}}", "web:1") == "arm64\n"


def test_each_platforms_files_have_a_directory(minibuild: Minibuild, project: Path) -> None:
    minibuild.succeed("build", BOTH, "-o", "out", ".", cwd=project)
    found = {str(path.relative_to(project / "out")): path.read_text() for path in project.glob("out/*/srv/app")}
    assert found == {"linux_amd64/srv/app": "amd64", "linux_arm64/srv/app": "arm64"}


@pytest.mark.parametrize("words", [("--load",), ("-o", "type=docker,dest=web.tar")], ids=["the daemon", "an archive"])
def test_what_takes_one_platform_is_refused_before_anything_is_built(
    minibuild: Minibuild, project: Path, words: tuple[str, ...]
) -> None:
    done = minibuild("build", BOTH, *words, ".", cwd=project)
    assert done.returncode == 2
    assert done.stderr == (
        "error: --output type=docker takes one platform's image, and this build is for several: "
        "linux/amd64,linux/arm64\n"
        "hint: type=oci,dest=FILE takes several, and type=registry; or build for one: --platform local\n"
    )


@pytest.mark.parametrize("words", [("plan",), ("build", "--check"), ("check",)], ids=["plan", "build --check", "check"])
def test_who_looks_at_one_platform_refuses_several(minibuild: Minibuild, project: Path, words: tuple[str, ...]) -> None:
    done = minibuild(*words, BOTH, project)
    assert done.returncode == 2
    assert "error: 'linux/amd64,linux/arm64' names several platforms, wanted one" in done.stderr


def test_an_index_is_one_line_among_the_images_and_its_parts_are_found_by_platform(
    minibuild: Minibuild, project: Path
) -> None:
    minibuild.succeed("build", BOTH, "-t", "web:1", project)
    listed = minibuild.succeed("images", "--format", "{{.Repository}}:{{.Tag}} {{.Platforms}}")
    assert listed == "web:1 linux/amd64, linux/arm64\n"
    words = ("inspect", "--format", "{{.Architecture}}")
    assert minibuild.succeed(*words, "--platform=linux/arm64", "web:1") == "arm64\n"
    assert minibuild.succeed(*words, "web:1") == f"{Platform.of_this_machine().architecture}\n"


def test_an_index_that_only_attestations_make_has_annotations_too(minibuild: Minibuild, project: Path) -> None:
    words = ("--platform=linux/arm64", "--annotation=index:a=1", "--provenance", "-t", "web:1")
    minibuild.succeed("build", *words, project)
    assert json.loads(minibuild.succeed("manifest", "inspect", "web:1"))["annotations"] == {"a": "1"}


def test_annotations_of_an_index_are_said_where_they_were_to_be_said(minibuild: Minibuild, project: Path) -> None:
    words = ["index:a=1", "index-descriptor:b=2", "manifest[linux/arm64]:c=3", "manifest-descriptor[linux/amd64]:d=4"]
    options = [word for annotation in words for word in ("--annotation", annotation)]
    minibuild.succeed("build", BOTH, *options, "-o", "type=oci,dest=web,tar=false", ".", cwd=project)

    def read(digest: str) -> dict[str, object]:
        document: dict[str, object] = json.loads((project / "web/blobs/sha256" / digest[7:]).read_text())
        return document

    [top] = json.loads((project / "web/index.json").read_text())["manifests"]
    index = json.loads(json.dumps(read(top["digest"])))
    assert (index["annotations"], top["annotations"]["b"]) == ({"a": "1"}, "2")
    assert [entry.get("annotations") for entry in index["manifests"]] == [{"d": "4"}, None]
    assert [read(entry["digest"]).get("annotations") for entry in index["manifests"]] == [None, {"c": "3"}]
