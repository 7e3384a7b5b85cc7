"""A store and real images in it: what the transports carry."""

from __future__ import annotations

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pytest

from minibuild.layers.entry import Change, Entry, Kind
from minibuild.oci import ContainerConfig, Descriptor, History, Image, Layer, MediaType, Platform, Reference
from minibuild.store import Store

LINUX = Platform("linux", "amd64")
APP, SECOND = Reference.parse("app:1"), Reference.parse("localhost:5000/team/app:2")
CREATED = "2026-01-02T03:04:05Z"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.at(tmp_path / "store") as opened:
        yield opened


def file(path: str, content: bytes, **more: object) -> Change:
    """A regular file on its way into a layer."""
    fields: dict[str, object] = {"mode": 0o644, "mtime": 1_700_000_000, "size": len(content), **more}

    def opener() -> BinaryIO:
        return io.BytesIO(content)

    return Entry(path, Kind.FILE, **fields), opener  # type: ignore[arg-type]


def other(path: str, kind: Kind, **more: object) -> Change:
    """Anything but a regular file on its way into a layer."""
    fields: dict[str, object] = {"mode": 0o755, "mtime": 1_700_000_000, **more}
    return Entry(path, kind, **fields), None  # type: ignore[arg-type]


def directory(path: str, **more: object) -> Change:
    """A directory on its way into a layer."""
    return other(path, Kind.DIRECTORY, **more)


def image_of(store: Store, *layers: Sequence[Change], **config: object) -> Image:
    """An image of these layers, oldest first, whole in the store."""
    image = Image.scratch(LINUX)
    settings = ContainerConfig(**config)  # type: ignore[arg-type]
    for changes in layers:
        image = image.append(store.add_layer(changes), settings, History(CREATED, "COPY . /"))
    image = image.append(None, settings, History(CREATED, 'CMD ["/hello"]'))
    store.put_image(image)
    return image


def compressed(store: Store, image: Image, compress: Callable[[bytes], bytes] = gzip.compress) -> Image:
    """The same image on compressed layers; the store has no bare ones any more."""
    layers = []
    for layer in image.layers:
        content = compress(store.blobs.path(layer.diff_id).read_bytes())
        store.blobs.remove(layer.diff_id)
        media_type = MediaType.LAYER_GZIP if compress is gzip.compress else MediaType.LAYER_ZSTD
        layers.append(Layer(Descriptor(media_type, store.blobs.add(content), len(content)), layer.diff_id))
    image = Image.compose(image.config, layers)
    store.put_image(image)
    return image


@pytest.fixture
def image(store: Store) -> Image:
    """Two layers, the upper one hiding something of the lower, and a configuration."""
    lower = [directory("etc"), file("etc/motd", b"hello\n"), file("etc/old", b"gone soon")]
    upper = [directory("etc"), other("etc/old", Kind.WHITEOUT, mode=0, mtime=0), file("hello", b"x" * 3_000_000)]
    return image_of(store, lower, upper, command=("/hello",), labels={"a": "b"}, environment=(("A", "1"),))
