"""Archives as Docker wrote them through the years, archives of strangers, and our own."""

from __future__ import annotations

import gzip
import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from minibuild.errors import ImageError, IntegrityError, UnavailableError, UsageError
from minibuild.events import silent
from minibuild.oci import Digest, Image, Platform, Reference
from minibuild.store import Store
from minibuild.transports.docker_archive import DockerArchive
from tests.machine import require
from tests.transports.conftest import APP, LINUX, SECOND, compressed, image_of

Entries = Mapping[str, bytes | str]
"""Members by name; a text is a symbolic link's target."""


def write(path: Path, members: Entries) -> Path:
    with tarfile.open(path, "w") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            if isinstance(content, str):
                info.type, info.linkname = tarfile.SYMTYPE, content
                archive.addfile(info)
            else:
                info.size = len(content)
                archive.addfile(info, io.BytesIO(content))
    return path


def saved_by_docker_24(store: Store, image: Image, pack: Callable[[bytes], bytes] = bytes) -> dict[str, bytes | str]:
    """The members that ``docker save`` of that age writes; a layer that comes again is a link."""
    members: dict[str, bytes | str] = {f"{image.id.hex}.json": image.raw_config}
    layers: list[str] = []
    for number, layer in enumerate(image.layers):
        name = f"{number:064x}/layer.tar"
        again = [earlier for earlier, old in zip(layers, image.layers, strict=False) if old == layer]
        content = pack(store.blobs.path(layer.diff_id).read_bytes())
        members[name] = f"../{again[0]}" if again else content
        layers.append(name)
    item = {"Config": f"{image.id.hex}.json", "RepoTags": ["app:1"], "Layers": layers}
    return {**members, "manifest.json": json.dumps([item]).encode()}


def blob(source: DockerArchive, image: Image, number: int) -> bytes:
    with source.open(image.layers[number].descriptor) as stream:
        return stream.read()


def test_an_archive_of_docker_24_keeps_its_image_id(store: Store, image: Image, tmp_path: Path) -> None:
    source = DockerArchive(write(tmp_path / "a.tar", saved_by_docker_24(store, image)))
    found = source.resolve(APP, LINUX)
    assert (found.id, found.config) == (image.id, image.config)
    assert found.layers == image.layers
    assert Digest.of(blob(source, found, 1)) == image.layers[1].diff_id


def test_a_layer_that_docker_24_linked_to_an_earlier_one_is_found(store: Store, image: Image, tmp_path: Path) -> None:
    changes = image.layers[0]
    twice = Image.compose(image.config, [changes, changes])
    members = saved_by_docker_24(store, twice)
    assert sum(isinstance(content, str) for content in members.values()) == 1
    source = DockerArchive(write(tmp_path / "a.tar", members))
    assert Digest.of(blob(source, source.resolve(APP, LINUX), 1)) == changes.diff_id


def test_a_layer_of_an_archive_may_be_asked_for_by_whoever_knows_it(store: Store, image: Image, tmp_path: Path) -> None:
    archive = write(tmp_path / "saved.tar", saved_by_docker_24(store, image))
    layer = image.layers[0]
    with DockerArchive(archive).open(layer.descriptor) as found, store.open(layer.descriptor) as own:
        assert found.read() == own.read()


def test_gzipped_layers_in_an_old_archive_are_told_by_their_content(store: Store, image: Image, tmp_path: Path) -> None:
    members = saved_by_docker_24(store, image, lambda tar: gzip.compress(tar, mtime=0))
    source = DockerArchive(write(tmp_path / "a.tar", members))
    found = source.resolve(APP, LINUX)
    assert [layer.diff_id for layer in found.layers] == list(image.config.diff_ids)
    assert all(layer.descriptor.media_type.endswith("+gzip") for layer in found.layers)
    assert gzip.decompress(blob(source, found, 0)) == store.blobs.path(image.layers[0].diff_id).read_bytes()


def test_a_layer_of_an_old_archive_that_is_another_one_is_found_out(store: Store, image: Image, tmp_path: Path) -> None:
    members = {
        name: b"another" if name.endswith("layer.tar") else content
        for name, content in saved_by_docker_24(store, image).items()
    }
    source = DockerArchive(write(tmp_path / "a.tar", members))
    found = source.resolve(APP, LINUX)
    with pytest.raises(IntegrityError, match=image.layers[0].diff_id):
        blob(source, found, 0)


def with_manifest(change: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, bytes | str]], None]:
    def damage(members: dict[str, bytes | str]) -> None:
        content = members["manifest.json"]
        assert isinstance(content, bytes)
        items = json.loads(content)
        change(items[0])
        members["manifest.json"] = json.dumps(items).encode()

    return damage


DAMAGES: Mapping[str, tuple[Callable[[dict[str, bytes | str]], object], str]] = {
    "no manifest": (lambda members: members.pop("manifest.json"), "has neither manifest.json nor index.json"),
    "no JSON": (lambda members: members.update({"manifest.json": b"{"}), "is no JSON"),
    "deep JSON": (lambda members: members.update({"manifest.json": b"[" * 99_999}), "is no JSON"),
    "null": (lambda members: members.update({"manifest.json": b"null"}), "lists no images"),
    "nothing": (lambda members: members.update({"manifest.json": b"[]"}), "lists no images"),
    "no configuration": (with_manifest(lambda item: item.pop("Config")), "lists no images"),
    "layers that are numbers": (with_manifest(lambda item: item.update(Layers=[1, 2])), "lists no images"),
    "a missing layer": (with_manifest(lambda item: item["Layers"].pop()), "has 1 layers in manifest.json, 2 diff_ids"),
    "a layer outside": (
        with_manifest(lambda item: item.update(Layers=["../../etc/passwd"] * 2)),
        "lacks the layer ../../etc/passwd",
    ),
    "a layer that is a link out": (
        lambda members: members.update({f"{1:064x}/layer.tar": "/etc/passwd"}),
        "lacks the layer 000",
    ),
    "a configuration outside": (
        with_manifest(lambda item: item.update(Config="/etc/passwd")),
        "has no file /etc/passwd",
    ),
    "a huge manifest": (lambda members: members.update({"manifest.json": bytes(5 << 20)}), "4 MiB at most"),
}


@pytest.mark.parametrize("damage", DAMAGES.values(), ids=DAMAGES.keys())
def test_a_damaged_archive_is_one_clear_error(
    damage: tuple[Callable[[dict[str, bytes | str]], object], str], store: Store, image: Image, tmp_path: Path
) -> None:
    members = saved_by_docker_24(store, image)
    damage[0](members)
    source = DockerArchive(write(tmp_path / "a.tar", members))
    with pytest.raises(ImageError, match=damage[1]):
        source.resolve(APP, LINUX)


@pytest.mark.parametrize("content", [b"", b"no tar at all" * 100, b"\x1f\x8b\x08 broken gzip"])
def test_what_is_no_archive_is_one_clear_error(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.tar").write_bytes(content)
    with pytest.raises(ImageError):
        DockerArchive(tmp_path / "a.tar").resolve(APP, LINUX)


def test_a_missing_archive_is_named(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match=r"nowhere\.tar can't be read: No such file"):
        DockerArchive(tmp_path / "nowhere.tar").resolve(APP, LINUX)


def two_images(store: Store, tmp_path: Path) -> tuple[Path, Image, Image]:
    first, second = image_of(store, user="first"), image_of(store, user="second")
    members: dict[str, bytes | str] = {}
    items = []
    for image, tag in ((first, "app:1"), (second, "localhost:5000/team/app:2")):
        members |= saved_by_docker_24(store, image)
        items.append({"Config": f"{image.id.hex}.json", "RepoTags": [tag], "Layers": None})
    members["manifest.json"] = json.dumps(items).encode()
    return write(tmp_path / "two.tar", members), first, second


def test_one_of_several_images_is_chosen_by_name(store: Store, tmp_path: Path) -> None:
    path, first, second = two_images(store, tmp_path)
    assert DockerArchive(path).resolve(APP, LINUX).id == first.id
    assert DockerArchive(path).resolve(SECOND, LINUX).id == second.id
    assert DockerArchive.at(f"{path}:localhost:5000/team/app:2").resolve(APP, LINUX).id == second.id
    assert DockerArchive(path, first.id).resolve(SECOND, LINUX).id == first.id
    with pytest.raises(ImageError, match="has 2 images, one must be chosen") as raised:
        DockerArchive(path).resolve(Reference.parse("other"), LINUX)
    assert raised.value.hint == "it has app:1, localhost:5000/team/app:2"


def test_all_images_are_listed_with_their_names(store: Store, tmp_path: Path) -> None:
    path, first, second = two_images(store, tmp_path)
    listed = [(names, found.id) for names, found in DockerArchive(path).images(LINUX)]
    assert listed == [((APP,), first.id), ((SECOND,), second.id)]


def test_an_image_for_another_platform_is_refused(store: Store, image: Image, tmp_path: Path) -> None:
    source = DockerArchive(write(tmp_path / "a.tar", saved_by_docker_24(store, image)))
    with pytest.raises(ImageError, match="is for linux/amd64, wanted linux/arm64"):
        source.resolve(APP, Platform("linux", "arm64"))


def exported(store: Store, image: Image, *names: Reference) -> bytes:
    sink = io.BytesIO()
    DockerArchive(sink).export(image, names, store, silent)
    return sink.getvalue()


def test_the_same_image_gives_the_same_bytes_with_sorted_names_and_no_times(store: Store, image: Image) -> None:
    content = exported(store, image, APP)
    assert content == exported(store, image, APP)
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        members = archive.getmembers()
    assert [member.name for member in members] == sorted(member.name for member in members)
    assert {(member.mtime, member.uid, member.gid) for member in members} == {(0, 0, 0)}


def test_each_name_stands_in_both_indices(store: Store, image: Image) -> None:
    with tarfile.open(fileobj=io.BytesIO(exported(store, image, APP, SECOND))) as archive:
        index = json.loads(archive.extractfile("index.json").read())  # type: ignore[union-attr]
        [item] = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert item["RepoTags"] == ["app:1", "localhost:5000/team/app:2"]
    assert [entry["annotations"]["io.containerd.image.name"] for entry in index["manifests"]] == [str(APP), str(SECOND)]
    assert [entry["annotations"]["org.opencontainers.image.ref.name"] for entry in index["manifests"]] == ["1", "2"]
    assert {entry["digest"] for entry in index["manifests"]} == {image.digest}


def test_a_nameless_image_has_no_tags(store: Store, image: Image) -> None:
    with tarfile.open(fileobj=io.BytesIO(exported(store, image))) as archive:
        [item] = json.loads(archive.extractfile("manifest.json").read())  # type: ignore[union-attr]
    assert item["RepoTags"] is None


def test_an_archive_on_a_pipe_is_read(store: Store, image: Image) -> None:
    content = exported(store, image, APP)
    receiving, sending = os.pipe()
    writer = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=sending)
    os.close(sending)
    import threading

    thread = threading.Thread(target=lambda: (writer.stdin.write(content), writer.stdin.close()))  # type: ignore[union-attr]
    thread.start()
    with open(receiving, "rb") as stream:
        assert DockerArchive(stream).resolve(APP, LINUX) == image
    thread.join()
    writer.wait()


class Terminal(io.BytesIO):
    def isatty(self) -> bool:
        return True


def test_no_archive_is_written_to_a_terminal(store: Store, image: Image) -> None:
    screen = Terminal()
    with pytest.raises(UsageError, match="no text for a terminal"):
        DockerArchive(screen).export(image, [APP], store, silent)
    assert screen.getvalue() == b""


def test_an_archive_that_was_there_stays_when_the_new_one_fails(store: Store, image: Image, tmp_path: Path) -> None:
    path = tmp_path / "a.tar"
    path.write_bytes(b"precious")
    store.blobs.remove(image.layers[0].diff_id)
    with pytest.raises(ImageError):
        DockerArchive(path).export(image, [APP], store, silent)
    assert path.read_bytes() == b"precious"
    assert [left.name for left in tmp_path.iterdir() if left.name.startswith(".")] == []


def test_a_link_is_written_to_where_it_leads(store: Store, image: Image, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("real.tar")
    DockerArchive(tmp_path / "link").export(image, [APP], store, silent)
    assert (tmp_path / "link").is_symlink()
    assert DockerArchive(tmp_path / "real.tar").resolve(APP, LINUX) == image


def test_an_archive_may_go_to_a_device(store: Store, image: Image) -> None:
    DockerArchive(Path("/dev/null")).export(image, [APP], store, silent)
    assert Path("/dev/null").is_char_device()


def test_a_full_disk_is_one_clear_error(store: Store, image: Image) -> None:
    with pytest.raises(UnavailableError, match="/dev/full has no room left"):
        DockerArchive(Path("/dev/full")).export(image, [APP], store, silent)


@pytest.mark.parametrize("place", ["", "missing/a.tar"], ids=["a directory", "below nothing"])
def test_a_place_that_cannot_be_a_file_is_refused(store: Store, image: Image, tmp_path: Path, place: str) -> None:
    with pytest.raises(UsageError):
        DockerArchive(tmp_path / place).export(image, [APP], store, silent)


def test_a_reader_that_goes_away_is_one_clear_error(store: Store, image: Image) -> None:
    receiving, sending = os.pipe()
    os.close(receiving)
    sink: BinaryIO = open(sending, "wb", buffering=0)  # noqa: SIM115 - closed below
    with pytest.raises(UnavailableError, match="standard output was closed before all was written"):
        DockerArchive(sink).export(image, [APP], store, silent)
    sink.close()


@pytest.mark.e2e
@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_skopeo_reads_our_archive_both_ways(store: Store, image: Image, tmp_path: Path, transport: str) -> None:
    require("skopeo")
    DockerArchive(tmp_path / "a.tar").export(compressed(store, image), [APP], store, silent)
    command = ["skopeo", "copy", "--quiet", f"{transport}:{tmp_path}/a.tar", f"dir:{tmp_path}/copied"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    manifest = json.loads((tmp_path / "copied" / "manifest.json").read_text())
    assert manifest["config"]["digest"] == image.id


@pytest.mark.e2e
@pytest.mark.parametrize("transport", ["docker-archive", "oci-archive"])
def test_we_read_what_skopeo_writes(store: Store, image: Image, tmp_path: Path, transport: str) -> None:
    require("skopeo")
    store.images.tag(APP, image)
    target = f"{transport}:{tmp_path}/a.tar" + (":app:1" if transport == "docker-archive" else "")
    command = ["skopeo", "copy", "--quiet", f"oci:{store.root}:{APP}", target]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    source = DockerArchive(tmp_path / "a.tar")
    found = source.resolve(APP, LINUX)
    assert found.config == image.config
    with source.open(found.layers[1].descriptor) as stream:
        assert len(stream.read()) == found.layers[1].descriptor.size


@pytest.mark.e2e
def test_a_container_structure_test_passes_on_our_archive(store: Store, image: Image, tmp_path: Path) -> None:
    import sys

    program = Path(sys.executable).with_name("container-structure-test")
    if not program.exists():
        pytest.skip("container-structure-test is not installed beside this python")
    DockerArchive(tmp_path / "a.tar").export(image, [APP], store, silent)
    checks = {
        "schemaVersion": "2.0.0",
        "fileContentTests": [{"name": "motd", "path": "/etc/motd", "expectedContents": ["hello"]}],
        "fileExistenceTests": [{"name": "whiteout", "path": "/etc/old", "shouldExist": False}],
        "metadataTest": {"cmd": ["/hello"], "labels": [{"key": "a", "value": "b"}]},
    }
    (tmp_path / "checks.json").write_text(json.dumps(checks))
    command = [str(program), "test", "--driver", "tar", "--image", f"{tmp_path}/a.tar"]
    command += ["--config", f"{tmp_path}/checks.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
