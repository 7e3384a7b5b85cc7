"""COPY and ADD: files into the tree."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field
from typing import ClassVar, Self

from minibuild.dockerfile.statements import HereDocument, Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import split_words
from minibuild.errors import DockerfileError
from minibuild.instructions.base import StageState, body_of
from minibuild.instructions.effects import CopyFiles, FromContext, InlineFile, Origin, SourcePath
from minibuild.instructions.flags import FlagKind, Flags
from minibuild.instructions.heredocs import content_of, file_name
from minibuild.instructions.origin import origin_of

_COMMON: dict[str, FlagKind] = {"chown": "word", "chmod": "word", "link": "claim", "exclude": "list"}
_COPY_FLAGS: dict[str, FlagKind] = {"from": "word", **_COMMON, "parents": "claim"}
_ADD_FLAGS: dict[str, FlagKind] = {**_COMMON, "checksum": "word", "keep-git-dir": "claim", "unpack": "claim"}
_REMOTE = re.compile(r"(?:https?|git|ssh)://|[A-Za-z0-9_.-]+@[A-Za-z0-9_.-]+:", re.IGNORECASE)
_CHECKSUM = re.compile(r"sha256:[a-f0-9]{64}|[a-f0-9]{7,64}")
_EXCLUDE_HINT = "leave the files out by .dockerignore"
_LINK_HINT = "leave the flag out: the files are the same, the layer only depends on those below"


@dataclass(frozen=True, slots=True)
class Transfer:
    """What COPY and ADD have in common: sources, here-documents, a destination, an owner, a mode."""

    sources: tuple[Text, ...]
    documents: tuple[HereDocument, ...]
    destination: Text
    chown: Text | None
    chmod: Text | None

    @classmethod
    def of(cls, statement: Statement, flags: Flags) -> Transfer:
        """The sources and the destination of a body; raises DockerfileError where it has too few."""
        body = body_of(statement, "a source and a destination")
        words = split_words(body) if statement.arguments is None else statement.arguments
        if len(words) < 2:
            raise DockerfileError(f"{statement.keyword} wants a source and a destination, got '{body}'", span=body.span)
        *sources, destination = words
        documents = {document.marker.span.start: document for document in statement.heredocs}
        if destination.span.start in documents:
            raise DockerfileError(
                f"{statement.keyword} wants a path for its destination, got a here-document", span=destination.span
            )
        for document in statement.heredocs:
            file_name(document)
        return cls(
            sources=tuple(source for source in sources if source.span.start not in documents),
            documents=statement.heredocs,
            destination=destination,
            chown=flags.word("chown"),
            chmod=flags.word("chmod"),
        )

    def effect(self, state: StageState, origin: Origin, unpacks: bool) -> CopyFiles:
        """The files that the words mean in a state."""
        destination = state.expand(self.destination)
        is_directory = destination in ("", ".") or destination.endswith(("/", "/."))
        if not is_directory and len(self.sources) + len(self.documents) > 1:
            raise DockerfileError(
                f"several sources want a directory for their destination, got '{destination}'",
                span=self.destination.span,
                hint=f"end it with a slash: {destination}/",
            )
        absolute = state.absolute(destination)
        return CopyFiles(
            sources=tuple(_source(state, word) for word in self.sources),
            destination=absolute + "/" if is_directory and absolute != "/" else absolute,
            origin=origin,
            inline=tuple(InlineFile(document.name, content_of(document, state)) for document in self.documents),
            owner=_owner(state, self.chown),
            mode=_mode(state, self.chmod),
            unpacks=unpacks,
        )

    def describe(self, keyword: str, state: StageState) -> str:
        """The line in the history: words expanded, paths as they were given."""
        flags = [
            f"--{name}={state.expand(text)}" for name, text in (("chown", self.chown), ("chmod", self.chmod)) if text
        ]
        sources = [state.expand(source) for source in self.sources]
        documents = [f"<<{document.name}" for document in self.documents]
        return " ".join([keyword, *flags, *sources, *documents, state.expand(self.destination), "# buildkit"])


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY [--from=F] [--chown=U[:G]] [--chmod=M] source… destination``, or the same as a JSON array.

    Sources come from the context, a stage, or another image; ``<<NAME`` is a file whose content stands below. A
    directory's *contents* are copied. Source: Dockerfile reference, COPY.
    """

    keyword: ClassVar[str] = "COPY"
    transfer: Transfer
    origin: Text | None

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        flags = Flags.of(statement, _COPY_FLAGS)
        flags.refuse("link", "COPY", _LINK_HINT)
        flags.refuse("parents", "COPY", "name the directory again in the destination")
        flags.refuse("exclude", "COPY", _EXCLUDE_HINT)
        transfer = Transfer.of(statement, flags)
        for source in transfer.sources:
            if _REMOTE.match(source.value):
                raise DockerfileError(f"COPY takes no URL, got '{source}'", span=source.span, hint=_REMOTE_HINT)
        return cls(transfer, flags.word("from"))

    def configure(self, state: StageState) -> StageState:
        return state

    def effect(self, state: StageState) -> CopyFiles:
        origin = FromContext() if self.origin is None else origin_of(self.origin, state)
        return self.transfer.effect(state, origin, unpacks=False)

    def describe(self, state: StageState) -> str:
        return self.transfer.describe("COPY", state)


@dataclass(frozen=True, slots=True)
class Add:
    """``ADD [--chown=U[:G]] [--chmod=M] [--unpack=false] source… destination``: COPY from the context that unpacks
    archives.

    Source: Dockerfile reference, ADD.
    """

    keyword: ClassVar[str] = "ADD"
    transfer: Transfer
    unpacks: bool = field(default=True)

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        flags = Flags.of(statement, _ADD_FLAGS)
        _check_checksum(flags.word("checksum"))
        flags.refuse("link", "ADD", _LINK_HINT)
        flags.refuse("exclude", "ADD", _EXCLUDE_HINT)
        flags.refuse("checksum", "ADD", _REMOTE_HINT)
        flags.refuse("keep-git-dir", "ADD", _REMOTE_HINT)
        transfer = Transfer.of(statement, flags)
        for source in transfer.sources:
            if _REMOTE.match(source.value):
                raise _remote(source)
        return cls(transfer, flags.claim("unpack", unsaid=True))

    def configure(self, state: StageState) -> StageState:
        return state

    def effect(self, state: StageState) -> CopyFiles:
        return self.transfer.effect(state, FromContext(), unpacks=self.unpacks)

    def describe(self, state: StageState) -> str:
        return self.transfer.describe("ADD", state)


_REMOTE_HINT = "fetch it into the context before the build, or by a RUN"


def _remote(source: Text) -> DockerfileError:
    return DockerfileError("ADD of a URL or a git repository is not supported yet", span=source.span, hint=_REMOTE_HINT)


def _source(state: StageState, word: Text) -> SourcePath:
    path = state.expand(word)
    if not path:
        raise DockerfileError(
            f"source '{word}' is empty once its variables are replaced",
            span=word.span,
            hint="write . to copy the whole context",
        )
    if _REMOTE.match(path):
        raise _remote(word)
    # Like a chroot: a leading "/" and a ".." above the root both mean the root.
    return SourcePath(posixpath.normpath("/" + path).lstrip("/"), word.span)


def _owner(state: StageState, text: Text | None) -> str | None:
    if text is None:
        return None
    owner = state.expand(text)
    user, _, group = owner.partition(":")
    if (owner and not user) or ":" in group:
        raise DockerfileError(f"--chown wants user[:group], got '{owner}'", span=text.span)
    return owner.removesuffix(":") or None


def _mode(state: StageState, text: Text | None) -> int | None:
    if text is None:
        return None
    mode = state.expand(text)
    if not mode:
        return None
    if re.fullmatch(r"[0-7]+", mode) and int(mode, 8) <= 0o7777:
        return int(mode, 8)
    if re.fullmatch(r"[ugoa]*[-+=][ugorwxXst]*(?:[,+=-][ugoarwxXst+=-]*)*", mode):
        raise DockerfileError(
            f"a symbolic --chmod is not supported yet, got '{mode}'",
            span=text.span,
            hint="write the mode in octal: 755",
        )
    raise DockerfileError(
        f"--chmod wants an octal mode, got '{mode}'", span=text.span, hint="write it as 755 or 0644, at most 7777"
    )


def _check_checksum(text: Text | None) -> None:
    if text is not None and "$" not in text.value and not _CHECKSUM.fullmatch(text.value):
        raise DockerfileError(f"--checksum wants sha256: and 64 hexadecimal digits, got '{text}'", span=text.span)
