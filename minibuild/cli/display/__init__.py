"""Events → what a person sees, on standard error: on a terminal, as plain lines, as JSON, or not at all.

A display takes events from any thread and never raises: a reader that has gone away stops the display, not the build.
A new display is one module and one line in ``DISPLAYS``. May import ``events``, ``errors`` and what draws errors.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, TextIO

from minibuild.errors import UsageError, did_you_mean
from minibuild.events import Event


class Display(Protocol):
    """Takes events as they happen; ``close`` leaves the terminal as it was found, and may be called twice."""

    def __call__(self, event: Event) -> None: ...

    def close(self) -> None: ...


DISPLAYS: Mapping[str, str] = MappingProxyType(
    {"plain": "PlainDisplay", "quiet": "QuietDisplay", "rawjson": "JsonDisplay", "tty": "TerminalDisplay"}
)
"""What ``--progress`` calls it → its class, in the module of the same name. ``auto`` chooses between tty and plain."""

CHOICES = ("auto", *DISPLAYS)


def choose(name: str, stream: TextIO, environment: Mapping[str, str]) -> Display:
    """The display of that name on a stream; raises UsageError for an unknown one, or tty where there is no terminal."""
    from importlib import import_module

    name = {"": "auto", "none": "quiet"}.get(name, name)
    if name not in CHOICES:
        hint = did_you_mean(name, CHOICES) or f"choose from {', '.join(CHOICES)}"
        raise UsageError(f"--progress knows no {name!r}", hint=hint)
    if name == "auto":
        name = "tty" if stream.isatty() and environment.get("TERM") != "dumb" else "plain"
    if name == "tty" and not stream.isatty():
        raise UsageError("--progress=tty wants a terminal, standard error is none", hint="use --progress=plain")
    display: Display = getattr(import_module(f"{__name__}.{name}"), DISPLAYS[name])(stream, environment)
    return display
