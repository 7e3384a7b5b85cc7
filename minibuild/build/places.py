"""Where a context's files are, by the words of the command line: a directory, or one that they are fetched into."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, BinaryIO

from minibuild.build.context import DirectoryContext
from minibuild.build.credentials import NO_CREDENTIALS, Credentials
from minibuild.build.journal import Journal
from minibuild.build.locking.lock import Pins
from minibuild.build.remote.tarball import Begun, unpack_context
from minibuild.errors import ContextError, Finding, UsageError
from minibuild.events import silent
from minibuild.instructions.git_place import is_git, parse_place
from minibuild.layers.entry import Kind
from minibuild.layers.index import Index
from minibuild.runtimes.base import Cancellation
from minibuild.values import dataclass, field, replace

if TYPE_CHECKING:
    from minibuild.build.remote.http import Web
    from minibuild.build.request import BuildRequest

STDIN = "-"

_TRUE = ("1", "t", "T", "true", "TRUE", "True")
_NOTHING: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True)
class Access:
    """What contexts and Dockerfiles are fetched with.

    ``environment`` is the caller's: proxies are taken from it. ``credentials`` open private places.
    ``keeps_git``: a repository's ``.git`` is part of the context. ``scratch`` is where what was fetched stands
    meanwhile, None for where this machine keeps temporary files; ``stdin`` None is the process's. ``pins`` say what
    addresses have to hold.
    """

    environment: Mapping[str, str] = field(default_factory=lambda: _NOTHING)
    credentials: Credentials = NO_CREDENTIALS
    keeps_git: bool = False
    scratch: Path | None = None
    journal: Journal = field(default_factory=lambda: Journal(silent))
    cancellation: Cancellation = field(default_factory=Cancellation)
    stdin: BinaryIO | None = None
    pins: Pins = field(default_factory=Pins)

    @classmethod
    def of(cls, request: BuildRequest) -> Access:
        """What a request says of it."""
        keeps_git = request.build_arguments.get("BUILDKIT_CONTEXT_KEEP_GIT_DIR", "") in _TRUE
        return cls(request.environment, Credentials.of(request.surroundings), keeps_git, pins=Pins(request.lock))


@dataclass(frozen=True, slots=True)
class Found:
    """Files as they were found: a directory of the caller's own (``noun`` ""), or one filled with what was fetched,
    which errors call by the noun. ``lone`` is the content of the one file that came instead, None where none did;
    ``index`` is what a tar said of its files; ``digests`` name what was fetched: its ``gitCommit`` or its ``sha256``.
    """

    root: Path
    noun: str = ""
    lone: bytes | None = None
    index: Index | None = None
    digests: Mapping[str, str] = field(default_factory=lambda: _NOTHING)

    def context(self, report: Callable[[Finding], None]) -> DirectoryContext:
        """The files as a context, nothing left out. A tar's owners are kept, as BuildKit does; what its files hold has
        been digested already.
        """
        entries = self.index.entries if self.index else ()
        owners = {entry.path: (entry.uid, entry.gid) for entry in entries if entry.uid or entry.gid}
        context = DirectoryContext(self.root, report=report, owners=owners)
        for entry in entries:
            if entry.kind is Kind.FILE:
                context.learn(entry, entry.digest)
        return context


@dataclass(frozen=True)
class Places:
    """Finds files, and fetches them where need be; ``stack`` removes in the end what was fetched."""

    access: Access
    stack: ExitStack

    def find(self, words: str) -> Found:
        """The files that words mean: a directory, a tar, ``-``, a URL or a git address; raises ContextError."""
        path = Path(words)
        if words == STDIN:
            return self._opened(self.stdin(), "standard input")
        if path.is_dir():
            _check_listable(path)
            return Found(path)
        if is_git(words):
            return self._repository(words)
        if is_url(words):
            return self._download(words)
        if path.exists():
            return self._tarball(path)
        raise ContextError(
            f"{words} doesn't exist, wanted a directory, a tarball, a URL or a git address",
            hint="name the directory to build, such as `minibuild .`",
        )

    def text(self, url: str, limit: int) -> bytes:
        """The content of a URL's file, at most ``limit`` bytes."""
        from minibuild.build.remote.http import shown

        with self.access.journal.activity(f"load {shown(url)}") as activity:
            download = self._web().download(url, self._directory(), limit=limit, activity=activity)
        self.access.pins.check_download(url, download.digest)
        return download.path.read_bytes()

    def stdin(self) -> Begun:
        """Standard input, with something in it; raises UsageError where there is nothing, or a person."""
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

    def _repository(self, words: str) -> Found:
        from minibuild.build.remote.http import shown

        access, place = self.access, parse_place(words)
        if access.keeps_git:
            place = replace(place, keeps_git=True)
        if place.dates_by_commit is None:
            # The same commit is the same context, down to SOURCE_DATE_EPOCH=context.
            place = replace(place, dates_by_commit=True)
        place = access.pins.of_repository(place)
        with (
            access.journal.activity(f"load {shown(place.remote)}") as activity,
            access.credentials.git(place, access.environment, access.cancellation) as git,
        ):
            checkout = git.check_out(place, self._directory(), activity=activity)
        access.pins.note_repository(place, checkout.commit)
        return Found(checkout.root, shown(place.remote), digests={"gitCommit": checkout.commit})

    def _download(self, url: str) -> Found:
        from minibuild.build.remote.http import shown

        with self.access.journal.activity(f"load {shown(url)}") as activity:
            download = self._web().download(url, self._directory(), activity=activity)
        try:
            self.access.pins.check_download(url, download.digest)
            with download.path.open("rb") as file:
                found = self._opened(Begun(file), shown(url))
            return replace(found, digests={"sha256": download.digest.removeprefix("sha256:")})
        finally:
            download.path.unlink()

    def _web(self) -> Web:
        from minibuild.build.remote.http import Web

        return Web(self.access.environment, self.access.cancellation, secrets=self.access.credentials.secrets)

    def _tarball(self, path: Path) -> Found:
        try:
            with path.open("rb") as file:
                begun = Begun(file)
                if not begun.is_tar:
                    raise ContextError(
                        f"{path} is neither a directory nor a tarball, so it can't be the build context",
                        hint=f"to name a Dockerfile, use -f {path}",
                    )
                return self._opened(begun, str(path))
        except OSError as error:
            raise ContextError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from error

    def _opened(self, begun: Begun, noun: str) -> Found:
        """What a stream has: a tar's files, or one file alone."""
        root = self._directory()
        if not begun.is_tar:
            return Found(root, noun, begun.read_all())
        with self.access.journal.activity(f"unpack {noun}"):
            return Found(root, noun, index=unpack_context(begun, root, noun))

    def _directory(self) -> Path:
        """A new, empty directory that is removed in the end."""
        from tempfile import mkdtemp

        from minibuild.sandbox.scratch import remove_tree

        directory = Path(mkdtemp(prefix="context-", dir=self.access.scratch))
        self.stack.callback(remove_tree, directory)
        return directory


def is_url(words: str) -> bool:
    """The words are a web address."""
    return words.startswith(("http://", "https://"))


def _check_listable(path: Path) -> None:
    try:
        os.listdir(path)
    except OSError as error:
        raise ContextError(f"{path} can't be listed: {(error.strerror or str(error)).lower()}") from error
