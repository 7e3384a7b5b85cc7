"""Looks for secrets where everybody would see them: in the history of an image, known before anything runs, and in the
layer of a RUN that had them mounted, while the layer is written: nothing is read twice.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import BinaryIO, TypeAlias, cast

from minibuild.build.surroundings import Secret
from minibuild.errors import Finding
from minibuild.layers.entry import Change, Opener
from minibuild.plan import Plan
from minibuild.source import Span
from minibuild.values import dataclass, field

# What is shorter stands in files by chance.
_SHORTEST = 8

Changes: TypeAlias = Callable[[], Iterable[Change]]


def report_in_history(plan: Plan, secrets: Mapping[str, Secret], report: Callable[[Finding], None]) -> None:
    """Tells of each secret's first place in what images say of themselves: an ARG's value, an ENV's, a RUN's words."""
    steps = [step for index in plan.order for step in plan.stages[index].steps]
    for name, secret in secrets.items():
        needles = [needle.decode("utf-8", "surrogateescape") for needle in needles_of(secret.read(name))]
        step = next((step for step in steps if any(needle in step.history for needle in needles)), None)
        if step is not None:
            message = f"secret {name} is in the image's history, by this {step.statement.keyword}"
            hint = f"leave it to RUN --mount=type=secret,id={name}, and take it for known to all who get the image"
            report(Finding("SecretInHistory", message, step.statement.span, hint))


@dataclass(frozen=True, slots=True)
class Leaks:
    """The secrets (id → value) that a RUN had, and its place; ``report`` is told of those that are in its layer."""

    secrets: Mapping[str, bytes]
    span: Span
    report: Callable[[Finding], None]

    def watching(self, changes: Changes) -> Changes:
        """The same changes, looked at while they are read; as they are where there is nothing to look for."""
        needles = {needle: name for name, value in self.secrets.items() for needle in needles_of(value)}
        return (lambda: self._watched(changes(), needles)) if needles else changes

    def _watched(self, changes: Iterable[Change], needles: Mapping[bytes, str]) -> Iterator[Change]:
        found: dict[str, list[str]] = {}
        for entry, opener in changes:
            if opener is None:
                yield entry, opener
                continue
            search = _Search(needles)
            yield entry, _through(search, opener)
            for name in sorted(search.found):
                found.setdefault(name, []).append(entry.path)
        for name, paths in found.items():
            self.report(self._finding(name, paths))

    def _finding(self, name: str, paths: list[str]) -> Finding:
        more = f" and {len(paths) - 1} more" if len(paths) > 1 else ""
        return Finding(
            "SecretInLayer",
            f"secret {name} is in the layer of this RUN: /{paths[0]}{more}",
            self.span,
            "delete the file in the same RUN, and take the secret for known to all who get the image",
        )


def needles_of(value: bytes) -> Iterator[bytes]:
    """What a secret looks like in a file: itself, without the blanks around it, and wherever it falls in base64."""
    bare = value.strip()
    if len(bare) < _SHORTEST:
        return
    yield bare
    for start in range(3):
        whole = bare[start : start + (len(bare) - start) // 3 * 3]
        yield base64.b64encode(whole)


@dataclass(slots=True)
class _Search:
    """A search in one stream, piece by piece; what lies across two pieces is found too."""

    needles: Mapping[bytes, str]
    found: set[str] = field(default_factory=set)
    _end: bytes = b""

    def feed(self, piece: bytes) -> None:
        """Looks at the next bytes."""
        text = self._end + piece
        self.found.update(name for needle, name in self.needles.items() if name not in self.found and needle in text)
        self._end = text[1 - max(map(len, self.needles)) :]


def _through(search: _Search, opener: Opener) -> Opener:
    return lambda: cast(BinaryIO, _Watched(opener(), search))


class _Watched(io.RawIOBase):
    """A stream whose bytes a search sees as they are read. Closing it closes the stream."""

    def __init__(self, stream: BinaryIO, search: _Search) -> None:
        self._stream, self._search = stream, search

    def readable(self) -> bool:
        """It is."""
        return True

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes."""
        data = self._stream.read(size)
        self._search.feed(data)
        return data

    def close(self) -> None:
        """Closes the stream."""
        self._stream.close()
        super().close()
