"""What a build is made of: a context and its Dockerfile, wherever the words of the command line say they are."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from minibuild.build.context import DirectoryContext
from minibuild.build.dockerfiles import as_text, default_in, ignore_file, read_file, read_within
from minibuild.build.journal import Journal
from minibuild.build.remote.tarball import Begun, unpack_context
from minibuild.errors import ContextError, UsageError
from minibuild.events import silent
from minibuild.runtimes.base import Cancellation
from minibuild.source import Source

STDIN = "-"
LARGEST_DOCKERFILE = 16 << 20
"""Bytes that a Dockerfile from elsewhere may have."""

_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Access:
    """What contexts and Dockerfiles are fetched with.

    ``environment`` is the caller's: proxies are taken from it. ``secrets`` may have git's and http's credentials.
    ``keeps_git``: a repository's ``.git`` is part of the context. ``scratch`` is where what was fetched stands
    meanwhile, None for where this machine keeps temporary files; ``stdin`` None is the process's.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    secrets: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    keeps_git: bool = False
    scratch: Path | None = None
    journal: Journal = field(default_factory=lambda: Journal(silent))
    cancellation: Cancellation = field(default_factory=Cancellation)
    stdin: BinaryIO | None = None


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
    address. ``dockerfile`` is a path, ``-``, a URL or "" for the context's own; a relative path is taken from where
    the caller is if the context is a directory, else from the context's root. Raises ContextError where something
    isn't there or can't be had, UsageError for words that don't go together.
    """
    if words == STDIN and dockerfile == STDIN:
        raise UsageError(
            "standard input can't be both the context and the Dockerfile",
            hint="name the context: a directory, a tarball or a URL; or leave -f out if - is a Dockerfile",
        )
    with ExitStack() as stack:
        yield _Opening(access or Access(), stack).inputs(words, dockerfile)


@dataclass(frozen=True, slots=True)
class _Found:
    """A context as it was found: a directory of the caller's own (``noun`` ""), or one filled with what was fetched,
    which errors call by the noun; ``lone`` is the Dockerfile that came in place of a context.
    """

    root: Path
    noun: str = ""
    lone: Source | None = None


@dataclass(frozen=True)
class _Opening:
    """Inputs being opened; ``stack`` has what must be undone."""

    access: Access
    stack: ExitStack

    def inputs(self, words: str, dockerfile: str) -> Inputs:
        """The context and the Dockerfile."""
        found = self._found(words)
        report = self.access.journal.warn
        if found.lone is not None:
            if dockerfile:
                raise UsageError(
                    f"{found.noun} is a Dockerfile, so -f {dockerfile} can't be the Dockerfile",
                    hint="leave -f out, or name a context for it",
                )
            emptiness = f"the context, {found.noun}, is a Dockerfile, so there are no files to copy"
            context = DirectoryContext(found.root, report=report, emptiness=emptiness)
            return Inputs(context, found.lone, found.lone.name)
        context = DirectoryContext(found.root, report=report)
        if found.noun:
            return Inputs(context, *self._dockerfile_of_fetched(found, dockerfile))
        source, place, file = self._dockerfile_of_directory(found.root, dockerfile)
        return Inputs(replace(context, ignore=ignore_file(found.root, file)), source, place)

    def _dockerfile_of_fetched(self, found: _Found, dockerfile: str) -> tuple[Source, str]:
        if source := self._dockerfile_from_elsewhere(dockerfile):
            return source, source.name if dockerfile != STDIN else STDIN
        if dockerfile.startswith("/"):
            return read_file(Path(dockerfile), dockerfile), dockerfile
        source = read_within(found.root, dockerfile, found.noun)
        return source, source.name

    def _dockerfile_of_directory(self, root: Path, dockerfile: str) -> tuple[Source, str, Path | None]:
        if source := self._dockerfile_from_elsewhere(dockerfile):
            return source, source.name if dockerfile != STDIN else STDIN, None
        file = Path(dockerfile) if dockerfile else default_in(root)
        return read_file(file, dockerfile or file.name), str(file), file

    def _dockerfile_from_elsewhere(self, dockerfile: str) -> Source | None:
        if dockerfile == STDIN:
            return Source("Dockerfile", _text(self._stdin().read_all(), "standard input"))
        return None

    def _found(self, words: str) -> _Found:
        path = Path(words)
        if words == STDIN:
            return self._unpacked(self._stdin(), "standard input")
        if path.is_dir():
            _check_listable(path)
            return _Found(path)
        if path.is_file():
            return self._tarball(path)
        raise ContextError(
            f"{words} doesn't exist, wanted the build context",
            hint="name the directory to build, a tarball, a URL or a git address, such as `minibuild .`",
        )

    def _tarball(self, path: Path) -> _Found:
        try:
            with path.open("rb") as file:
                begun = Begun(file)
                if not begun.is_tar:
                    raise ContextError(
                        f"{path} is neither a directory nor a tarball, so it can't be the build context",
                        hint=f"to name a Dockerfile, use -f {path}",
                    )
                return self._unpacked(begun, str(path))
        except OSError as error:
            raise ContextError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from error

    def _unpacked(self, begun: Begun, noun: str) -> _Found:
        """The context that a stream is: a tar's files, or a Dockerfile alone."""
        root = self._directory()
        if not begun.is_tar:
            return _Found(root, noun, Source("Dockerfile", _text(begun.read_all(), noun)))
        with self.access.journal.activity(f"unpack the context: {noun}"):
            unpack_context(begun, root, noun)
        return _Found(root, noun)

    def _stdin(self) -> Begun:
        """Standard input, with something in it."""
        stream: BinaryIO | None = self.access.stdin or (sys.stdin.buffer if sys.stdin else None)
        if stream is None or stream.isatty():
            raise UsageError(
                "standard input is a terminal, wanted a Dockerfile or a tar",
                hint="send one: minibuild build - <FILE, or tar -c . | minibuild build -",
            )
        begun = Begun(stream)
        if not begun.head:
            raise UsageError("standard input is empty, wanted a Dockerfile or a tar", hint="see what writes to it")
        return begun

    def _directory(self) -> Path:
        """A new, empty directory that is removed in the end."""
        from tempfile import mkdtemp

        from minibuild.sandbox.scratch import remove_tree

        directory = Path(mkdtemp(prefix="context-", dir=self.access.scratch))
        self.stack.callback(remove_tree, directory)
        return directory


def _text(content: bytes, noun: str) -> str:
    if b"\0" in content[:LARGEST_DOCKERFILE]:
        raise ContextError(
            f"{noun} is neither a Dockerfile nor a tar: it has a zero byte in it",
            hint="a tar may be compressed by gzip, bzip2, xz or zstd; zip archives are not taken",
        )
    return as_text(content)


def _check_listable(path: Path) -> None:
    import os

    try:
        os.listdir(path)
    except OSError as error:
        raise ContextError(f"{path} can't be listed: {(error.strerror or str(error)).lower()}") from error
