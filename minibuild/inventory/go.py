"""Go's modules: what the linker writes into every program that it makes.

Source: Go's debug/buildinfo; the form that Go 1.18 brought, which has the texts in place.
"""

from __future__ import annotations

from collections.abc import Iterator

from minibuild.errors import ImageError
from minibuild.inventory.elf import section
from minibuild.inventory.evidence import Evidence
from minibuild.inventory.package import Package
from minibuild.layers.entry import Entry, Kind

_MAGIC = b"\xff Go buildinf:"
_HEADER = 32
_FLAGS, _INLINE = 15, 2
_LARGEST = 8 << 20
_LARGEST_PROGRAM = 4 << 30
_SENTINEL = 16
"""Bytes at both ends of the modules' text, by which debuggers find it in memory."""


def tells(entry: Entry) -> bool:
    """It may be a program."""
    return bool(entry.kind is Kind.FILE and entry.mode & 0o111 and entry.size > _HEADER)


def read(evidence: Evidence) -> Iterator[Package]:
    """Go's own library, and the modules that the program is made of; nothing of a file that is no program of Go's."""
    with evidence.open(_LARGEST_PROGRAM) as program:
        info = section(program, b".go.buildinfo", _LARGEST)
    if info is None:
        return
    if not info.startswith(_MAGIC) or len(info) < _HEADER:
        raise ImageError("its section .go.buildinfo has something else in it")
    if not info[_FLAGS] & _INLINE:
        raise ImageError("it was made by Go 1.17 or older, whose modules aren't read")
    version, place = _text(info, _HEADER)
    modules, _ = _text(info, place)
    yield Package("golang", "stdlib", version.decode("utf-8", "replace").split(" ")[0])
    yield from _modules(modules[_SENTINEL:-_SENTINEL].decode("utf-8", "replace"))


def _text(info: bytes, place: int) -> tuple[bytes, int]:
    """The text at a place, which begins with its length as a varint, and where it ends."""
    size = shift = 0
    while place < len(info) and shift < 64:
        byte = info[place]
        size |= (byte & 0x7F) << shift
        place, shift = place + 1, shift + 7
        if byte < 0x80:
            break
    if place + size > len(info):
        raise ImageError("its section .go.buildinfo ends too early")
    return info[place : place + size], place + size


def _modules(text: str) -> Iterator[Package]:
    """``mod`` the program's own, ``dep`` those it needs, ``=>`` what stands in the place of the line before; each with
    path, version and checksum.
    """
    found: list[tuple[str, str]] = []
    for line in text.split("\n"):
        kind, *words = line.split("\t")
        if kind in ("mod", "dep", "=>") and len(words) >= 2:
            if kind == "=>" and found:
                found.pop()
            found.append((words[0], words[1]))
    for path, version in found:
        namespace, _, name = path.rpartition("/")
        # What was built out of a checkout has no version, and Go says so in words.
        yield Package("golang", name, "" if version == "(devel)" else version, namespace)
