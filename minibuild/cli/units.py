"""Bytes and times as Docker writes them for people. Source: docker/go-units."""

from __future__ import annotations

_UNITS = ("B", "kB", "MB", "GB", "TB", "PB", "EB")


def human_size(size: float, digits: int = 3) -> str:
    """``1.24kB``, ``117MB``: decimal units, so many significant digits."""
    unit = 0
    while unit < len(_UNITS) - 1 and float(f"{size:.{digits}g}") >= 1000:
        size /= 1000
        unit += 1
    return f"{size:.{digits}g}{_UNITS[unit]}"


def human_duration(seconds: float) -> str:
    """``3 weeks``, ``About an hour``: how long ago, roughly."""
    whole = int(seconds)
    if whole < 1:
        return "Less than a second"
    if whole == 1:
        return "1 second"
    minutes, hours = whole // 60, round(whole / 3600)
    for limit, text in (
        (whole < 60, f"{whole} seconds"),
        (minutes == 1, "About a minute"),
        (minutes < 60, f"{minutes} minutes"),
        (hours == 1, "About an hour"),
        (hours < 48, f"{hours} hours"),
        (hours < 24 * 14, f"{hours // 24} days"),
        (hours < 24 * 30 * 2, f"{hours // 24 // 7} weeks"),
        (hours < 24 * 365 * 2, f"{hours // 24 // 30} months"),
    ):
        if limit:
            return text
    return f"{whole // 3600 // 24 // 365} years"
