"""Hints for paths that aren't there: what there is that is called alike."""

from __future__ import annotations

from collections.abc import Sequence

from minibuild.errors import did_you_mean


def near(parent: str, name: str, names: Sequence[str]) -> str:
    """A hint on a name that is none of those in a directory; "" where nothing is like it."""
    below = f"{parent}/" if parent else ""
    for other in names:
        if other.casefold() == name.casefold():
            return f"did you mean {below}{other}? capitals and small letters differ"
    hint = did_you_mean(name, names)
    return hint.replace("did you mean ", f"did you mean {below}") if hint else ""
