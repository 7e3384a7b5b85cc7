"""``minibuild manifest``: indices of images that were built apart."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from minibuild.oci import Digest
from tests.command import Minibuild
from tests.servers.registry import RegistryServer, refuses


@pytest.fixture
def server() -> Iterator[RegistryServer]:
    with RegistryServer() as server:
        yield server


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with ``app:amd64``, ``app:arm64``, and ``app:same``, which is for amd64 too."""
    place = tmp_path_factory.mktemp("apart")
    for tag, architecture in (("amd64", "amd64"), ("arm64", "arm64"), ("same", "amd64")):
        built(Minibuild(place / "store"), place, architecture, "-t", f"app:{tag}", f"--label=tag={tag}")
    return place / "store"


@pytest.fixture
def apart(minibuild: Minibuild, store: Path) -> Minibuild:
    """minibuild with a copy of that."""
    shutil.copytree(store, minibuild.root)
    return minibuild


def built(minibuild: Minibuild, place: Path, architecture: str, *words: str) -> str:
    """The digest of an image for an architecture, as its metadata file says it."""
    (place / "Dockerfile").write_text("FROM scratch\nARG TARGETARCH\nCOPY Dockerfile /$TARGETARCH\n")
    options = (f"--platform=linux/{architecture}", "--metadata-file", place / "metadata.json")
    minibuild.succeed("build", *options, *words, place)
    return str(json.loads((place / "metadata.json").read_text())["containerimage.digest"])


def inspected(minibuild: Minibuild, name: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(minibuild.succeed("manifest", "inspect", name))
    return document


def platforms(index: dict[str, Any]) -> list[str]:
    return [f"{entry['platform']['os']}/{entry['platform']['architecture']}" for entry in index["manifests"]]


def test_images_of_the_store_become_an_index(apart: Minibuild) -> None:
    done = apart("manifest", "create", "app:1", "app:amd64", "app:arm64")
    assert done.returncode == 0, done.stderr
    index = inspected(apart, "app:1")
    assert [line.split("  ") for line in done.stderr.splitlines()] == [
        [platform, entry["digest"]] for platform, entry in zip(platforms(index), index["manifests"], strict=True)
    ]
    raw = apart.succeed("manifest", "inspect", "--raw", "app:1")
    assert done.stdout == f"{Digest.of(raw.encode())}\n"
    assert platforms(index) == ["linux/amd64", "linux/arm64"]


def test_an_index_is_taken_with_all_its_images_and_one_for_the_same_platform_takes_the_formers_place(
    apart: Minibuild, tmp_path: Path
) -> None:
    apart.succeed("manifest", "create", "app:1", "app:amd64", "app:arm64")
    (tmp_path / "new").mkdir()
    new = built(apart, tmp_path / "new", "arm64", "--label=new=1", "-t", "app:new")
    built(apart, tmp_path / "new", "s390x", "-t", "app:s390x")
    apart.succeed("manifest", "create", "app:2", "app:1", "app:s390x")
    apart.succeed("manifest", "create", "--amend", "app:2", "app:new")
    index = inspected(apart, "app:2")
    assert platforms(index) == ["linux/amd64", "linux/s390x", "linux/arm64"]
    assert index["manifests"][2]["digest"] == new


def test_what_was_pushed_by_digest_by_several_jobs_gets_its_name_without_its_layers_coming_here(
    minibuild: Minibuild, tmp_path: Path, server: RegistryServer
) -> None:
    name = f"{server.host}/app"
    output = f"type=image,name={name},push-by-digest=true,push=true"
    jobs = [minibuild.at(tmp_path / architecture) for architecture in ("amd64", "arm64")]
    digests = [built(job, tmp_path, job.root.name, "-o", output) for job in jobs]
    asked = len(server.requests)
    minibuild.succeed("manifest", "create", f"{name}:1", *(f"{name}@{digest}" for digest in digests))
    pushed = minibuild.succeed("manifest", "push", "-q", f"{name}:1").strip()
    index = json.loads(server.manifests["app/1"][1])
    assert [entry["digest"] for entry in index["manifests"]] == digests
    assert pushed == f"{name}:1@{Digest.of(server.manifests['app/1'][1])}"
    configs = {json.loads(server.manifests[f"app/{digest}"][1])["config"]["digest"] for digest in digests}
    gets = {request.path.rpartition("/")[2] for request in server.requests[asked:] if request.method == "GET"}
    assert gets == {*digests, *configs}


def test_layers_that_the_registry_has_in_another_repository_are_taken_over_there(
    minibuild: Minibuild, tmp_path: Path, server: RegistryServer
) -> None:
    name = f"{server.host}/app"
    job = minibuild.at(tmp_path / "job")
    digest = built(job, tmp_path, "arm64", "-o", f"type=registry,name={name},push-by-digest=true")
    server.fail("other/blobs/sha256", refuses(404, "BLOB_UNKNOWN", "not in this repository"))
    minibuild.succeed("manifest", "create", "joined:1", f"{name}@{digest}")
    minibuild.succeed("manifest", "push", "joined:1", f"{server.host}/other:1")
    layers = [layer["digest"] for layer in json.loads(server.manifests[f"other/{digest}"][1])["layers"]]
    assert list(server.uploads.mounted) == layers
    assert not any(request.method == "GET" and request.path.endswith(layers[0]) for request in server.requests)


def test_an_index_goes_to_a_registry_under_another_name_and_out_of_the_store(
    apart: Minibuild, server: RegistryServer, tmp_path: Path
) -> None:
    apart.succeed("manifest", "create", "app:1", "app:amd64", "app:arm64")
    words = ("--purge", "--digest-file", tmp_path / "digest", "app:1", f"docker://{server.host}/other:2")
    apart.succeed("manifest", "push", *words)
    assert (tmp_path / "digest").read_text() == Digest.of(server.manifests["other/2"][1])
    assert "app:1" not in apart.succeed("images", "--format", "{{.Repository}}:{{.Tag}}").split()


def test_an_index_of_a_registry_is_shown_and_nothing_of_it_kept(
    apart: Minibuild, server: RegistryServer, tmp_path: Path
) -> None:
    name = f"{server.host}/app:1"
    apart.succeed("manifest", "create", name, "app:amd64", "app:arm64")
    apart.succeed("manifest", "push", name)
    elsewhere = apart.at(tmp_path / "elsewhere")
    form = "{{range .manifests}}{{.platform.architecture}} {{end}}"
    assert elsewhere.succeed("manifest", "inspect", "-f", form, name) == "amd64 arm64 \n"
    assert list((elsewhere.root / "blobs/sha256").iterdir()) == []


@pytest.mark.parametrize("word", ["linux/arm64", "app:arm64"])
def test_more_is_said_of_an_image_and_of_the_index(apart: Minibuild, word: str) -> None:
    apart.succeed("manifest", "create", "--annotation=made=here", "app:1", "app:amd64", "app:arm64")
    words = ("--variant=v9", "--os-version=6", "--os-features=a,b", "--annotation=c=d")
    apart.succeed("manifest", "annotate", *words, "app:1", word)
    apart.succeed("manifest", "annotate", "--annotation=e=f", "app:1")
    index = inspected(apart, "app:1")
    assert index["annotations"] == {"made": "here", "e": "f"}
    assert index["manifests"][0]["platform"] == {"architecture": "amd64", "os": "linux"}
    entry = index["manifests"][1]
    wanted = {"architecture": "arm64", "os": "linux", "variant": "v9", "os.version": "6", "os.features": ["a", "b"]}
    assert (entry["platform"], entry["annotations"]) == (wanted, {"c": "d"})


def test_an_image_is_meant_by_the_beginning_of_its_digest(apart: Minibuild) -> None:
    apart.succeed("manifest", "create", "app:1", "app:amd64", "app:arm64")
    digest = inspected(apart, "app:1")["manifests"][0]["digest"]
    apart.succeed("manifest", "annotate", "--annotation=a=b", "app:1", digest[:20])
    assert inspected(apart, "app:1")["manifests"][0]["annotations"] == {"a": "b"}


def test_an_index_goes_and_its_images_stay_that_have_names(apart: Minibuild) -> None:
    apart.succeed("manifest", "create", "app:1", "app:amd64", "app:arm64")
    apart.succeed("manifest", "rm", "app:1")
    assert sorted(apart.succeed("images", "--format", "{{.Tag}}").split()) == ["amd64", "arm64", "same"]


REFUSED = {
    "create app:1 app:amd64 app:same": (
        7,
        "error: app:amd64 and app:same both have an image for linux/amd64\n",
    ),
    "create app:1 absent@sha256:12": (
        7,
        "error: no image 'absent@sha256:12' in the store\nhint: `minibuild images` lists them\n",
    ),
    "create app:1": (
        2,
        "error: manifest create wants LIST IMAGE…, got 'app:1'\nhint: see minibuild manifest create --help\n",
    ),
    "annotate --os=a app:amd64 linux/amd64": (
        7,
        "error: app:amd64 is an image, wanted an index\nhint: minibuild manifest create LIST IMAGE… makes one\n",
    ),
    "annotate app:1": (2, "error: nothing says what to change\nhint: --os, --arch, --variant, --annotation, …\n"),
    "annotate --os=a app:1": (
        2,
        "error: an index has no platform of its own\nhint: name one of its images: app:1 IMAGE\n",
    ),
    "crate": (2, "error: minibuild manifest has no command 'crate'\nhint: did you mean create?\n"),
    "rm app:amd64": (
        7,
        "error: app:amd64 is an image, wanted an index\nhint: minibuild manifest create LIST IMAGE… makes one\n",
    ),
}


@pytest.mark.parametrize(("words", "wanted"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_done_is_refused(apart: Minibuild, words: str, wanted: tuple[int, str]) -> None:
    done = apart("manifest", *words.split())
    assert (done.returncode, done.stderr) == wanted


def test_an_image_that_the_index_lacks_is_refused_with_what_it_has(apart: Minibuild) -> None:
    apart.succeed("manifest", "create", "app:1", "app:amd64")
    done = apart("manifest", "annotate", "--annotation=a=b", "app:1", "app:arm64")
    assert done.returncode == 7
    assert "error: app:arm64 is none of the index's images\nhint: it has linux/amd64 " in done.stderr
