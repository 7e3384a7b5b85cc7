"""Values: what ``dataclasses`` makes of a class, for a tenth of the price.

The standard library's ``dataclass`` compiles five or six functions for a frozen class, which takes 0.4 ms; a build that
has nothing to do knows 170 such classes, and half of its time went there. Here all classes share their methods, and
``__init__`` alone is compiled, when a class is first called. To ``fields``, ``replace``, ``match``, ``pickle`` and type
checkers they are dataclasses as any.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import MISSING, FrozenInstanceError, field, fields, replace
from operator import attrgetter
from reprlib import recursive_repr
from typing import TYPE_CHECKING, Any, NoReturn

__all__ = ["dataclass", "field", "replace"]

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(cls=None, /, *, frozen=False, slots=False):
        """As ``dataclasses.dataclass``; methods that the class has itself stay."""
        if cls is None:
            return lambda cls: dataclass(cls, frozen=frozen, slots=slots)
        own = frozenset(vars(cls))
        if cls.__doc__ is None:
            cls.__doc__ = cls.__name__  # else dataclasses writes a signature there, which takes a millisecond
        made = dataclasses.dataclass(init=False, repr=False, eq=False, slots=slots)(cls)
        for name, method in _methods(made, frozen, slots).items():
            if name not in own:
                setattr(made, name, method)
        return made


def _methods(made: type, frozen: bool, slots: bool) -> Mapping[str, Any]:
    names = [one.name for one in fields(made) if one.compare]
    compared: Callable[[object], object] = attrgetter(*names) if names else lambda _self: ()

    def initialize(self: object, *arguments: object, **named: object) -> None:
        made.__init__ = compiled = _initializer(made, frozen)  # type: ignore[misc]
        compiled(self, *arguments, **named)

    def equals(self: object, other: object) -> bool:
        return compared(self) == compared(other) if other.__class__ is self.__class__ else NotImplemented

    def hashed(self: object) -> int:
        return hash(compared(self))

    methods: dict[str, Any] = {"__init__": initialize, "__repr__": _shown, "__eq__": equals}
    methods["__hash__"] = hashed if frozen else None
    if frozen:
        methods |= {"__setattr__": _refuse, "__delattr__": _refuse}
    if frozen and slots:
        methods |= {"__getstate__": _state, "__setstate__": _restore}
    return methods


def _initializer(made: type, frozen: bool) -> Callable[..., None]:
    """The ``__init__`` of a class: sets its fields, in their order, and calls ``__post_init__`` if there is one."""
    known: dict[str, Any] = {"_set": object.__setattr__, "_unset": MISSING}
    parameters, body = ["self"], ["pass"]
    for one in fields(made):
        name, value, default = one.name, one.name, ""
        if one.default is not MISSING:
            known[default := f"_default_{name}"] = one.default
            value = name if one.init else default
        elif one.default_factory is not MISSING:
            known[f"_make_{name}"], default = one.default_factory, "_unset"
            value = f"_make_{name}() if {name} is _unset else {name}" if one.init else f"_make_{name}()"
        elif not one.init:
            continue
        if one.init:
            parameters.append(f"{name}={default}" if default else name)
        body.append(f"_set(self, {name!r}, {value})" if frozen else f"self.{name} = {value}")
    if hasattr(made, "__post_init__"):
        body.append("self.__post_init__()")
    exec(f"def __init__({', '.join(parameters)}):\n " + "\n ".join(body), known)
    initializer: Callable[..., None] = known["__init__"]
    initializer.__qualname__ = f"{made.__qualname__}.__init__"
    return initializer


@recursive_repr()
def _shown(self: Any) -> str:
    shown = ", ".join(f"{one.name}={getattr(self, one.name)!r}" for one in fields(self) if one.repr)
    return f"{self.__class__.__qualname__}({shown})"


def _refuse(_self: object, name: str, *_value: object) -> NoReturn:
    raise FrozenInstanceError(f"{name!r} can't be changed: replace() makes another value")


def _state(self: Any) -> list[object]:
    return [getattr(self, one.name) for one in fields(self)]


def _restore(self: Any, state: list[object]) -> None:
    for one, value in zip(fields(self), state, strict=True):
        object.__setattr__(self, one.name, value)
