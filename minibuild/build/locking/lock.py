"""``minibuild.lock``: what the names in a Dockerfile stood for when somebody looked, beside it.

It is JSON, sorted, one name a line::

    {
      "version": 1,
      "images": {"docker.io/library/alpine:3.20": "sha256:…"},
      "downloads": {"https://example.com/tool.tar.gz": "sha256:…"},
      "repositories": {"https://example.com/tool.git#main": "9f3c…"}
    }

``images`` are by their full names, and stand for what the registry has by them: an index, where it is one, so the lock
is for all platforms. ``downloads`` and ``repositories`` are by their addresses without credentials, and hold what ADD,
contexts and named contexts take. What says its own digest isn't in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal, TypeAlias
from urllib.parse import urlsplit, urlunsplit

from minibuild.errors import ContextError, ImageError
from minibuild.instructions.git_place import GitPlace
from minibuild.values import dataclass, field, replace

Kind: TypeAlias = Literal["images", "downloads", "repositories"]
KINDS: tuple[Kind, ...] = ("images", "downloads", "repositories")
FILE = "minibuild.lock"

_VERSION = 1
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}|[0-9a-f]{40}|[0-9a-f]{64}")
_NOUNS: Mapping[Kind, str] = {"images": "image", "downloads": "download", "repositories": "repository"}


@dataclass(frozen=True, slots=True)
class Lock:
    """What names stand for, by their kinds; ``place`` is where that is written."""

    place: str
    digests: Mapping[Kind, Mapping[str, str]]

    @classmethod
    def read(cls, path: Path) -> Lock:
        """Raises ContextError where there is none, or one that can't be understood."""
        try:
            document = json.loads(path.read_bytes())
        except FileNotFoundError:
            raise ContextError(f"{path} doesn't exist", hint="minibuild lock writes it") from None
        except (OSError, ValueError) as error:
            raise ContextError(f"{path} can't be read: {error}") from error
        version = document.get("version") if isinstance(document, dict) else None
        if version != _VERSION:
            raise ContextError(f"{path} is a lock of version {version!r}, wanted {_VERSION}")
        if document.keys() - {"version", *KINDS} or not all(_is_table(document.get(kind, {})) for kind in KINDS):
            raise ContextError(
                f"{path} is no lock: it holds more than names and digests", hint="minibuild lock mends it"
            )
        return cls(str(path), {kind: document.get(kind, {}) for kind in KINDS})

    def encode(self) -> bytes:
        """The file's content."""
        named = {kind: dict(sorted(self.digests[kind].items())) for kind in KINDS if self.digests.get(kind)}
        return (json.dumps({"version": _VERSION, **named}, indent=2, ensure_ascii=False) + "\n").encode()

    def differences(self, found: Lock) -> Iterator[str]:
        """What is otherwise in another lock, a sentence each."""
        for kind in KINDS:
            here, there = self.digests.get(kind, {}), found.digests.get(kind, {})
            for name in sorted({*here, *there}):
                if name not in here:
                    yield f"{_NOUNS[kind]} {name} is not in it"
                elif name not in there:
                    yield f"{_NOUNS[kind]} {name} is not used any more"
                elif here[name] != there[name]:
                    yield f"{_NOUNS[kind]} {name} is {there[name]} now, it has {here[name]}"


@dataclass
class Pins:
    """What names stand for in a build: what its ``lock`` says, and where it has none, what was found is noted."""

    lock: Lock | None = None
    found: dict[Kind, dict[str, str]] = field(default_factory=lambda: {kind: {} for kind in KINDS})

    @property
    def place(self) -> str:
        """Where the lock is written."""
        return self.lock.place if self.lock else ""

    def wanted(self, kind: Kind, name: str) -> str:
        """The digest that a name has to have; "" where there is no lock. Raises ImageError or ContextError where the
        lock doesn't know it.
        """
        if self.lock is None:
            return ""
        digest = self.lock.digests.get(kind, {}).get(name, "")
        if not digest:
            failure = ImageError if kind == "images" else ContextError
            message = f"{_NOUNS[kind]} {name} is not in {self.place}, and --locked takes nothing else"
            raise failure(message, hint="minibuild lock takes it in")
        return digest

    def note(self, kind: Kind, name: str, digest: str) -> None:
        """Remembers what a name was found to stand for."""
        self.found[kind][name] = digest

    def of_repository(self, place: GitPlace) -> GitPlace:
        """A place with the commit that it has to have, unless it says one itself. Raises as ``wanted``."""
        commit = "" if _says_commit(place) else self.wanted("repositories", _repository(place))
        return replace(place, ref=commit, commit=commit) if commit else place

    def note_repository(self, place: GitPlace, commit: str) -> None:
        """As ``note``, of a place that doesn't say its commit."""
        if not _says_commit(place):
            self.note("repositories", _repository(place), commit)

    def check_download(self, url: str, digest: str) -> None:
        """Raises ContextError for a download that isn't what the lock says; notes it where there is none."""
        name = address(url)
        if (wanted := self.wanted("downloads", name)) and digest != wanted:
            raise ContextError(
                f"{name.partition('?')[0]} holds {digest}, {self.place} says {wanted}",
                hint="find out why it changed, then let minibuild lock take it in",
            )
        self.note("downloads", name, digest)


def address(url: str) -> str:
    """What a URL is called in locks: without credentials."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return url
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, parts.query, ""))


def _repository(place: GitPlace) -> str:
    return f"{place.remote}#{place.ref}" if place.ref else place.remote


def _says_commit(place: GitPlace) -> bool:
    return bool(place.commit) or re.fullmatch(r"[0-9a-f]{40}|[0-9a-f]{64}", place.ref) is not None


def _is_table(value: object) -> bool:
    return isinstance(value, dict) and all(isinstance(word, str) and _DIGEST.fullmatch(word) for word in value.values())
