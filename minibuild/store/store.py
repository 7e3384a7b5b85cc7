"""The store: everything that is kept between builds, under one directory."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, BinaryIO, Self, cast

from minibuild.errors import ImageError, UsageError
from minibuild.oci import AnyImage, Descriptor, Digest, Image, ImageIndex, Layer, Platform, Reference
from minibuild.store.blobs import Blobs, disk_explained
from minibuild.store.images import Images, replace_file
from minibuild.store.layout import LAYOUT, LAYOUT_FILE
from minibuild.store.locks import Lease, locked
from minibuild.store.promises import LostLayers, Promises, Supplier
from minibuild.store.records import Records
from minibuild.store.verifying import verified

if TYPE_CHECKING:
    from minibuild.layers.compressing import Compression
    from minibuild.layers.entry import Change
    from minibuild.layers.index import Index
    from minibuild.store.twins import Twins

_BLOCK = 1 << 20
# Small layers, for which it is worth it: each layer is compressed on all processors by itself.
_COMPRESSORS = 4
_ELSEWHERE = "choose another with --root or MINIBUILD_ROOT"


def data_directory(environ: Mapping[str, str], uid: int | None = None) -> Path:
    """Where the store stands unless ``--root`` says: MINIBUILD_ROOT, root's in /var/lib, else the user's data
    directory. ``uid`` None: who runs this process.
    """
    if root := environ.get("MINIBUILD_ROOT"):
        return Path(root).absolute()
    if (os.geteuid() if uid is None else uid) == 0:
        return Path("/var/lib/minibuild")
    data = environ.get("XDG_DATA_HOME", "")
    # The XDG specification: a relative path is to be ignored.
    base = Path(data) if data.startswith("/") else Path(environ.get("HOME") or os.path.expanduser("~")) / ".local/share"
    return base / "minibuild"


class Store:
    """An open store, which nobody throws things out of while it is. Threads may share it.

    It is a source of images and gives exporters their layers. ``scratch`` is a directory of its filesystem for what
    lives as long as a build: what is left in it by a process that was killed goes when the store is next opened alone.
    """

    def __init__(self, root: Path, lease: Lease) -> None:
        self.root = root
        self.lease = lease
        self.scratch = root / "tmp"
        self.blobs = Blobs(root, self.scratch)
        self.images = Images(root, self.blobs, root / "locks" / "index", self.scratch)
        self.promises = Promises(root / "promises", self.blobs)
        self.supplier: Supplier | None = None
        """Who brings what is promised; None: nobody here may."""

    @classmethod
    def at(cls, root: Path) -> Self:
        """The store in a directory, made if need be; raises UnavailableError or UsageError where it can't stand."""
        root = root.absolute()
        with disk_explained(root):
            _claim(root)
            (root / "locks").mkdir(exist_ok=True)
            store = cls(root, Lease(root / "locks" / "lease"))
            store._furnish()
        return store

    def _furnish(self) -> None:
        self.blobs.make()
        (self.root / "indices").mkdir(exist_ok=True)
        self.images.make()
        if not (self.root / LAYOUT_FILE).exists():
            replace_file(self.root / LAYOUT_FILE, LAYOUT, self.scratch)
        # What killed processes left; nobody else is writing.
        with self.lease.exclusively() as alone:
            if alone:
                _empty(self.scratch)
                self.promises.sweep()

    def close(self) -> None:
        """Lets others throw things out."""
        if "records" in self.__dict__:
            self.records.close()
        self.lease.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    @cached_property
    def records(self) -> Records:
        """The cache of steps."""
        return Records(self.root / "cache.sqlite", self.holds, self.root / "locks" / "records")

    def holds(self, descriptor: Descriptor) -> bool:
        """The blob is here, or is promised."""
        return self.blobs.has(descriptor) or self.promises.find(descriptor.digest) is not None

    def fetch(self, descriptors: Iterable[Descriptor]) -> None:
        """Brings those of these blobs that are only promised, several at once; raises MinibuildError where one can't
        be had.
        """
        wanted = {descriptor.digest: descriptor for descriptor in descriptors}
        promised = [self.promises.find(one.digest) for one in wanted.values() if not self.blobs.has(one)]
        missing = [promise for promise in promised if promise]
        if not missing:
            return
        if self.supplier is None:
            raise ImageError(f"blob {missing[0].descriptor.digest} isn't in the store, but in {missing[0].place}")
        try:
            self.supplier(missing)
        except LostLayers as lost:
            if self.records.forget_layers(lost.digests):
                raise
            raise lost.reason from None
        for promise in missing:
            self.promises.forget(promise.descriptor.digest)

    @cached_property
    def twins(self) -> Twins:
        """Layers in other forms."""
        from minibuild.store.twins import Twins

        return Twins(self.root / "twins", self.blobs)

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        """The image of that name; raises ImageError where there is none, or only another platform's."""
        image = self.images.find(reference, platform)
        if image is None:
            raise ImageError(f"{reference.familiar()} isn't in the store", hint="minibuild images lists what is")
        if image.config.platform != platform:
            raise ImageError(f"{reference.familiar()} in the store is for {image.config.platform}, wanted {platform}")
        return image

    def put_image(self, image: AnyImage) -> None:
        """Keeps the documents of an image, or of an index and all that goes with it; layers come by themselves, names
        by ``images.tag``.
        """
        for one in image.packages:
            self.blobs.add(one.raw_config)
            self.blobs.add(one.raw_manifest)
        if isinstance(image, ImageIndex):
            self.blobs.add(image.raw)

    def image(self, manifest: Digest) -> Image:
        """The image of a manifest's digest; raises ImageError where it isn't there."""
        return self.images.load(manifest)

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob as it is, verified while it is read; raises ImageError where it can't be had."""
        self.fetch([descriptor])
        return self.blobs.open(descriptor)

    def open_tar(self, layer: Layer) -> BinaryIO:
        """A layer's uncompressed tar, seekable, verified while it is read. A compressed blob is unpacked for good
        first, into the blob that its diff_id names.
        """
        if layer.diff_id not in self.blobs:
            with locked(self._lock_of(layer)):
                if layer.diff_id not in self.blobs:
                    self._unpack(layer)
        return self.blobs.open_digest(layer.diff_id)

    def stream_tar(self, layer: Layer) -> BinaryIO:
        """A layer's uncompressed tar, to be read once from its start: nothing is kept. Verified when it ends."""
        if layer.diff_id in self.blobs:
            return self.blobs.open_digest(layer.diff_id)
        from minibuild.layers.compression import decompressed

        blob = self.open(layer.descriptor)
        return verified(decompressed(blob), layer.diff_id, f"layer {layer.descriptor.digest}, unpacked,")

    @contextmanager
    def reading_tar(self, layer: Layer) -> Iterator[BinaryIO]:
        """As ``stream_tar``, for who reads it all. What is wrong with it is held against the steps that made it, if any
        are said to have: it raises LostLayers then, and they count as done no more.
        """
        try:
            with self.stream_tar(layer) as tar:
                yield tar
        except LostLayers:
            raise
        except ImageError as error:
            digests = frozenset({layer.descriptor.digest})
            if self.records.forget_layers(digests):
                raise LostLayers(error, digests) from error
            raise

    def compressed(self, layer: Layer, compression: Compression, *, force: bool = False) -> Layer:
        """The layer in another form, made if need be and kept; a layer that is compressed in whatever way stays as it
        is, unless forced.
        """
        if layer.descriptor.media_type == compression.media_type and compression.level is None:
            return layer
        if layer.descriptor.digest != layer.diff_id and not force:
            return layer
        with locked(self._lock_of(layer)):
            known = self.twins.find(layer.diff_id, compression)
            if known is not None:
                return known
            with self.reading_tar(layer) as tar:
                return self.twins.make(tar, layer.diff_id, compression)

    def all_compressed(
        self, layers: Iterable[Layer], compression: Compression, *, force: bool = False
    ) -> tuple[Layer, ...]:
        """Layers in another form, as ``compressed`` gives them, several at once."""
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(_COMPRESSORS, thread_name_prefix="compress") as pool:
            return tuple(pool.map(lambda layer: self.compressed(layer, compression, force=force), layers))

    def repacked(self, image: AnyImage, compression: Compression, *, force: bool = False) -> AnyImage:
        """The image with its layers in another form, as ``compressed`` gives them; it is kept."""
        images = [one.with_layers(self.all_compressed(one.layers, compression, force=force)) for one in image.images]
        repacked = self._reindexed(image, images) if isinstance(image, ImageIndex) else images[0]
        self.put_image(repacked)
        return repacked

    def _reindexed(self, index: ImageIndex, images: Sequence[Image]) -> ImageIndex:
        from minibuild.store.renewing import renewed

        changed = {old.digest: new.digest for old, new in zip(index.images, images, strict=True)}
        return index.with_images(images, [renewed(one, changed, self.blobs) for one in index.attached])

    def homes(self, registry: str) -> Mapping[Digest, Sequence[str]]:
        """The repositories of a registry that are likely to have a blob, by blobs: so the names of images tell, and
        promises.
        """
        homes: dict[Digest, list[str]] = {}
        twins: dict[Digest, list[Digest]] = {}
        for twin in self.twins.all():
            twins.setdefault(twin.diff_id, []).append(twin.descriptor.digest)
        start = f"docker://{registry}/"
        for promise in self.promises.all():
            if promise.place.startswith(start):
                homes.setdefault(promise.descriptor.digest, []).append(promise.place.removeprefix(start))
        for reference, image in self.images.list():
            if reference and reference.registry == registry:
                for layer in image.layers:
                    for digest in (layer.descriptor.digest, *twins.get(layer.diff_id, ())):
                        homes.setdefault(digest, []).append(reference.repository)
        return homes

    def index(self, layer: Layer) -> Index:
        """The table of a layer's entries; read from the blob once, then kept."""
        from minibuild.layers.index import Index

        path = self._index_path(layer.diff_id)
        with suppress(FileNotFoundError, ImageError):
            return Index.decode(path.read_bytes())
        from minibuild.layers.unpack import read_index

        with self.reading_tar(layer) as stream:
            index = read_index(stream)
        self.put_index(layer.diff_id, index)
        return index

    def has_index(self, layer: Layer) -> bool:
        """The table of the layer is kept, so that ``index`` needs no blob."""
        return self._index_path(layer.diff_id).is_file()

    def put_index(self, diff_id: Digest, index: Index) -> None:
        """Keeps the table of a layer."""
        with self.blobs.draft() as draft:
            draft.write(index.encode())
            draft.commit_to(self._index_path(diff_id))

    def add_layer(self, changes: Iterable[Change]) -> Layer:
        """Packs entries, in the order in which they shall stand, into a layer of the store, and keeps its table."""
        from minibuild.layers.pack import pack

        with self.blobs.draft() as draft:
            packed = pack(changes, cast(BinaryIO, draft))
            draft.commit(packed.digest)
        self.put_index(packed.digest, packed.index)
        return Layer.of_tar(packed.digest, packed.size)

    def usage(self) -> Mapping[str, int]:
        """Bytes by what they are for: ``blobs``, ``indices``, ``cache``."""
        return {
            "blobs": _size_of(self.root / "blobs" / "sha256"),
            "indices": _size_of(self.root / "indices"),
            "cache": sum(file.stat().st_size for file in self.root.glob("cache.sqlite*")),
        }

    def _unpack(self, layer: Layer) -> None:
        with self.reading_tar(layer) as tar, self.blobs.draft() as draft:
            while block := tar.read(_BLOCK):
                draft.write(block)
            draft.commit(layer.diff_id)

    def _lock_of(self, layer: Layer) -> Path:
        return self.root / "locks" / layer.diff_id.hex

    def _index_path(self, diff_id: Digest) -> Path:
        return self.root / "indices" / Digest.parse(diff_id).hex


def _claim(root: Path) -> None:
    """Makes sure that a directory is there, our own, and closed to others: it holds setuid files of strangers."""
    if root.exists() and not root.is_dir():
        raise UsageError(f"{root} is a file, wanted a directory for the store", hint=_ELSEWHERE)
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = set(os.listdir(root)) - {"lost+found"}
    if not found:
        root.chmod(0o700)
    elif not found & {"locks", LAYOUT_FILE}:
        raise UsageError(f"{root} is neither empty nor a store", hint=_ELSEWHERE)


def _empty(directory: Path) -> None:
    for left in os.scandir(directory):
        if left.is_dir(follow_symlinks=False):
            import shutil

            shutil.rmtree(left.path, ignore_errors=True)
        else:
            os.unlink(left.path)


def _size_of(directory: Path) -> int:
    return sum(item.stat(follow_symlinks=False).st_size for item in os.scandir(directory))
