"""Times in images: RFC 3339, as the image specification writes them."""

from __future__ import annotations


def rfc3339(seconds: float) -> str:
    """A time as image configurations write it, in UTC."""
    from datetime import UTC, datetime

    text = datetime.fromtimestamp(seconds, UTC).isoformat(timespec="auto")
    return text.replace("+00:00", "Z")


def seconds_of(created: str) -> int:
    """The whole seconds of an RFC 3339 time; 0 where it is none."""
    from datetime import datetime

    try:
        return int(datetime.fromisoformat(created).timestamp())
    except ValueError:
        return 0
