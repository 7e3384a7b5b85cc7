"""Two images' configurations, histories and annotations, field by field."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from itertools import zip_longest
from typing import Any

from minibuild.comparing.difference import PRESENCE, Difference, Value
from minibuild.oci import Image

# What is compared by itself: the platform, the history's lines, the layers.
_APART = ("architecture", "os", "variant", "os.version", "history", "rootfs")
_TIME = "created"


def configurations(left: Image, right: Image) -> Iterator[Difference]:
    """The fields of the configuration, as the specification names them: ``config.Env.PATH``, ``created``."""
    yield from _fields("", _flat(_document(left)), _flat(_document(right)))


def histories(left: Image, right: Image) -> Iterator[Difference]:
    """The lines of the history, by their numbers from 1."""
    lines = (json.loads(image.raw_config).get("history") or [] for image in (left, right))
    for number, (one, other) in enumerate(zip_longest(*lines), 1):
        if one is None or other is None:
            yield Difference(str(number), PRESENCE, one and _command(one), other and _command(other))
        else:
            yield from _fields(str(number), one, other)


def annotated(left: Image, right: Image) -> Iterator[Difference]:
    """What the manifests say besides."""
    yield from _fields("", left.annotations, right.annotations)


def _document(image: Image) -> Mapping[str, Any]:
    return {key: value for key, value in json.loads(image.raw_config).items() if key not in _APART}


def _flat(document: Mapping[str, Any], prefix: str = "") -> dict[str, Value]:
    """Objects within objects, by their fields' names; the environment as if it were one."""
    flat: dict[str, Value] = {}
    for key, value in document.items():
        if key == "Env" and isinstance(value, list):
            value = {name: text for name, _, text in (str(item).partition("=") for item in value)}
        if isinstance(value, dict) and value:
            flat |= _flat(value, f"{prefix}{key}.")
        elif value not in (None, {}, []) or isinstance(value, bool):
            flat[f"{prefix}{key}"] = value
    return flat


def _fields(subject: str, left: Mapping[str, Value], right: Mapping[str, Value]) -> Iterator[Difference]:
    for name in sorted(dict.fromkeys([*left, *right]), key=lambda name: name == _TIME):  # the telling ones first
        one, other = left.get(name), right.get(name)
        if one != other:
            yield Difference(subject, name, one, other)


def _command(line: Mapping[str, Any]) -> str:
    return str(line.get("created_by", ""))
