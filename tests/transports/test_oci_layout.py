"""Layouts on disk: chosen by tag, name, digest and platform; damaged ones are told."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from minibuild.errors import ImageError, IntegrityError, UnavailableError, UsageError
from minibuild.events import silent
from minibuild.oci import Digest, Image, MediaType, Platform, Reference
from minibuild.store import Store
from minibuild.transports import open_source
from minibuild.transports.oci_layout import OciLayout
from tests.machine import require
from tests.transports.conftest import APP, LINUX, SECOND, directory, file, image_of

ARM = Platform("linux", "arm64")
OTHER = Reference.parse("other")


@pytest.fixture
def layout(tmp_path: Path) -> Path:
    return tmp_path / "layout"


def put(path: Path, content: bytes) -> Digest:
    digest = Digest.of(content)
    (path / "blobs" / "sha256" / digest.hex).write_bytes(content)
    return digest


def several_platforms(store: Store, layout: Path) -> tuple[Image, Image]:
    """A layout whose only entry is an index of two platforms and an attestation."""
    amd64 = image_of(store, [file("a", b"amd64")])
    arm64 = Image.compose(Image.scratch(ARM).config, amd64.layers)
    OciLayout(layout).export(amd64, [], store, silent)
    OciLayout(layout).export(arm64, [], store, silent)
    entries = [
        {**image.descriptor.encode(), "platform": {"os": "linux", "architecture": name}}
        for image, name in ((amd64, "amd64"), (arm64, "arm64"))
    ]
    attestation = {**amd64.descriptor.encode(), "platform": {"os": "unknown", "architecture": "unknown"}}
    raw = json.dumps({"schemaVersion": 2, "manifests": [attestation, *entries]}).encode()
    entry = {"mediaType": MediaType.INDEX, "digest": put(layout, raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    return amd64, arm64


def test_an_index_gives_each_platform_its_image(store: Store, layout: Path) -> None:
    amd64, arm64 = several_platforms(store, layout)
    assert OciLayout(layout).resolve(OTHER, LINUX) == amd64
    assert OciLayout(layout).resolve(OTHER, ARM) == arm64
    with pytest.raises(ImageError, match="linux/amd64, linux/arm64, wanted linux/s390x"):
        OciLayout(layout).resolve(OTHER, Platform("linux", "s390x"))


def test_one_platform_s_digest_chooses_it_out_of_an_index(store: Store, layout: Path) -> None:
    _, arm64 = several_platforms(store, layout)
    assert OciLayout.at(f"{layout}@{arm64.digest}").resolve(OTHER, ARM) == arm64
    with pytest.raises(ImageError, match="is for linux/arm64, wanted linux/amd64"):
        OciLayout.at(f"{layout}@{arm64.digest}").resolve(OTHER, LINUX)
    with pytest.raises(ImageError, match="has no image sha256:000"):
        OciLayout.at(f"{layout}@sha256:{'0' * 64}").resolve(OTHER, LINUX)


def test_several_images_are_chosen_by_tag_by_name_and_by_what_is_asked_for(store: Store, layout: Path) -> None:
    first, second = image_of(store, user="first"), image_of(store, user="second")
    OciLayout(layout).export(first, [APP], store, silent)
    OciLayout(layout).export(second, [SECOND], store, silent)
    assert OciLayout(layout).resolve(APP, LINUX) == first
    assert OciLayout.at(f"{layout}:2").resolve(OTHER, LINUX) == second
    assert OciLayout.at(f"{layout}:{SECOND}").resolve(APP, LINUX) == second
    assert OciLayout.at(f"{layout}:app:1").resolve(OTHER, LINUX) == first
    assert OciLayout.at(f"{layout}@{first.digest}").resolve(SECOND, LINUX) == first
    source = open_source(f"oci-layout://{layout}:2", {})
    assert source and source.resolve(OTHER, LINUX) == second
    with pytest.raises(ImageError, match="has 2 images, one must be chosen") as raised:
        OciLayout(layout).resolve(OTHER, LINUX)
    assert raised.value.hint == f"it has {APP}, {SECOND}"
    with pytest.raises(ImageError, match="has no image '3'"):
        OciLayout.at(f"{layout}:3").resolve(APP, LINUX)


def test_a_tag_that_is_exported_again_moves(store: Store, layout: Path) -> None:
    for user in ("old", "new"):
        OciLayout(layout).export(image_of(store, user=user), [APP], store, silent)
    assert OciLayout(layout).resolve(APP, LINUX).config.config.user == "new"
    assert len(json.loads((layout / "index.json").read_text())["manifests"]) == 1


def test_exporting_again_changes_nothing(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    before = {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()}
    OciLayout(layout).export(image, [APP], store, silent)
    assert {path: path.read_bytes() for path in layout.rglob("*") if path.is_file()} == before


def test_a_layout_holds_nothing_but_what_the_specification_names(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    assert sorted(os.listdir(layout)) == ["blobs", "index.json", "oci-layout"]
    assert layout.stat().st_mode & 0o777 == 0o755


def test_entries_of_other_tools_survive(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    index = json.loads((layout / "index.json").read_text())
    foreign = {"mediaType": "application/x", "digest": f"sha256:{'1' * 64}", "size": 1, "data": "YQ=="}
    (layout / "index.json").write_text(json.dumps({**index, "manifests": [foreign, *index["manifests"]]}))
    OciLayout(layout).export(image, [SECOND], store, silent)
    assert foreign in json.loads((layout / "index.json").read_text())["manifests"]


def test_a_damaged_blob_is_told_and_left_to_its_owner(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    path = layout / "blobs" / "sha256" / image.layers[1].descriptor.digest.hex
    path.write_bytes(b"X" + path.read_bytes()[1:])
    with OciLayout(layout).open(image.layers[1].descriptor) as stream, pytest.raises(IntegrityError) as raised:
        stream.read()
    assert image.layers[1].descriptor.digest in raised.value.message
    assert path.exists()


def test_a_blob_of_another_size_is_told_at_once(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    os.truncate(layout / "blobs" / "sha256" / image.layers[1].descriptor.digest.hex, 5)
    with pytest.raises(ImageError, match="has 5 bytes, its descriptor says"):
        OciLayout(layout).open(image.layers[1].descriptor)


def test_a_manifest_of_five_megabytes_is_not_read(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    raw = b'{"schemaVersion":2,"pad":"' + bytes(5 << 20) + b'"}'
    entry = {"mediaType": MediaType.MANIFEST, "digest": put(layout, raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with pytest.raises(ImageError, match="at most 4 MiB are read"):
        OciLayout(layout).resolve(APP, LINUX)


def test_an_index_that_holds_itself_is_refused(store: Store, image: Image, layout: Path) -> None:
    OciLayout(layout).export(image, [], store, silent)
    entry = {**image.descriptor.encode(), "mediaType": MediaType.INDEX}
    for _ in range(9):
        raw = json.dumps({"schemaVersion": 2, "manifests": [entry]}).encode()
        entry = {"mediaType": MediaType.INDEX, "digest": put(layout, raw), "size": len(raw)}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))
    with pytest.raises(ImageError, match="indices within indices"):
        OciLayout(layout).resolve(APP, LINUX)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"manifests": [{"digest": "sha256:../../x", "size": 1}]}'])
def test_a_damaged_index_is_one_clear_error(store: Store, image: Image, layout: Path, content: str) -> None:
    OciLayout(layout).export(image, [APP], store, silent)
    (layout / "index.json").write_text(content)
    with pytest.raises(ImageError, match="is no index of an image layout"):
        OciLayout(layout).resolve(APP, LINUX)


def test_what_is_no_layout_is_one_clear_error(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is no OCI layout: it has no file oci-layout"):
        OciLayout(tmp_path).resolve(APP, LINUX)
    with pytest.raises(ImageError, match="is no OCI layout"):
        OciLayout(tmp_path / "nowhere").resolve(APP, LINUX)


def test_a_layout_is_not_written_over_a_file(store: Store, image: Image, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="is a file, wanted a directory"):
        OciLayout(tmp_path / "file").export(image, [APP], store, silent)


def test_a_layout_that_may_not_be_written_is_one_clear_error(store: Store, image: Image) -> None:
    with pytest.raises(UnavailableError, match="can't be written"):
        OciLayout(Path("/proc/layout")).export(image, [APP], store, silent)


@pytest.mark.e2e
def test_umoci_unpacks_what_we_write(store: Store, layout: Path, tmp_path: Path) -> None:
    require("umoci", root=True)
    image = image_of(store, [directory("d", mode=0o711), file("d/f", b"hello", mode=0o4755)])
    OciLayout(layout).export(image, [APP], store, silent)
    command = ["umoci", "unpack", "--image", f"{layout}:1", f"{tmp_path}/bundle"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = tmp_path / "bundle" / "rootfs" / "d" / "f"
    assert found.read_bytes() == b"hello"
    assert (found.stat().st_mode & 0o7777, found.parent.stat().st_mode & 0o7777) == (0o4755, 0o711)


@pytest.mark.e2e
def test_we_read_what_skopeo_writes(store: Store, image: Image, layout: Path) -> None:
    require("skopeo")
    store.images.tag(APP, image)
    command = ["skopeo", "copy", "--quiet", f"oci:{store.root}:{APP}", f"oci:{layout}:mine"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert OciLayout.at(f"{layout}:mine").resolve(APP, LINUX).config == image.config
