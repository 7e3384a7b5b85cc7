"""Entries and what opens their content → a layer's tar, in one pass: written, hashed and put into its index."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import closing
from typing import BinaryIO

from minibuild.errors import ContextError, ImageError
from minibuild.layers import names, tar
from minibuild.layers.entry import Change, Entry, Kind, Opener
from minibuild.layers.index import LARGEST_TEXT, TEXTS, Index, IndexBuilder
from minibuild.layers.tape import Tape
from minibuild.oci.digest import Digest
from minibuild.values import dataclass

_CHUNK = 1 << 20
_NO_NAMES = ("", ".", "..")


@dataclass(frozen=True, slots=True)
class Packed:
    """A tar that was written: its digest (a layer's diff_id), its size, and the index of what it holds."""

    digest: Digest
    size: int
    index: Index


def pack(changes: Iterable[Change], sink: BinaryIO) -> Packed:
    """Writes a layer's tar. Takes the entries in the order they come: directories before what is in them, a whiteout
    before what takes the place, hard links after the file they name; no path twice.

    Memory doesn't grow with the size of files. Raises ContextError for a file that can't be read, or changes while it
    is read, and for what no layer can hold; ImageError for an order that isn't one. The sink is not closed.
    """
    table = IndexBuilder()
    with Tape(sink) as tape:
        for entry, opener in changes:
            _check(entry, opener, table)
            if entry.kind is Kind.WHITEOUT or entry.kind is Kind.OPAQUE:
                entry = Entry(entry.path, entry.kind)
            if entry.kind is not Kind.FILE:
                # A hard link's header repeats all its file has: whoever unpacks it may apply it to the file once more.
                added = table.add(entry)
                tape.write(tar.encode(added))
                continue
            tape.write(tar.encode(entry))
            offset = tape.size
            digest, text = _write_file(tape, entry, opener)
            if (told := getattr(opener, "digested", None)) is not None:
                told(digest)
            table.add(Entry(*entry[:-2], digest, offset))
            if entry.path in TEXTS and len(text) == entry.size <= LARGEST_TEXT:
                table.texts[entry.path] = text
        tape.write(tar.END)
    return Packed(tape.digest, tape.size, table.complete())


def _check(entry: Entry, opener: Opener | None, table: IndexBuilder) -> None:
    """Raises the error for an entry that can't come here."""
    path, kind = entry.path, entry.kind
    if names.has_reserved_name(path) or (kind is Kind.WHITEOUT and not path):
        raise ContextError(
            f"{path!r} can't be in an image: in a layer, a name that starts with .wh. deletes a file",
            hint="give the file another name, or leave it out",
        )
    parent, _, name = path.rpartition("/")
    # Below a parent that was looked at before, only the last name is new.
    is_new = not parent or parent not in table.directories or len(path) > 1023
    if (is_new or name in _NO_NAMES or "\0" in name) and names.clean(path) != path:
        raise ImageError(f"{path!r} is no path that a layer can hold")
    if kind is Kind.FILE and opener is None:
        raise ImageError(f"{path!r} is a file that nothing opens")
    if kind is Kind.OPAQUE:
        return
    if table.find(path):
        raise ImageError(f"{path!r} comes twice in one layer")
    if path and path in table.directories:
        raise ImageError(f"{path!r} comes after what stands in it")


def _write_file(tape: Tape, entry: Entry, opener: Opener | None) -> tuple[str, bytes]:
    """Writes a file's content; answers the content's digest, and the content if it is small."""
    assert opener is not None
    try:
        content = opener()
    except OSError as error:
        raise _unreadable(entry, error) from error
    if entry.size < _CHUNK:
        data = _read_whole(content, entry)
        tape.write(data)
        tape.write(tar.padding(entry.size))
        return f"sha256:{hashlib.sha256(data).hexdigest()}", data
    left, found, data = entry.size, hashlib.sha256(), b""
    with closing(content):
        while left:
            data = _read(content, min(left, _CHUNK), entry)
            if not data:
                raise _changed(entry)
            found.update(data)
            left -= len(data)
            tape.write(data)
        if _read(content, 1, entry):
            raise _changed(entry)
    tape.write(tar.padding(entry.size))
    return f"sha256:{found.hexdigest()}", data


def _read_whole(content: BinaryIO, entry: Entry) -> bytes:
    """The content of a small file; nearly always it comes at once, with the proof that it has no byte more."""
    wanted = entry.size + 1
    try:
        data = content.read(wanted)
        while 0 < len(data) < entry.size and (more := content.read(wanted - len(data))):
            data += more
    except OSError as error:
        raise _unreadable(entry, error) from error
    finally:
        content.close()
    if len(data) != entry.size:
        raise _changed(entry)
    return data


def _read(content: BinaryIO, size: int, entry: Entry) -> bytes:
    try:
        return content.read(size)
    except OSError as error:
        raise _unreadable(entry, error) from error


def _unreadable(entry: Entry, error: OSError) -> ContextError:
    return ContextError(f"{entry.path!r} can't be read: {(error.strerror or str(error)).lower()}")


def _changed(entry: Entry) -> ContextError:
    return ContextError(
        f"{entry.path!r} changed while it was read: it had {entry.size} bytes when the layer was begun",
        hint="build again when nothing writes to it",
    )
