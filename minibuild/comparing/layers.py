"""Two images' layers, entry by entry, and two files' bytes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import BinaryIO, Protocol, TypeAlias

from minibuild.comparing.difference import (
    CONTENT,
    ENCODING,
    MTIME,
    ORDER,
    PRESENCE,
    Difference,
    LayerDifference,
    Value,
)
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.slice import content_of
from minibuild.oci import Image, Layer

_CHUNK = 1 << 20

_Key: TypeAlias = tuple[str, bool, bool]
"""A path, and whether it is a whiteout of it or hides what is below it: a path may be deleted and made anew."""


class Contents(Protocol):
    """What gives the bytes of layers: a store."""

    def index(self, layer: Layer) -> Index:
        """The table of a layer's entries."""

    def open_tar(self, layer: Layer) -> BinaryIO:
        """A layer's uncompressed tar, seekable; the caller closes it."""


def differing(left: Image, one: Contents, right: Image, other: Contents) -> Iterator[LayerDifference]:
    """The layers that differ, lowest first. Those that one image has more than the other don't shift the rest."""
    lines = _lines(left) or _lines(right)
    for at, there in _pairs(left, right):
        first = None if at is None else left.layers[at]
        second = None if there is None else right.layers[there]
        own = _lines(right) if at is None else lines
        number = there if at is None else at
        made_by = own[number] if number is not None and number < len(own) else ""
        numbers = ((-1 if at is None else at) + 1, (-1 if there is None else there) + 1)
        if first is None or second is None:
            missing = Difference("", PRESENCE, _diff_id(first), _diff_id(second))
            yield LayerDifference(first, second, numbers, made_by, 0, (missing,))
            continue
        ours, theirs = _table(one.index(first)), _table(other.index(second))
        found = tuple(_entries(ours, theirs)) or (_written_otherwise(ours, theirs),)
        yield LayerDifference(first, second, numbers, made_by, len({*ours, *theirs}), found)


def first_byte(at: LayerDifference, difference: Difference, one: Contents, other: Contents) -> int | None:
    """Where the bytes of a file begin to differ, or of the tars where only those do; None where no bytes do."""
    if difference.field not in (CONTENT, ENCODING) or at.left is None or at.right is None:
        return None
    with ExitStack() as stack:
        tars = [stack.enter_context(one.open_tar(at.left)), stack.enter_context(other.open_tar(at.right))]
        if difference.field == ENCODING:
            return _first_byte(*tars)
        files = one.index(at.left).find(difference.subject), other.index(at.right).find(difference.subject)
        contents = [content_of(tar, file) for tar, file in zip(tars, files, strict=True) if file]
        return _first_byte(*contents)


def _diff_id(layer: Layer | None) -> str | None:
    return None if layer is None else layer.diff_id


def _pairs(left: Image, right: Image) -> Iterator[tuple[int | None, int | None]]:
    matcher = SequenceMatcher(None, left.config.diff_ids, right.config.diff_ids, autojunk=False)
    for what, start, end, begin, stop in matcher.get_opcodes():
        if what != "equal":
            yield from zip_longest(range(start, end), range(begin, stop))


def _lines(image: Image) -> list[str]:
    """The history's lines that made the layers, layer for layer."""
    lines = [line.created_by for line in image.config.history if not line.empty_layer]
    return lines if len(lines) == len(image.layers) else []


def _table(index: Index) -> dict[_Key, Entry]:
    return {(entry.path, entry.kind is Kind.WHITEOUT, entry.kind is Kind.OPAQUE): entry for entry in index.entries}


def _entries(left: Mapping[_Key, Entry], right: Mapping[_Key, Entry]) -> Iterator[Difference]:
    for key in sorted({*left, *right}):
        one, other = left.get(key), right.get(key)
        if one is None or other is None:
            yield Difference(key[0], PRESENCE, one and one.kind.value, other and other.kind.value)
        elif one != other:
            yield from _fields(one, other)


def _fields(one: Entry, other: Entry) -> Iterator[Difference]:
    ours, theirs = _said(one), _said(other)
    for name in dict.fromkeys([*ours, *theirs]):
        if ours.get(name) != theirs.get(name):
            yield Difference(one.path, name, ours.get(name), theirs.get(name))
            if name == "kind":
                return


def _said(entry: Entry) -> dict[str, Value]:
    """What is compared of an entry, the times last: where it stands in the tar is none of it."""
    if entry.kind is Kind.HARDLINK:
        return {"kind": entry.kind.value, "link": entry.link}  # all else is its file's
    said: dict[str, Value] = {"kind": entry.kind.value, CONTENT: entry.digest, "size": entry.size, "link": entry.link}
    said |= {"mode": f"{entry.mode:04o}", "uid": entry.uid, "gid": entry.gid}
    said |= {"device": list(entry.device)}
    said |= {f"xattr {name}": value.hex() for name, value in sorted(entry.xattrs.items())}
    return {**said, MTIME: entry.mtime}


def _written_otherwise(left: Mapping[_Key, Entry], right: Mapping[_Key, Entry]) -> Difference:
    for one, other in zip(left, right, strict=True):
        if one != other:
            return Difference("", ORDER, one[0], other[0])
    return Difference("", ENCODING, None, None)


def _first_byte(one: BinaryIO, other: BinaryIO) -> int | None:
    done = 0
    while True:
        ours, theirs = one.read(_CHUNK), other.read(_CHUNK)
        if ours != theirs:
            pairs = enumerate(zip(ours, theirs, strict=False))
            return done + next((at for at, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
        if not ours:
            return None
        done += len(ours)
