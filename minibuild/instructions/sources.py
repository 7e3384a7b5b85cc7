"""What COPY and ADD copy: paths and patterns, URLs, git repositories, told apart by how they are written."""

from __future__ import annotations

import posixpath
import re
from urllib.parse import urlsplit

from minibuild.dockerfile.exec_form import invalid_form
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import split_quoted, split_words
from minibuild.errors import ContextError, DockerfileError
from minibuild.instructions.base import StageState, place_of
from minibuild.instructions.effects import CopySource, SourcePath, SourceRepository, SourceUrl
from minibuild.instructions.git_place import parse_place
from minibuild.instructions.globs import check_pattern
from minibuild.values import dataclass

_WEB = re.compile(r"https?://", re.IGNORECASE)
# Source: moby/buildkit, gitutil.ParseURL: "git@host:path" has no scheme, but a user.
_GIT = re.compile(r"(?:git|ssh)://|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:", re.IGNORECASE)
_SHA256 = re.compile(r"sha256:[a-f0-9]{64}")
_COMMIT = re.compile(r"[a-f0-9]{4,64}")
_PIVOT = "/./"


def words_of(statement: Statement) -> tuple[Text, ...]:
    """The sources and the destination of a body; raises DockerfileError where blanks part what was meant to be one."""
    body, keyword = statement.body, statement.keyword
    if statement.arguments is not None:
        return statement.arguments
    words = split_words(body)
    array = invalid_form(keyword, body)
    if array and words[0].value[1:2] in ("", "'", '"') and not words[0].value.endswith("]"):
        raise DockerfileError(f"JSON array of {keyword} is malformed", span=array.span, hint=array.hint)
    for word in split_quoted(body, statement.escape) if re.search("['\"]", body.value) else ():
        if word.value[0] in "'\"" and split_words(word) != (word,):
            inside = word.value.strip("'\"")
            raise DockerfileError(
                f"quotes keep no words of {keyword} together, got {word}",
                span=word.span,
                hint=f'write a JSON array: {keyword} ["{inside}", "destination"]',
            )
    return words


def is_remote(path: str) -> bool:
    """It is fetched from elsewhere: a URL or a git repository."""
    return bool(_WEB.match(path) or _GIT.match(path))


def is_repository(path: str) -> bool:
    """It is a git repository: by its scheme, or a web address of which the path ends with ``.git``."""
    if _GIT.match(path):
        return True
    try:
        return bool(_WEB.match(path)) and urlsplit(path).path.endswith(".git")
    except ValueError:
        return False


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the flags of a COPY or ADD say of its sources.

    ``unpacks`` and ``keeps_git_directory`` are None where nothing was said.
    """

    keeps_parents: bool = False
    checksum: Text | None = None
    unpacks: bool | None = None
    keeps_git_directory: bool | None = None

    def sources(self, state: StageState, words: tuple[Text, ...]) -> tuple[CopySource, ...]:
        """The sources that the words mean in a state; raises DockerfileError for what can't be one."""
        checksum = "" if self.checksum is None else state.expand(self.checksum)
        sources = tuple(self._source(state, word, checksum) for word in words)
        if self.checksum is not None:
            _check_checksum(self.checksum, checksum, sources)
        return sources

    def _source(self, state: StageState, word: Text, checksum: str) -> CopySource:
        path = state.expand(word)
        if not path:
            raise DockerfileError(
                f"source '{word}' is empty once its variables are replaced",
                span=place_of(word),
                hint="write . to copy the whole context",
            )
        if is_repository(path):
            self._check_repository(path, checksum, word)
            return SourceRepository(path, word.span, checksum, self.keeps_git_directory)
        if is_remote(path):
            _check_url(path, word)
            return SourceUrl(path, word.span, checksum, bool(self.unpacks))
        return self._path(path, word)

    def _check_repository(self, path: str, checksum: str, word: Text) -> None:
        try:
            place = parse_place(path)
        except ContextError as error:
            raise DockerfileError(error.message, span=word.span, hint=error.hint) from None
        if None not in (self.keeps_git_directory, place.keeps_git) and self.keeps_git_directory is not place.keeps_git:
            raise DockerfileError("--keep-git-dir and the address's keep-git-dir say different things", span=word.span)
        if checksum and place.commit and checksum != place.commit:
            raise DockerfileError(f"--checksum says {checksum}, the address {place.commit}", span=word.span)

    def _path(self, path: str, word: Text) -> SourcePath:
        for component in _clamped(path).split("/"):
            check_pattern("pattern", component, word.span)
        if not self.keeps_parents:
            return SourcePath(_clamped(path), word.span, is_clamped=_leads_out(path))
        above, pivot, below = path.partition(_PIVOT)
        kept_from, pattern = (above, below) if pivot else ("", path)
        return SourcePath(_clamped(pattern), word.span, pivot=_clamped(kept_from), is_clamped=_leads_out(path))


def _check_url(path: str, word: Text) -> None:
    try:
        address = urlsplit(path)
        is_address = bool(address.hostname) and address.port != 0
    except ValueError:
        is_address = False
    if not is_address:
        raise DockerfileError(f"'{path}' is no web address, wanted http[s]://HOST/PATH", span=word.span)


def _clamped(path: str) -> str:
    # Like a chroot: a leading "/" and a ".." above the root both mean the root.
    return posixpath.normpath("/" + path).lstrip("/")


def _leads_out(path: str) -> bool:
    relative = posixpath.normpath(path.lstrip("/") or ".")
    return relative == ".." or relative.startswith("../")


def _check_checksum(text: Text, checksum: str, sources: tuple[CopySource, ...]) -> None:
    if len(sources) != 1:
        raise DockerfileError(
            f"--checksum is for one source, got {len(sources)}", span=text.span, hint="write an ADD for each"
        )
    match sources[0]:
        case SourceUrl():
            if not _SHA256.fullmatch(checksum):
                raise DockerfileError(
                    f"--checksum wants sha256: and 64 hexadecimal digits, got '{checksum}'", span=text.span
                )
        case SourceRepository():
            if not _COMMIT.fullmatch(checksum):
                raise DockerfileError(
                    f"--checksum of a repository wants a commit's hexadecimal digits, got '{checksum}'", span=text.span
                )
        case SourcePath():
            raise DockerfileError(
                "--checksum is for URLs and git repositories, and this source is a file of the context",
                span=text.span,
                hint="leave it out: the context is yours",
            )
