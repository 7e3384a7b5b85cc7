"""What a build is made of: a context and its Dockerfile, wherever the words of the command line say they are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from minibuild.build.context import DirectoryContext
from minibuild.build.dockerfiles import as_text, default_in, ignore_file, read_file, read_within
from minibuild.build.places import STDIN, Access, Found, Places, is_url
from minibuild.errors import UsageError
from minibuild.source import Source

__all__ = ["STDIN", "Access", "Inputs", "open_inputs"]

LARGEST_DOCKERFILE = 16 << 20
"""Bytes that a Dockerfile from the web may have."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """A context and its Dockerfile, open: what was fetched goes with the block that opened it.

    ``place`` is where the Dockerfile is, as the caller would name it: a path, an address, ``-``.
    """

    context: DirectoryContext
    source: Source
    place: str


@contextmanager
def open_inputs(words: str, dockerfile: str = "", access: Access | None = None) -> Iterator[Inputs]:
    """The context and the Dockerfile that the words of ``minibuild build`` and its ``-f`` mean.

    A context is a directory, ``-`` (standard input: a tar or a Dockerfile), a tar, the URL of either, or a git
    address; only a directory has an ignore file, as in BuildKit. ``dockerfile`` is a path, ``-``, a URL or "" for the
    context's own; a relative path is taken from where the caller is if the context is a directory, else from the
    context's root. Raises ContextError where something isn't there or can't be had, UsageError for words that don't
    go together.
    """
    if words == STDIN and dockerfile == STDIN:
        raise UsageError(
            "standard input can't be both the context and the Dockerfile",
            hint="name the context: a directory, a tarball or a URL; or leave -f out if - is a Dockerfile",
        )
    with ExitStack() as stack:
        yield _Opening(Places(access or Access(), stack)).inputs(words, dockerfile)


@dataclass(frozen=True)
class _Opening:
    """Inputs being opened."""

    places: Places

    def inputs(self, words: str, dockerfile: str) -> Inputs:
        """The context and the Dockerfile."""
        found = self.places.find(words)
        context = DirectoryContext(found.root, report=self.places.access.journal.warn)
        if found.lone is not None:
            source = _lone(found, found.lone, dockerfile)
            why = f"the context, {found.noun}, is a Dockerfile, so there are no files to copy"
            return Inputs(replace(context, emptiness=why), source, STDIN if words == STDIN else source.name)
        if elsewhere := self._from_elsewhere(dockerfile):
            ignore = context.ignore if found.noun else ignore_file(found.root)
            return Inputs(
                replace(context, ignore=ignore), elsewhere, dockerfile if dockerfile == STDIN else elsewhere.name
            )
        if found.noun and not dockerfile.startswith("/"):
            source = read_within(found.root, dockerfile, found.noun)
            return Inputs(context, source, source.name)
        file = Path(dockerfile) if dockerfile else default_in(found.root)
        ignore = context.ignore if found.noun else ignore_file(found.root, file)
        return Inputs(replace(context, ignore=ignore), read_file(file, dockerfile or file.name), str(file))

    def _from_elsewhere(self, dockerfile: str) -> Source | None:
        """The Dockerfile that is no file of this machine's or the context's; None where it is one."""
        if dockerfile == STDIN:
            return Source("Dockerfile", as_text(self.places.stdin().read_all(), "standard input"))
        if is_url(dockerfile):
            from minibuild.build.remote.http import shown

            name = shown(dockerfile)
            return Source(name, as_text(self.places.text(dockerfile, LARGEST_DOCKERFILE), name))
        return None


def _lone(found: Found, content: bytes, dockerfile: str) -> Source:
    """The Dockerfile that came in place of a context."""
    text = as_text(content, found.noun)
    if dockerfile:
        raise UsageError(
            f"{found.noun} is a Dockerfile, so -f {dockerfile} can't be the Dockerfile",
            hint="leave -f out, or name a context for it",
        )
    return Source("Dockerfile" if found.noun == "standard input" else found.noun, text)
