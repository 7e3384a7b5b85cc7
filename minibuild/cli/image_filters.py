"""``--filter`` of ``images``, with docker's meanings. Source: docker image ls, moby's daemon/images."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

from minibuild.cli.finding import find_any
from minibuild.cli.times import parse_time
from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import AnyImage, Reference

if TYPE_CHECKING:
    from minibuild.store import Store

Named: TypeAlias = tuple[Reference | None, AnyImage]
Test: TypeAlias = Callable[[Named], bool]

FILTERS: Mapping[str, str] = {
    "label": "label=KEY[=VALUE]",
    "reference": "reference=PATTERN",
    "dangling": "dangling=BOOL",
    "before": "before=IMAGE",
    "since": "since=IMAGE",
}
"""Each filter, and how it is written."""


def passing(words: Sequence[str], store: Store) -> Test:
    """What lets those images through that fit all filters; of several patterns one will do, as with docker. Raises
    UsageError for what is none, ImageError where an image that is named isn't there.
    """
    tests: dict[str, list[Test]] = {}
    for word in words:
        key, equals, value = word.partition("=")
        if not equals or key not in FILTERS:
            hint = did_you_mean(key, list(FILTERS)) or f"filters are {', '.join(FILTERS)}"
            raise UsageError(f"--filter {word!r} is no filter, wanted KEY=VALUE", hint=hint)
        tests.setdefault(key, []).append(_test(key, value, store))
    joined = {"reference": any}
    return lambda named: all(joined.get(key, all)(test(named) for test in own) for key, own in tests.items())


def created(image: AnyImage) -> str:
    """When an image was made, or the newest of an index."""
    return max(one.config.created for one in image.images)


def _test(key: str, value: str, store: Store) -> Test:
    match key:
        case "label":
            return _labelled(value)
        case "reference":
            return _called(value)
        case "dangling":
            return _dangling(value)
    limit = _moment(find_any(store, value))
    if key == "before":
        return lambda named: _moment(named[1]) < limit
    return lambda named: _moment(named[1]) > limit


def _moment(image: AnyImage) -> float:
    found = parse_time(created(image))
    return found.timestamp() if found else 0.0


def _dangling(value: str) -> Test:
    if value.lower() not in ("true", "false", "1", "0"):
        raise UsageError(f"--filter dangling={value} wants true or false")
    wanted = value.lower() in ("true", "1")
    return lambda named: (named[0] is None) == wanted


def _labelled(value: str) -> Test:
    key, equals, text = value.partition("=")

    def test(named: Named) -> bool:
        found = [image.config.config.labels.get(key) for image in named[1].images]
        return any(value is not None and (not equals or value == text) for value in found)

    return test


def _called(pattern: str) -> Test:
    # As path.Match: a * stops at a slash, so the parts are compared one by one.
    def test(named: Named) -> bool:
        if named[0] is None:
            return False
        names = {name for full in (named[0].familiar(), str(named[0])) for name in (full, full.rpartition(":")[0])}
        return any(_fits(name, pattern) for name in names)

    return test


def _fits(name: str, pattern: str) -> bool:
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatchcase, parts, wanted))
