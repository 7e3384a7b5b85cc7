"""What storage can be made for."""

from __future__ import annotations

from minibuild.errors import UsageError, did_you_mean

_KIND = "devicemapper"


def check_kind(word: str) -> None:
    """Raises UsageError for the name of a snapshotter that needs no storage of its own, or of none."""
    from minibuild.snapshots.table import TABLE

    if word == _KIND:
        return
    if word in TABLE:
        hint = f"nothing is to be made: minibuild --snapshotter {word}"
        raise UsageError(f"{word} keeps its trees in the store, and has no storage of its own", hint=hint)
    hint = did_you_mean(word, list(TABLE)) or f"there is {_KIND}"
    raise UsageError(f"no snapshotter is called {word!r}", hint=hint)
