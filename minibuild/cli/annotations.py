"""``--annotation [TYPE[PLATFORM]:]KEY=VALUE``: what a manifest says of an image besides its configuration.

Source: docker buildx build, --annotation.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import Platform

_WORD = re.compile(r"(?:(?P<types>[a-z,-]+)(?:\[(?P<platform>[^\]]*)\])?:)?(?P<key>[^=]*)=(?P<value>.*)", re.DOTALL)
_INDICES = ("index", "index-descriptor", "manifest-descriptor")
_TYPES = ("manifest", *_INDICES)


def annotations_of(words: Sequence[str], platform: Platform) -> Mapping[str, str]:
    """What is said of the manifest of a platform's image; raises UsageError for what can't be said."""
    annotations: dict[str, str] = {}
    for word in words:
        found = _WORD.fullmatch(word)
        if found is None or not found["key"].strip():
            raise UsageError(f"--annotation {word!r} wants [TYPE[PLATFORM]:]KEY=VALUE")
        for kind in (found["types"] or "manifest").split(","):
            _check(word, kind)
        if found["platform"] is None or Platform.parse(found["platform"]) == platform:
            annotations[found["key"].strip()] = found["value"]
    return annotations


def _check(word: str, kind: str) -> None:
    if kind not in _TYPES:
        hint = did_you_mean(kind, _TYPES) or f"types are {', '.join(_TYPES)}"
        raise UsageError(f"--annotation {word!r} has {kind!r} for a type", hint=hint)
    if kind in _INDICES:
        raise UsageError(
            f"--annotation {word!r}: a build for one platform makes no index to say it of", hint="leave the type out"
        )
