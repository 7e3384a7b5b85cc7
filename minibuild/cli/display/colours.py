"""What is drawn in which colour, and BUILDKIT_COLORS, which says other ones.

Source: buildkit, util/progress/progressui/colors.go: ``run=NAME:cancel=NAME:error=RED,GREEN,BLUE:warning=NAME``.
"""

from __future__ import annotations

from collections.abc import Mapping

USUAL: Mapping[str, str] = {
    "dim": "\x1b[2m",
    "cached": "\x1b[34m",
    "failed": "\x1b[31m",
    "cancelled": "\x1b[33m",
    "running": "\x1b[36m",
    "warning": "\x1b[33m",
}
_NAMES = ("black", "red", "green", "yellow", "blue", "magenta", "cyan", "white")
# BuildKit's words and ours: what has run, from the cache or not, is one thing to it.
_PARTS: Mapping[str, tuple[str, ...]] = {
    "run": ("cached", "running"),
    "cancel": ("cancelled",),
    "error": ("failed",),
    "warning": ("warning",),
}


def styles(environment: Mapping[str, str]) -> tuple[Mapping[str, str], tuple[str, ...]]:
    """Escape sequences by what is drawn with them, and what in BUILDKIT_COLORS can't be understood."""
    found, complaints = dict(USUAL), []
    for word in filter(None, environment.get("BUILDKIT_COLORS", "").split(":")):
        part, _, colour = word.lower().partition("=")
        sequence = _sequence(colour)
        if part not in _PARTS or not sequence:
            complaints.append(f"BUILDKIT_COLORS has {word!r}, wanted run, cancel, error or warning=COLOUR")
            continue
        found |= dict.fromkeys(_PARTS[part], sequence)
    return found, tuple(complaints)


def _sequence(colour: str) -> str:
    """What switches a colour on, "" for one that there isn't."""
    name = colour.removeprefix("light-")
    if name in _NAMES:
        return f"\x1b[{_NAMES.index(name) + (90 if name != colour else 30)}m"
    shares = colour.split(",")
    if len(shares) == 3 and all(share.isdecimal() and int(share) < 256 for share in shares):
        return f"\x1b[38;2;{';'.join(shares)}m"
    return ""
