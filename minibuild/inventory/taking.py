"""Layers → the packages in what they come to, and which layer brought each."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import BinaryIO, Protocol, TypeAlias

from minibuild.errors import ImageError, IntegrityError, UnavailableError
from minibuild.inventory import apk, dpkg, gems, go, jars, npm, python, rpm
from minibuild.inventory.evidence import Evidence, Reader
from minibuild.inventory.package import Distribution, Inventory, Package, Unread
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.names import printable
from minibuild.layers.tree import Tree
from minibuild.oci.image import Image, Layer

Layers: TypeAlias = Sequence[tuple[Layer, Index]]
"""The layers of an image with their tables, oldest first."""


class Contents(Protocol):
    """What gives the tables and the bytes of layers."""

    def index(self, layer: Layer) -> Index:
        """The table of a layer's entries."""

    def open_tar(self, layer: Layer) -> BinaryIO:
        """A layer's uncompressed tar, seekable; the caller closes it."""


# Which files tell of packages, and what reads them; where several would, the first.
READERS: tuple[tuple[Callable[[Entry], bool], Reader], ...] = tuple(
    (way.tells, way.read) for way in (dpkg, apk, rpm, python, npm, gems, jars, go)
)
MOST_PACKAGES = 100_000
MOST_PAST = 1 << 30
"""Bytes of what files held in older layers that are read to tell which of them brought a package."""

_LARGEST_RELEASE = 1 << 16


def take(layers: Layers, open_tar: Callable[[Layer], BinaryIO], most: int = MOST_PACKAGES) -> Inventory:
    """All that the image of these layers holds, at most so many packages.

    Raises IntegrityError where a layer isn't what it should be; a file that can't be read is only said.
    """
    return _Taking(layers, open_tar, most).all()


def inventory_of(image: Image, contents: Contents) -> Inventory:
    """All that an image holds; ``contents``, who has its layers, is the store."""
    return take([(layer, contents.index(layer)) for layer in image.layers], contents.open_tar)


def distribution_of(tree: Tree) -> Distribution:
    """What an image says it is."""
    for path in ("etc/os-release", "usr/lib/os-release"):
        with suppress(ImageError):
            if text := tree.read(path, _LARGEST_RELEASE):
                fields = dict(map(_assigned, text.decode("utf-8", "replace").splitlines()))
                return Distribution(*(fields.get(key, "") for key in ("ID", "VERSION_ID", "PRETTY_NAME")))
    return Distribution()


def _assigned(line: str) -> tuple[str, str]:
    """``NAME="value"``, as shells read it."""
    name, _, value = line.partition("=")
    try:
        return name.strip(), "".join(shlex.split(value))
    except ValueError:
        return name.strip(), value.strip()


class _Taking:
    """An inventory in the making: each file is looked at once, in the order of paths."""

    def __init__(self, layers: Layers, open_tar: Callable[[Layer], BinaryIO], most: int) -> None:
        self._layers, self._open_tar, self._left = layers, open_tar, most
        self._tree = Tree(layers, open_tar)
        self._distribution = distribution_of(self._tree)
        self._found: dict[str, Package] = {}
        self._paths: dict[str, list[str]] = {}
        self._licences: dict[str, str] = {}
        self._past = MOST_PAST
        self._unread: list[Unread] = []

    def all(self) -> Inventory:
        for entry in self._tree.walk(""):
            read = self._reader_of(entry)
            if read is not None and self._left > 0:
                self._take(Evidence(entry, self._tree, self._distribution), read)
        if self._left <= 0:
            self._unread.append(Unread("/", f"it tells of more packages than the {len(self._found)} that are listed"))
        packages = [replace(self._found[purl], paths=tuple(self._paths[purl])) for purl in sorted(self._found)]
        return Inventory(tuple(packages), self._distribution, tuple(self._unread))

    def _reader_of(self, entry: Entry) -> Reader | None:
        if entry.kind is not Kind.FILE:
            return None
        return next((read for tells, read in READERS if tells(entry)), None)

    def _take(self, evidence: Evidence, read: Reader) -> None:
        packages = list(self._read(evidence, read, self._unread))
        self._left -= len(packages)
        brought = self._brought(evidence, read, packages) if packages else {}
        for package in packages:
            purl = package.purl
            known = self._found.get(purl) or replace(package, licence=self._licence(package), layer=brought[purl])
            self._found[purl] = replace(known, layer=min(known.layer, brought[purl]))
            self._paths.setdefault(purl, []).append(f"/{printable(evidence.entry.path)}")

    def _licence(self, package: Package) -> str:
        """The package's licence; Debian's stands in a file that packages may share."""
        if package.kind != "deb":
            return package.licence
        try:
            path = self._tree.resolve(dpkg.copyright_of(package))
        except ImageError:
            return ""
        if path not in self._licences:
            self._licences[path] = dpkg.licence_in(self._tree, path)
        return self._licences[path]

    def _read(self, evidence: Evidence, read: Reader, unread: list[Unread]) -> Iterator[Package]:
        """What a file tells, up to where it can't be read. What it holds is a stranger's: any parser may stumble."""
        packages = read(evidence)
        for _ in range(self._left):
            try:
                package = next(packages)
            except StopIteration:
                return
            except (OSError, IntegrityError, UnavailableError):
                raise  # of this machine, not of the file
            except Exception as error:
                reason = error.message if isinstance(error, ImageError) else f"{type(error).__name__}: {error}"
                unread.append(Unread(f"/{printable(evidence.entry.path)}", reason))
                return
            yield package

    def _brought(self, evidence: Evidence, read: Reader, packages: Sequence[Package]) -> Mapping[str, int]:
        """The layer since which a file tells of each package; one that tells of many is written again and again."""
        path = evidence.entry.path
        *older, last = (number for number, (_, index) in enumerate(self._layers) if index.find(path))
        since: dict[str, int] = {}
        for number in older:
            tree = Tree(self._layers[: number + 1], self._open_tar)
            entry = tree.find(path)
            if entry is None or entry.kind is not Kind.FILE:
                continue
            self._past -= entry.size
            if self._past < 0:
                break
            told = self._read(Evidence(entry, tree, self._distribution), read, [])
            since = {package.purl: since.get(package.purl, number) for package in told}
        return {package.purl: since.get(package.purl, last) for package in packages}
