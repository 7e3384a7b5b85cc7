"""A machine for programs of classic BPF over a system call: what the kernel does, in small."""

from __future__ import annotations

import struct

AMD64, X86, ARM64 = 0xC000003E, 0x40000003, 0xC00000B7


def answer(program: bytes, number: int, *arguments: int, architecture: int = AMD64) -> int:
    """What a program answers to a call."""
    data = struct.pack("=iIQ6Q", number, architecture, 0, *(*arguments, 0, 0, 0, 0, 0, 0)[:6])
    instructions = list(struct.iter_unpack("=HBBI", program))
    place, loaded = 0, 0
    while True:
        operation, true, false, operand = instructions[place]
        place += 1
        match operation:
            case 0x20:
                (loaded,) = struct.unpack_from("=I", data, operand)
            case 0x54:
                loaded &= operand
            case 0x05:
                place += operand
            case 0x15:
                place += true if loaded == operand else false
            case 0x25:
                place += true if loaded > operand else false
            case 0x35:
                place += true if loaded >= operand else false
            case 0x06:
                return operand
            case _:
                raise AssertionError(f"operation {operation:#x}")
