"""What ADD takes from elsewhere: a URL's file, kept in the store and asked for again only if it changed; a repository's
commit.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.build.context import DirectoryContext
from minibuild.build.credentials import NO_CREDENTIALS, Credentials
from minibuild.build.journal import Activity, Journal
from minibuild.build.locking.lock import Pins, address
from minibuild.build.matching import FileTree
from minibuild.errors import ContextError, MinibuildError
from minibuild.instructions.effects import CopyFiles, SourceRepository, SourceUrl
from minibuild.layers.entry import Entry, Kind, Opener
from minibuild.oci import Digest
from minibuild.registry.offline import is_offline
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from minibuild.store.images import replace_file
from minibuild.values import dataclass, field, replace

if TYPE_CHECKING:
    from minibuild.build.remote.http import Download, Web

# As BuildKit makes them.
_MODE = 0o600
_UNNAMED = "__unnamed__"
_BLOCK = 1 << 20
# Of SHA-1 and SHA-256, in hexadecimal digits: less may come to stand for another commit.
_COMMIT_LENGTHS = (40, 64)


@dataclass(frozen=True, slots=True)
class FetchedFile:
    """A file of the store's as a tree of files: the root holds it and nothing else."""

    store: Store
    file: Entry

    def find(self, path: str, *, follow: bool = True) -> Entry | None:  # noqa: ARG002  # no symlink is here
        """The file or the root."""
        return {"": Entry("", Kind.DIRECTORY, 0o755), self.file.path: self.file}.get(path)

    def children(self, path: str) -> Sequence[Entry]:
        """The file, for the root."""
        return () if path else (self.file,)

    def walk(self, path: str) -> Iterator[Entry]:
        """The file, for the root."""
        yield from self.children(path)

    def opener(self, entry: Entry) -> Opener:
        """What opens the file."""
        return lambda: self.store.blobs.open_digest(Digest(entry.digest))

    def digest(self, entry: Entry) -> str:
        """What the file was kept under."""
        return entry.digest


@dataclass(frozen=True, slots=True)
class _Known:
    """What is remembered of a URL: what its server said of it last, and the blob that its file is."""

    etag: str
    last_modified: str
    digest: str
    size: int
    name: str

    @classmethod
    def read(cls, path: Path) -> _Known | None:
        """None where nothing is remembered, or nothing that can be read."""
        try:
            known = cls(**json.loads(path.read_bytes()))
            Digest.parse(known.digest)
        except (OSError, ValueError, TypeError, MinibuildError):
            return None
        return known


@dataclass
class Fetcher:
    """Fetches URLs and repositories for a build, by the caller's credentials. Checkouts last as long as it does.

    ``dates_by_commit``: files of checkouts are as old as their commit, whatever addresses say. ``pins`` say what
    addresses have to hold that don't say it themselves.
    """

    store: Store
    environment: Mapping[str, str]
    cancellation: Cancellation
    journal: Journal
    credentials: Credentials = NO_CREDENTIALS
    dates_by_commit: bool = False
    pins: Pins = field(default_factory=Pins)
    _fetched: dict[SourceUrl | SourceRepository, tuple[FileTree, str]] = field(default_factory=dict)

    def fetch(self, source: SourceUrl | SourceRepository) -> tuple[FileTree, str]:
        """A tree that holds the files, and their path in it; raises ContextError where they can't be had."""
        if source not in self._fetched:
            match source:
                case SourceUrl():
                    self._fetched[source] = self._file(source)
                case SourceRepository():
                    self._fetched[source] = self._checkout(source)
        return self._fetched[source]

    def _checkout(self, source: SourceRepository) -> tuple[FileTree, str]:
        from minibuild.build.remote.http import shown
        from minibuild.instructions.git_place import parse_place

        place = parse_place(source.words)
        keeps_git = source.keeps_git_directory
        place = replace(place, commit=source.checksum or place.commit, ref=place.ref or source.checksum)
        place = self.pins.of_repository(place)
        place = replace(place, dates_by_commit=place.dates_by_commit or self.dates_by_commit)
        with (
            self.journal.activity(f"ADD {shown(place.remote)}") as activity,
            self.credentials.git(place, self.environment, self.cancellation) as git,
        ):
            checkout = git.check_out(place, self._directory(), keep_git=bool(keeps_git), activity=activity)
        _remember(_place_of(self.store, source.words, ".commit"), checkout.commit.encode(), self.store)
        self.pins.note_repository(place, checkout.commit)
        return DirectoryContext(checkout.root, report=self.journal.warn), ""

    def _directory(self) -> Path:
        """A directory for checkouts, removed with the fetcher."""
        import shutil
        import weakref
        from tempfile import mkdtemp

        directory = Path(mkdtemp(dir=self.store.scratch, prefix="checkout-"))
        weakref.finalize(self, shutil.rmtree, directory, ignore_errors=True)
        return directory

    def _file(self, source: SourceUrl) -> tuple[FileTree, str]:
        from minibuild.build.remote.http import Validators, Web, name_in, shown

        place = _place_of(self.store, source.url)
        known = _Known.read(place)
        if known is not None and Digest(known.digest) not in self.store.blobs:
            known = None
        wanted = source.checksum or self.pins.wanted("downloads", address(source.url))
        offline = is_offline(self.environment)
        if known is None or (known.digest != wanted if wanted else not offline):
            if offline:
                message = f"{shown(source.url)} isn't in the store as it is wanted, and --offline asks nobody"
                raise ContextError(message, hint="build once without it, or minibuild lock")
            with self.journal.activity(f"ADD {shown(source.url)}") as activity:
                fresh = self._downloaded(
                    source, known, Web(self.environment, self.cancellation, secrets=self.credentials.secrets), activity
                )
            known = self._remembered(place, fresh) if fresh is not None else known
        assert known is not None
        self._check(source, known.digest)
        name = name_in(source.url) or known.name or _UNNAMED
        mtime = Validators(known.etag, known.last_modified).modified or 0
        file = Entry(name, Kind.FILE, _MODE, size=known.size, mtime=mtime, digest=known.digest)
        return FetchedFile(self.store, file), name

    def _downloaded(self, source: SourceUrl, known: _Known | None, web: Web, activity: Activity) -> Download | None:
        """What is new; None where it still is what is known."""
        from minibuild.build.remote.http import Validators

        if known is not None and (known.etag or known.last_modified):
            validators = Validators(known.etag, known.last_modified)
            fresh = web.download_if_changed(source.url, self.store.scratch, validators, activity=activity)
            if fresh is None:
                activity.outcome = "cached"
                return None
        else:
            fresh = web.download(source.url, self.store.scratch, activity=activity)
        try:
            self._check(source, fresh.digest)
        except ContextError:
            fresh.path.unlink()
            raise
        return fresh

    def _check(self, source: SourceUrl, digest: str) -> None:
        from minibuild.build.remote.http import shown

        if not source.checksum:
            self.pins.check_download(source.url, digest)
        elif digest != source.checksum:
            raise ContextError(
                f"{shown(source.url)} holds {digest}, --checksum says {source.checksum}",
                hint="find out why it changed before you change the checksum",
            )

    def _remembered(self, place: Path, download: Download) -> _Known:
        """Keeps a download's file as a blob, and what its server said of it beside."""
        with download.path.open("rb") as file, self.store.blobs.writer() as writer:
            while block := file.read(_BLOCK):
                writer.write(block)
            writer.commit()
        download.path.unlink()
        said = download.validators
        known = _Known(said.etag, said.last_modified, download.digest, download.size, download.suggested_name)
        document = {name: getattr(known, name) for name in ("etag", "last_modified", "digest", "size", "name")}
        _remember(place, json.dumps(document).encode(), self.store)
        return known


def known_digest(store: Store, url: str) -> str:
    """What a URL held when it was last fetched; "" where it never was."""
    known = _Known.read(_place_of(store, url))
    return known.digest if known else ""


def known_commit(store: Store, words: str) -> str:
    """The commit that a repository's address meant when it was last fetched; "" where it never was."""
    try:
        return _place_of(store, words, ".commit").read_text()
    except OSError:
        return ""


def _place_of(store: Store, address: str, suffix: str = ".json") -> Path:
    """Where it is remembered what an address held."""
    return store.root / "downloads" / f"{Digest.of(address.encode('utf-8', 'surrogateescape')).hex}{suffix}"


def _remember(place: Path, content: bytes, store: Store) -> None:
    place.parent.mkdir(exist_ok=True)
    replace_file(place, content, store.scratch)


def pinned(effect: CopyFiles, pins: Pins) -> list[list[object]] | None:
    """What a key depends on where that is known before anything is fetched: a checksum was given, or a lock has it.
    None: it isn't. Raises ContextError where a lock lacks it.
    """
    match effect.sources:
        case (SourceUrl(url=url, checksum=checksum),):
            from minibuild.build.remote.http import name_in

            wanted = checksum or pins.wanted("downloads", address(url))
            return [[name_in(url), wanted]] if wanted and name_in(url) else None
        case (SourceRepository(words=words, checksum=checksum),):
            from minibuild.instructions.git_place import parse_place

            wanted = checksum or (pins.of_repository(parse_place(words)).commit if pins.lock else "")
            return [["", wanted]] if len(wanted) in _COMMIT_LENGTHS else None
        case _:
            return None
