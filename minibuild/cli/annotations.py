"""``--annotation [TYPE[PLATFORM],…:]KEY=VALUE``: what manifests and indices say of images besides their configurations.

Source: docker buildx build, --annotation.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from minibuild.build.annotations import INDEX, INDEX_DESCRIPTOR, MANIFEST, PLACES, Annotation
from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import Platform

_PLACE = re.compile(r"(?P<place>[a-z-]+)(?:\[(?P<platform>[^\]]*)\])?")


def annotations_of(words: Sequence[str]) -> tuple[Annotation, ...]:
    """What the words say, a later word over an earlier one; raises UsageError for what can't be said."""
    return tuple(annotation for word in words for annotation in _said(word))


def check_places(annotations: Sequence[Annotation], *, makes_index: bool) -> None:
    """Raises UsageError where something is to be said of an index, and there will be none."""
    alone = [] if makes_index else [annotation for annotation in annotations if annotation.place != MANIFEST]
    if alone:
        raise UsageError(
            f"--annotation {alone[0].place}:{alone[0].key}=…: a build for one platform makes no index to say it of",
            hint="leave the type out",
        )


def _said(word: str) -> Iterator[Annotation]:
    name, equals, value = word.partition("=")
    places, colon, key = name.partition(":")
    if not colon:
        places, key = MANIFEST, name
    if not equals or not key.strip():
        raise UsageError(f"--annotation {word!r} wants [TYPE[PLATFORM]:]KEY=VALUE")
    for place in places.split(","):
        kind, platform = _place(word, place)
        yield Annotation(kind, key.strip(), value, platform)


def _place(word: str, text: str) -> tuple[str, Platform | None]:
    found = _PLACE.fullmatch(text)
    kind = found["place"] if found else text
    if found is None or kind not in PLACES:
        hint = did_you_mean(kind, PLACES) or f"types are {', '.join(PLACES)}"
        raise UsageError(f"--annotation {word!r} has {text!r} for a type", hint=hint)
    if found["platform"] is None:
        return kind, None
    if kind in (INDEX, INDEX_DESCRIPTOR):
        raise UsageError(f"--annotation {word!r}: an index is of all platforms", hint=f"write {kind}:KEY=VALUE")
    return kind, Platform.parse(found["platform"])
