"""The functions of templates: Go's and those that Docker adds. Sources: text/template; docker/cli, templates.go."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from minibuild.errors import UsageError


class Record(dict[str, Any]):
    """A JSON object with a fixed set of fields, where a plain dict is a map with any keys.

    A field that doesn't exist is an error in a template; fields in ``optional`` are left out of JSON while empty.
    """

    def __init__(self, fields: Mapping[str, Any], optional: tuple[str, ...] = ()) -> None:
        super().__init__(fields)
        self.optional = optional


class NoValue:
    """What a map answers for a key it hasn't."""


NO_VALUE = NoValue()


def printed(value: object) -> str:
    """A value as ``{{value}}`` prints it."""
    return "<no value>" if value is None or value is NO_VALUE else _inner(value)


def to_json(value: object, indent: int | None = None) -> str:
    """A value as JSON: maps sorted by key, records in their order, as Go writes them."""
    separators = (",", ":") if indent is None else (",", ": ")
    return json.dumps(_plain(value), ensure_ascii=False, separators=separators, indent=indent)


def is_true(value: object) -> bool:
    """Go's truth: nothing, zero and whatever is empty is false."""
    return value is not NO_VALUE and bool(value)


def _inner(value: object) -> str:
    match value:
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case NoValue():
            return "<no value>"
        case list() | tuple():
            return "[" + " ".join(map(_inner, value)) + "]"
        case Record():
            return "{" + " ".join(map(_inner, value.values())) + "}"
        case dict():
            return "map[" + " ".join(f"{key}:{_inner(value[key])}" for key in sorted(value)) + "]"
    return str(value)


def _plain(value: object) -> object:
    match value:
        case NoValue():
            return None
        case Record():
            kept = {key: item for key, item in value.items() if item or key not in value.optional}
            return {key: _plain(item) for key, item in kept.items()}
        case dict():
            return {key: _plain(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [_plain(item) for item in value]
    return value


def _index(value: object, *keys: object) -> object:
    for key in keys:
        if isinstance(value, Mapping):
            value = value.get(key, "")
        elif isinstance(value, (list, tuple, str)) and isinstance(key, int) and not isinstance(key, bool):
            if not 0 <= key < len(value):
                raise UsageError(f"index {key} is outside a list of {len(value)}")
            value = value[key]
        else:
            raise UsageError(f"index wants a map or a list, and a key that fits it, got {printed(key)}")
    return value


def _slice(value: Any, *places: int) -> object:
    low, high = (*places, *(0, len(value))[len(places) :])[:2]
    if not 0 <= low <= high <= len(value):
        raise UsageError(f"slice {low}:{high} is outside {len(value)} items")
    return value[low:high]


def _print(*values: object) -> str:
    text, before = "", None
    for value in values:
        gap = " " if before is not None and not isinstance(before, str) and not isinstance(value, str) else ""
        text += gap + _inner(value)
        before = value
    return text


_VERB = re.compile(r"%(?P<flags>[-+# 0]*)(?P<width>\d*)(?P<precision>(?:\.\d*)?)(?P<verb>.)", re.S)


def _printf(form: str, *values: object) -> str:
    rest = list(values)

    def one(match: re.Match[str]) -> str:
        verb = match["verb"]
        if verb == "%":
            return "%"
        if not rest:
            return f"%!{verb}(MISSING)"
        return _formatted(match["flags"], match["width"], match["precision"], verb, rest.pop(0))

    text = _VERB.sub(one, form)
    return text + (f"%!(EXTRA {', '.join(map(_inner, rest))})" if rest else "")


def _formatted(flags: str, width: str, precision: str, verb: str, value: object) -> str:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if number and verb in ("dxXo" if isinstance(value, int) else "feEgG"):
        return f"%{flags}{width}{precision}{verb}" % value
    if verb in "sv":
        text = _inner(value)
    elif verb == "q":
        text = json.dumps(_inner(value), ensure_ascii=False)
    elif verb in "xX" and isinstance(value, str):
        text = value.encode().hex() if verb == "x" else value.encode().hex().upper()
    elif verb == "t" and isinstance(value, bool):
        text = _inner(value)
    else:
        return f"%!{verb}({_inner(value)})"
    text = text[: int(precision[1:] or 0)] if precision else text
    return text.ljust(int(width or 0)) if "-" in flags else text.rjust(int(width or 0))


def _join(words: Any, separator: str) -> str:
    if not isinstance(words, (list, tuple)):
        raise UsageError(f"join wants a list and a separator, got {printed(words)!r}")
    return separator.join(map(_inner, words))


def _equal(first: object, *others: object) -> bool:
    if not others:
        raise UsageError("eq wants two values")
    return any(first == other for other in others)


FUNCTIONS: Mapping[str, Callable[..., object]] = {
    "eq": _equal,
    "ge": lambda a, b: a >= b,
    "gt": lambda a, b: a > b,
    "index": _index,
    "join": _join,
    "json": to_json,
    "le": lambda a, b: a <= b,
    "len": len,
    "lower": str.lower,
    "lt": lambda a, b: a < b,
    "ne": lambda a, b: a != b,
    "not": lambda value: not is_true(value),
    "pad": lambda text, before, after: text and " " * before + text + " " * after,
    "print": _print,
    "printf": _printf,
    "println": lambda *values: " ".join(map(_inner, values)) + "\n",
    "slice": _slice,
    "split": lambda text, separator: text.split(separator) if separator else list(text),
    "title": lambda text: re.sub(r"(?<!\S)\S", lambda match: match[0].upper(), text),
    "truncate": lambda text, size: text[:size],
    "upper": str.upper,
}
"""By name. ``and`` and ``or`` are not here: they leave later arguments unevaluated, which no function can."""
