"""What a git address means: ``repository[#ref[:directory]]``, or ``repository?branch=…&subdir=…``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote

from minibuild.errors import ContextError, did_you_mean
from minibuild.values import dataclass, replace

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_SECURE_SHELL = re.compile(r"(?!-)[A-Za-z0-9._-]+@(?!-)(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\]):(?!//)(?P<path>[^?#]*)")
_HOST = re.compile(r"(?!-)(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?")
_USER = re.compile(r"(?!-)[^\s@/\\]*")
_REF = re.compile(r"(?!.*(?:\.\.|//|@\{|/\.|\.lock(?:/|$)))[\w](?:[\w./@+=%,-]*[\w@+=%,-])?")
_COMMIT = re.compile(r"[0-9a-f]{7,64}")
_CLAIMS = {**dict.fromkeys(("", "1", "t", "T", "true", "TRUE", "True"), True)} | dict.fromkeys(
    ("0", "f", "F", "false", "FALSE", "False"), False
)
_KEYS = ("ref", "tag", "branch", "subdir", "checksum", "commit", "keep-git-dir", "submodules", "mtime")
_FORM = "write https://HOST/REPOSITORY.git#REF:DIRECTORY"


@dataclass(frozen=True, slots=True)
class GitPlace:
    """A commit of a repository, and a directory in it.

    ``remote`` is what git is asked, without credentials; ``credentials`` are ``user:password`` of its URL, "" for
    none; ``ref`` a branch, a tag, a full ref or a commit, "" for what the remote has checked out; ``directory``
    relative, "" for all; ``commit`` what the commit's digest must start with, "" for any. ``keeps_git`` and
    ``dates_by_commit`` (files are as old as it) are None where the address doesn't say.
    """

    remote: str
    credentials: str = ""
    ref: str = ""
    directory: str = ""
    commit: str = ""
    keeps_git: bool | None = None
    submodules: bool = True
    dates_by_commit: bool | None = None

    @property
    def scheme(self) -> str:
        """``https``, ``http``, ``ssh``, ``git`` or ``file``."""
        found = _SCHEME.match(self.remote)
        return found[1].lower() if found else "ssh"

    @property
    def name(self) -> str:
        """What the repository is called: the last part of its path."""
        return re.split(r"[/:]", self.remote.rstrip("/"))[-1].removesuffix(".git")


def is_git(word: str) -> bool:
    """A word is the address of a repository: by its scheme, as ``user@host:path``, as ``github.com/…``, or as a URL
    whose path ends in ``.git``. Source: buildkit, util/gitutil.
    """
    scheme = _SCHEME.match(word)
    if scheme is None:
        return word.startswith("github.com/") or _SECURE_SHELL.match(word) is not None
    if scheme[1].lower() in ("http", "https"):
        return re.split(r"[?#]", word, maxsplit=1)[0].endswith(".git")
    return scheme[1].lower() in ("git", "ssh") or _is_repository_file(word)


def parse_place(word: str) -> GitPlace:
    """What the address means; raises ContextError for what no address is, and what could be an attack."""
    if any(not character.isprintable() or character == "\\" for character in word):
        raise ContextError(f"the git address {word!r} has characters that none has", hint=_FORM)
    address, hash_sign, fragment = word.partition("#")
    address, question, query = address.partition("?")
    place = _remote(f"https://{address}" if address.startswith("github.com/") else address)
    if hash_sign:
        ref, _, directory = fragment.partition(":")
        place = replace(place, ref=unquote(ref), directory=unquote(directory))
    if question:
        place = _with_query(place, query)
    return _checked(place)


def _is_repository_file(word: str) -> bool:
    return word.lower().startswith("file://") and re.split(r"[?#]", word, maxsplit=1)[0].endswith(".git")


def _remote(address: str) -> GitPlace:
    scheme = _SCHEME.match(address)
    if scheme is None:
        found = _SECURE_SHELL.fullmatch(address)
        if found is None or not found["path"] or found["path"].startswith("-"):
            raise ContextError(f"{address!r} is no git address", hint=_FORM)
        return GitPlace(address)
    authority, _, path = address[scheme.end() :].partition("/")
    user, at, host = authority.rpartition("@")
    if scheme[1].lower() == "file":
        return GitPlace(address)
    if not _HOST.fullmatch(host) or not path.strip("/") or not _USER.fullmatch(user):
        raise ContextError(f"{scheme[0]}{host}/{path} is no git address", hint=_FORM)
    if scheme[1].lower() in ("http", "https"):
        return GitPlace(f"{scheme[0]}{host}/{path}", credentials=user)
    return GitPlace(f"{scheme[0]}{user}{at}{host}/{path}")


def _with_query(place: GitPlace, query: str) -> GitPlace:
    values: dict[str, str] = {}
    for key, value in parse_qsl(query, keep_blank_values=True):
        if key not in _KEYS:
            raise ContextError(f"the git address has an unknown key {key!r}", hint=did_you_mean(key, _KEYS))
        if values.setdefault(key, value) != value:
            raise ContextError(f"the git address says two values for {key}: {values[key]!r} and {value!r}")
    refs = {
        prefix + values[key]
        for key, prefix in (("ref", ""), ("tag", "refs/tags/"), ("branch", "refs/heads/"))
        if values.get(key)
    }
    if place.ref:
        refs.add(place.ref)
    directories = {place.directory, values.get("subdir", "")} - {""}
    commits = {values.get("checksum", ""), values.get("commit", "")} - {""}
    for noun, found in (("refs", refs), ("directories", directories), ("commits", commits)):
        if len(found) > 1:
            raise ContextError(f"the git address says two {noun}: {' and '.join(map(repr, sorted(found)))}")
    if values.get("mtime", "checkout") not in ("checkout", "commit"):
        raise ContextError(f"mtime of a git address wants checkout or commit, got {values['mtime']!r}")
    return replace(
        place,
        ref=next(iter(refs), ""),
        directory=next(iter(directories), ""),
        commit=next(iter(commits), ""),
        keeps_git=_claim(values, "keep-git-dir"),
        submodules=_claim(values, "submodules") is not False,
        dates_by_commit={"commit": True, "checkout": False}.get(values.get("mtime", "")),
    )


def _claim(values: Mapping[str, str], key: str) -> bool | None:
    if key not in values:
        return None
    if values[key] not in _CLAIMS:
        raise ContextError(f"{key} of a git address wants true or false, got {values[key]!r}")
    return _CLAIMS[values[key]]


def _checked(place: GitPlace) -> GitPlace:
    if place.ref and not _REF.fullmatch(place.ref):
        raise ContextError(f"{place.ref!r} is no name of a branch, a tag or a commit", hint=_FORM)
    if place.commit and not _COMMIT.fullmatch(place.commit):
        raise ContextError(f"{place.commit!r} is no commit, wanted 7 to 64 hexadecimal digits")
    parts = [part for part in place.directory.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise ContextError(f"the directory {place.directory!r} leads out of the repository")
    return replace(place, directory="/".join(parts))
