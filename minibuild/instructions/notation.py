"""Go's notation, in which histories and health checks are written: quoted strings, durations; Docker's, of sizes."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from decimal import Decimal

# Source: Go, time.ParseDuration.
_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}
_PART = re.compile(r"([0-9]+\.?[0-9]*|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)")
_SIZE = re.compile(r"([0-9]+(?:\.[0-9]+)?) ?([kmgtp])?i?b?")
_ESCAPES = {
    "\a": r"\a",
    "\b": r"\b",
    "\f": r"\f",
    "\n": r"\n",
    "\r": r"\r",
    "\t": r"\t",
    "\v": r"\v",
    "\\": r"\\",
}


def quoted(text: str, quote: str = '"') -> str:
    """A string as Go's ``%q`` writes it."""
    return quote + "".join(_escaped(character, quote) for character in text) + quote


def quoted_list(words: Iterable[str]) -> str:
    """A list of strings as Go's ``%q`` writes it: ``["a" "b"]``."""
    return "[" + " ".join(quoted(word) for word in words) + "]"


def _escaped(character: str, quote: str) -> str:
    if character == quote:
        return "\\" + quote
    if character in _ESCAPES:
        return _ESCAPES[character]
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:
        return f"\\x{code - 0xDC00:02x}"  # a byte that wasn't UTF-8
    if character.isprintable():
        return character
    if code < 0x80:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def parse_duration(text: str) -> int | None:
    """The nanoseconds that a text such as ``1m30s`` says, maybe negative; None where it is no duration."""
    from decimal import Decimal

    unsigned = text[1:] if text[:1] in ("+", "-") else text
    if unsigned == "0":
        return 0
    total, end = Decimal(0), 0
    while part := _PART.match(unsigned, end):
        total += Decimal(part[1]) * _UNITS[part[2]]
        end = part.end()
    if not end or end < len(unsigned) or total >= 2**63:
        return None
    return int(-total if text.startswith("-") else total)


def parse_size(text: str) -> int | None:
    """The bytes that a text such as ``64m`` or ``1.5 GiB`` says; None where it is no size.

    Source: docker/go-units, RAMInBytes: all units are powers of 1024.
    """
    from decimal import Decimal

    found = _SIZE.fullmatch(text.strip().lower())
    size = None if found is None else Decimal(found[1]) * 1024 ** " kmgtp".index(found[2] or " ")
    return None if size is None or size >= 2**63 else int(size)


def is_id(text: str) -> bool:
    """It is the number of a user or a group; the highest means "unchanged" to Linux, and so is none."""
    return bool(re.fullmatch(r"[0-9]{1,10}", text)) and int(text) < 2**32 - 1


def format_duration(nanoseconds: int) -> str:
    """Nanoseconds, not negative, as Go's ``Duration.String`` writes them: ``1m30s``, ``1.5s``, ``500ms``, ``0s``."""
    from decimal import Decimal

    if nanoseconds == 0:
        return "0s"
    if nanoseconds < 10**9:
        unit = next(unit for unit in ("ms", "µs", "ns") if nanoseconds >= _UNITS[unit])
        return _plain(Decimal(nanoseconds) / _UNITS[unit]) + unit
    minutes, rest = divmod(nanoseconds, 60 * 10**9)
    hours, minutes = divmod(minutes, 60)
    seconds = _plain(Decimal(rest) / 10**9) + "s"
    if hours:
        return f"{hours}h{minutes}m{seconds}"
    return f"{minutes}m{seconds}" if minutes else seconds


def _plain(number: Decimal) -> str:
    return f"{number.normalize():f}"
