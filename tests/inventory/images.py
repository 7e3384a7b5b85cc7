"""Images in memory, and the formats that tell of packages, small."""

from __future__ import annotations

import io
import struct
from collections.abc import Mapping

from minibuild.inventory import Inventory
from minibuild.inventory.taking import Layers, take
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.index import Index
from minibuild.layers.pack import pack
from minibuild.oci import Digest, Layer

DEBIAN = b'ID=debian\nVERSION_ID="12"\nPRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\n'


def inventory_of(*layers: Mapping[str, bytes | None]) -> Inventory:
    """What is found in layers of files, oldest first; None deletes a path."""
    stack, tars = layers_of(*layers)
    return take(stack, lambda layer: io.BytesIO(tars[layer.diff_id]))


def layers_of(*layers: Mapping[str, bytes | None]) -> tuple[Layers, Mapping[Digest, bytes]]:
    """Layers that are really packed, with their tables, and their tars."""
    tars: dict[Digest, bytes] = {}
    stack: list[tuple[Layer, Index]] = []
    for files in layers:
        sink = io.BytesIO()
        packed = pack([_change(path, content) for path, content in files.items()], sink)
        layer = Layer.of_tar(packed.digest, packed.size)
        tars[layer.diff_id] = sink.getvalue()
        stack.append((layer, packed.index))
    return stack, tars


def purls(inventory: Inventory) -> list[str]:
    """What names its packages."""
    return [package.purl for package in inventory.packages]


def _change(path: str, content: bytes | None) -> Change:
    if content is None:
        return Entry(path, Kind.WHITEOUT), None
    return Entry(path, Kind.FILE, 0o755, size=len(content)), lambda: io.BytesIO(content)


def rpm_header(fields: Mapping[int, str | int]) -> bytes:
    """A package's header as rpm's database has it."""
    rows, data = b"", b""
    for tag, value in fields.items():
        if isinstance(value, int):
            data += b"\0" * (-len(data) % 4)
        rows += struct.pack(">IIiI", tag, 4 if isinstance(value, int) else 6, len(data), 1)
        data += struct.pack(">I", value) if isinstance(value, int) else value.encode() + b"\0"
    return struct.pack(">II", len(fields), len(data)) + rows + data


def ndb(*headers: bytes) -> bytes:
    """rpm's own database of these headers: a page of slots, then the blobs."""
    slots, blobs, start = b"", b"", 4096 // 16
    for number, header in enumerate(headers, 1):
        slots += struct.pack("<4s3I", b"Slot", number, start + len(blobs) // 16, 0)
        blob = struct.pack("<4s3I", b"BlbS", number, 1, len(header)) + header
        blobs += blob + b"\0" * (-len(blob) % 16)
    empty = struct.pack("<4s3I", b"Slot", 0, 0, 0)
    head = struct.pack("<4s3I", b"RpmP", 0, 1, 1) + struct.pack("<4I", 9, 0, 0, 0)
    return head + slots + empty * (254 - len(headers)) + blobs


def go_program(version: bytes, modules: bytes, *, flags: int = 2) -> bytes:
    """An ELF program with nothing in it but what Go's linker says of modules."""
    sentinel = b"0123456789abcdef"
    text = sentinel + modules + sentinel
    info = (b"\xff Go buildinf:" + bytes([8, flags])).ljust(32, b"\0")
    info += _varint(len(version)) + version + _varint(len(text)) + text
    names = b"\0.shstrtab\0.go.buildinfo\0"
    table = 64 + len(names) + len(info)
    head = b"\x7fELF\2\1\1".ljust(16, b"\0")
    head += struct.pack("<HHIQQQI6H", 2, 62, 1, 0, 0, table, 0, 64, 0, 0, 64, 3, 1)
    rows = [(0,) * 10, (1, 3, 0, 0, 64, len(names), 0, 0, 1, 0), (11, 1, 0, 0, 64 + len(names), len(info), 0, 0, 1, 0)]
    return head + names + info + b"".join(struct.pack("<IIQQQQIIQQ", *row) for row in rows)


def _varint(number: int) -> bytes:
    digits = b""
    while number >= 0x80:
        digits, number = digits + bytes([number & 0x7F | 0x80]), number >> 7
    return digits + bytes([number])
