"""COPY and ADD: files into the tree."""

from __future__ import annotations

import re
from typing import ClassVar, Self

from minibuild.dockerfile.statements import HereDocument, Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import comment_hint
from minibuild.errors import DockerfileError
from minibuild.instructions.base import StageState, body_of
from minibuild.instructions.effects import CopyFiles, FromContext, InlineFile, Origin, SourcePath
from minibuild.instructions.flags import FlagKind, Flags
from minibuild.instructions.globs import check_pattern
from minibuild.instructions.heredocs import content_of, file_name
from minibuild.instructions.modes import SymbolicMode
from minibuild.instructions.notation import is_id
from minibuild.instructions.origin import check_origin, origin_of
from minibuild.instructions.sources import Wishes, is_remote, words_of
from minibuild.values import dataclass, field

_COMMON: dict[str, FlagKind] = {"chown": "word", "chmod": "word", "link": "claim", "exclude": "list"}
_COPY_FLAGS: dict[str, FlagKind] = {"from": "word", **_COMMON, "parents": "claim"}
_ADD_FLAGS: dict[str, FlagKind] = {**_COMMON, "checksum": "word", "keep-git-dir": "claim", "unpack": "claim"}


@dataclass(frozen=True, slots=True)
class Transfer:
    """What COPY and ADD have in common: sources, here-documents, a destination, an owner, a mode."""

    sources: tuple[Text, ...]
    documents: tuple[HereDocument, ...]
    destination: Text
    chown: Text | None
    chmod: Text | None
    excluded: tuple[Text, ...]
    stands_alone: bool
    wishes: Wishes

    @classmethod
    def of(cls, statement: Statement, flags: Flags, wishes: Wishes) -> Transfer:
        """The sources and the destination of a body; raises DockerfileError where it has too few."""
        body = body_of(statement, "a source and a destination")
        words = words_of(statement)
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
        for pattern in flags.words("exclude"):
            _check_exclusion(pattern)
        return cls(
            sources=tuple(source for source in sources if source.span.start not in documents),
            documents=statement.heredocs,
            destination=destination,
            chown=flags.word("chown"),
            chmod=flags.word("chmod"),
            excluded=flags.words("exclude"),
            stands_alone=flags.claim("link"),
            wishes=wishes,
        )

    def effect(self, state: StageState, origin: Origin, unpacks: bool) -> CopyFiles:
        """The files that the words mean in a state."""
        owner, mode = _owner(state, self.chown), _mode(state, self.chmod)
        sources = self.wishes.sources(state, self.sources)
        return CopyFiles(
            sources=sources,
            destination=self._destination(state),
            origin=origin,
            inline=tuple(InlineFile(document.name, content_of(document, state)) for document in self.documents),
            owner=owner,
            mode=mode,
            unpacks=unpacks,
            keeps_parents=self.wishes.keeps_parents,
            # As in BuildKit, variables are not replaced in them.
            excluded=tuple(pattern.value for pattern in self.excluded),
            stands_alone=self.stands_alone,
        )

    def _destination(self, state: StageState) -> str:
        destination = state.expand(self.destination)
        is_directory = self.wishes.keeps_parents or destination in ("", ".") or destination.endswith(("/", "/."))
        if not is_directory and len(self.sources) + len(self.documents) > 1:
            raise DockerfileError(
                f"several sources want a directory for their destination, got '{destination}'",
                span=self.destination.span,
                hint=comment_hint((*self.sources, self.destination)) or f"end it with a slash: {destination}/",
            )
        absolute = state.absolute(destination)
        return absolute + "/" if is_directory and absolute != "/" else absolute

    def describe(self, keyword: str, state: StageState) -> str:
        """The line in the history: words expanded, paths as they were given."""
        flags = [
            f"--{name}={state.expand(text)}" for name, text in (("chown", self.chown), ("chmod", self.chmod)) if text
        ]
        sources = [state.expand(source) for source in self.sources]
        documents = [f"<<{document.name}" for document in self.documents]
        parents = ["--parents"] if self.wishes.keeps_parents else []
        return " ".join([keyword, *parents, *flags, *sources, *documents, state.expand(self.destination), "# buildkit"])


@dataclass(frozen=True, slots=True)
class Copy:
    """``COPY [--from=F] [--chown=U[:G]] [--chmod=M] [--link] [--parents] [--exclude=P]… source… destination``, or the
    same as a JSON array.

    Sources come from the context, a stage, or another image; ``<<NAME`` is a file whose content stands below. A
    directory's *contents* are copied. Source: Dockerfile reference, COPY.
    """

    keyword: ClassVar[str] = "COPY"
    transfer: Transfer
    origin: Text | None

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        flags = Flags.of(statement, _COPY_FLAGS)
        transfer = Transfer.of(statement, flags, Wishes(keeps_parents=flags.claim("parents")))
        for source in transfer.sources:
            if is_remote(source.value):
                raise _no_url(source, source.value)
        origin = flags.word("from")
        if origin is not None:
            check_origin(origin, "--from")
        return cls(transfer, origin)

    def configure(self, state: StageState) -> StageState:
        return state

    def effect(self, state: StageState) -> CopyFiles:
        origin = FromContext() if self.origin is None else origin_of(self.origin, state)
        effect = self.transfer.effect(state, origin, unpacks=False)
        for word, source in zip(self.transfer.sources, effect.sources, strict=True):
            if not isinstance(source, SourcePath):
                raise _no_url(word, state.expand(word))
        return effect

    def describe(self, state: StageState) -> str:
        return self.transfer.describe("COPY", state)


@dataclass(frozen=True, slots=True)
class Add:
    """``ADD [--chown=U[:G]] [--chmod=M] [--link] [--exclude=P]… [--checksum=C] [--keep-git-dir] [--unpack=B] source…
    destination``: COPY from the context, from URLs and git repositories, that unpacks archives of the context.

    Source: Dockerfile reference, ADD.
    """

    keyword: ClassVar[str] = "ADD"
    transfer: Transfer
    unpacks: bool = field(default=True)

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        flags = Flags.of(statement, _ADD_FLAGS)
        wishes = Wishes(
            checksum=flags.word("checksum"),
            unpacks=flags.claim("unpack") if "unpack" in flags.given else None,
            keeps_git_directory=flags.claim("keep-git-dir") if "keep-git-dir" in flags.given else None,
        )
        return cls(Transfer.of(statement, flags, wishes), flags.claim("unpack", unsaid=True))

    def configure(self, state: StageState) -> StageState:
        return state

    def effect(self, state: StageState) -> CopyFiles:
        return self.transfer.effect(state, FromContext(), unpacks=self.unpacks)

    def describe(self, state: StageState) -> str:
        return self.transfer.describe("ADD", state)


def _check_exclusion(pattern: Text) -> None:
    positive = pattern.value.removeprefix("!").strip()
    if not positive:
        raise DockerfileError("--exclude=! wants a pattern to bring back", span=pattern.span)
    check_pattern("--exclude's pattern", positive, pattern.span)


def _no_url(source: Text, words: str) -> DockerfileError:
    return DockerfileError(f"COPY takes no URL, got '{words}'", span=source.span, hint="ADD does")


def _owner(state: StageState, text: Text | None) -> str | None:
    if text is None:
        return None
    owner = state.expand(text)
    user, _, group = owner.partition(":")
    if (owner and not user) or ":" in group:
        raise DockerfileError(f"--chown wants user[:group], got '{owner}'", span=text.span)
    for number in (user, group):
        if re.fullmatch(r"[+-]?[0-9]+", number) and not is_id(number):
            raise DockerfileError(f"--chown wants names or numbers below {2**32 - 1}, got '{number}'", span=text.span)
    return owner.removesuffix(":") or None


def _mode(state: StageState, text: Text | None) -> int | SymbolicMode | None:
    if text is None:
        return None
    mode = state.expand(text)
    if not mode:
        return None
    if re.fullmatch(r"[0-7]+", mode) and int(mode, 8) <= 0o7777:
        return int(mode, 8)
    symbolic = SymbolicMode.parse(mode)
    if symbolic is not None:
        return symbolic
    raise DockerfileError(
        f"--chmod wants an octal or symbolic mode, got '{mode}'",
        span=text.span,
        hint="write it as 755 or 0644, at most 7777, or as u=rwX,go=rX",
    )
