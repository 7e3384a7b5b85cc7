"""Times in images (RFC 3339, nanoseconds) and how long ago they were."""

from __future__ import annotations

import re
from datetime import UTC, datetime

from minibuild.cli.units import human_duration

_FRACTION = re.compile(r"\.(\d+)")


def parse_time(text: str) -> datetime | None:
    """The moment that a configuration names; None where it names none that can be read."""
    # datetime keeps six digits of the nine that Docker writes.
    short = _FRACTION.sub(lambda match: "." + match[1][:6].ljust(6, "0"), text)
    try:
        moment = datetime.fromisoformat(short)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def since(moment: datetime | None, now: datetime) -> str:
    """``3 weeks ago``; ``N/A`` for no moment."""
    return "N/A" if moment is None else f"{human_duration((now - moment).total_seconds())} ago"
