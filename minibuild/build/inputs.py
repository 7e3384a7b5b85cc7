"""What a build is made of: a context and its Dockerfile, wherever the words of the command line say they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import MappingProxyType

from minibuild.build.context import DirectoryContext
from minibuild.build.dockerfiles import as_text, default_in, ignore_file, read_file, read_within
from minibuild.build.places import STDIN, Access, Found, Places, is_url
from minibuild.errors import UsageError
from minibuild.source import Source
from minibuild.values import dataclass, field, replace

__all__ = ["STDIN", "Access", "Inputs", "open_context", "open_inputs"]

LARGEST_DOCKERFILE = 16 << 20
"""Bytes that a Dockerfile from the web may have."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """A context and its Dockerfile, open: what was fetched goes with the block that opened it.

    ``place`` is where the Dockerfile is, as the caller would name it: a path, an address, ``-``; ``digests`` name what
    was fetched for the context: a ``gitCommit`` or a ``sha256``.
    """

    context: DirectoryContext
    source: Source
    place: str
    digests: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@contextmanager
def open_inputs(words: str, dockerfile: str = "", access: Access | None = None) -> Iterator[Inputs]:
    """The context and the Dockerfile that the words of ``minibuild build`` and its ``-f`` mean.

    A context is a directory, ``-`` (standard input: a tar or a Dockerfile), a tar, the URL of either, or a git
    address; only a directory has an ignore file, as in BuildKit. ``dockerfile`` is a path, ``-``, a URL or "" for the
    context's own; a relative path is taken from where the caller is if the context is a directory, else from the
    context's root. Raises ContextError where something isn't there or can't be had, UsageError for words that don't
    go together.
    """
    with ExitStack() as stack:
        opening = _Opening(words, dockerfile, Places(access or Access(), stack))
        found = opening.found()
        source, place = opening.dockerfile_of(found)
        yield Inputs(opening.context_of(found), source, place, found.digests)


@contextmanager
def open_context(words: str, dockerfile: str = "", access: Access | None = None) -> Iterator[DirectoryContext]:
    """The context alone; the Dockerfile is only asked for its name, as an ignore file may stand beside it."""
    with ExitStack() as stack:
        opening = _Opening(words, dockerfile, Places(access or Access(), stack))
        yield opening.context_of(opening.found())


@dataclass(frozen=True)
class _Opening:
    """Inputs being opened."""

    words: str
    name: str
    places: Places

    def found(self) -> Found:
        """The files of the context."""
        if self.words == self.name == STDIN:
            raise UsageError(
                "standard input can't be both the context and the Dockerfile",
                hint="name the context: a directory, a tarball or a URL; or leave -f out if - is a Dockerfile",
            )
        found = self.places.find(self.words)
        if found.lone is not None and self.name:
            raise UsageError(
                f"{found.noun} is a Dockerfile, so -f {self.name} can't be the Dockerfile",
                hint="leave -f out, or name a context for it",
            )
        return found

    def context_of(self, found: Found) -> DirectoryContext:
        """The files as a context, seen through their ignore file if they have one."""
        context = found.context(self.places.access.journal.warn)
        if found.lone is not None:
            why = f"the context, {found.noun}, is a Dockerfile, so there are no files to copy"
            return replace(context, emptiness=why)
        if found.noun:
            return context
        file = None if self.name == STDIN or is_url(self.name) else self._file(found)
        return replace(context, ignore=ignore_file(found.root, file))

    def dockerfile_of(self, found: Found) -> tuple[Source, str]:
        """The Dockerfile, and where it is."""
        if found.lone is not None:
            name = "Dockerfile" if self.words == STDIN else found.noun
            return Source(name, as_text(found.lone, found.noun)), STDIN if self.words == STDIN else found.noun
        if self.name == STDIN:
            return Source("Dockerfile", as_text(self.places.stdin().read_all(), "standard input")), STDIN
        if is_url(self.name):
            from minibuild.build.remote.http import shown

            address = shown(self.name)
            return Source(address, as_text(self.places.text(self.name, LARGEST_DOCKERFILE), address)), address
        if found.noun and not self.name.startswith("/"):
            source = read_within(found.root, self.name, found.noun)
            return source, source.name
        file = self._file(found)
        return read_file(file, self.name or file.name), str(file)

    def _file(self, found: Found) -> Path:
        """The Dockerfile's path, where it is a file of this machine's."""
        return Path(self.name) if self.name else default_in(found.root)
