"""Keys: the name of what a step is asked to do, by which the cache knows it again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from minibuild.instructions.effects import Effect, FromStage
from minibuild.oci import Digest

# Part of every key: a new number makes all records of older ones misses.
SCHEMA = 2


def step_key(parent: str, effect: Effect, inputs: Mapping[str, object]) -> tuple[Digest, Mapping[str, object]]:
    """The key of an effect on top of a parent (its key, or the base's ChainID, "" for scratch), and its typed parts.

    ``inputs`` are what the effect reads from outside, as JSON values; they name the stage that files come from,
    since its number says nothing; there may be 30,000 files among them. What effects leave out of their comparison
    is not in the key.
    """
    parts = {"schema": SCHEMA, "parent": parent, "effect": typed(effect), "inputs": dict(inputs)}
    text = json.dumps(parts, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return Digest.of(text.encode()), parts


def typed(value: object) -> Any:
    """A value as JSON that tells its type: dataclasses name theirs in ``is``, bytes are their digest."""
    if isinstance(value, FromStage):
        return {"is": "FromStage"}
    if is_dataclass(value):
        compared = (field for field in fields(value) if field.compare)
        return {"is": type(value).__name__, **{field.name: typed(getattr(value, field.name)) for field in compared}}
    if isinstance(value, Mapping):
        return {str(key): typed(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [typed(item) for item in value]
    if isinstance(value, bytes):
        return str(Digest.of(value))
    if value is None or isinstance(value, bool | int | str):
        return value
    raise TypeError(f"a key can't hold {value!r}")
