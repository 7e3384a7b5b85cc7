"""What an instruction is, and the state of a stage that it reads and changes."""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import ClassVar, Protocol, Self, TypeVar

from minibuild.dockerfile.expand import expand, expand_document, expand_words
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, Finding, did_you_mean
from minibuild.instructions.effects import Effect, Variables
from minibuild.oci import ContainerConfig
from minibuild.source import Span
from minibuild.values import dataclass, field

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

V = TypeVar("V")


def _nothing(_finding: Finding) -> None:
    pass


def _no_map() -> Mapping[str, V]:
    return MappingProxyType({})


@dataclass(frozen=True, slots=True)
class StageState:
    """What the instructions of a stage know of those before them.

    ``variables`` is the scope of expansion and the environment of RUN: the configuration's environment and the stage's
    ARGs, a later declaration winning; ``arguments`` the names of the ARGs in order of declaration, those without a
    value and repeated ones too. ``build_arguments`` are the ``--build-arg`` words, ``global_arguments`` the ARGs above
    the first FROM and the platform's, ``proxies`` what RUN sees undeclared.
    ``stages`` maps the names (lower case) and numbers of earlier stages to their indices, ``later_stages`` those of
    this stage and the ones below; ``stage`` is its own index. ``contexts`` are the names that ``--build-context``
    gave. ``own_keywords`` are those the stage has used, WORKDIR also where a stage that it is based on has. ``report``
    is told of findings.
    """

    config: ContainerConfig
    author: str = ""
    variables: Mapping[str, str] = field(default_factory=_no_map)
    arguments: tuple[str, ...] = ()
    build_arguments: Mapping[str, str] = field(default_factory=_no_map)
    global_arguments: Mapping[str, str] = field(default_factory=_no_map)
    proxies: Variables = ()
    stage: int = 0
    stages: Mapping[str, int] = field(default_factory=_no_map)
    later_stages: Mapping[str, int] = field(default_factory=_no_map)
    contexts: frozenset[str] = frozenset()
    own_keywords: frozenset[str] = frozenset()
    escape: str = "\\"
    report: Callable[[Finding], None] = field(default=_nothing, compare=False, repr=False)

    @property
    def shell(self) -> tuple[str, ...]:
        """The words before a shell form."""
        return self.config.shell or DEFAULT_SHELL

    @property
    def directory(self) -> str:
        """The working directory, absolute."""
        return self.config.directory or "/"

    def absolute(self, path: str) -> str:
        """A path of the image's tree seen from the working directory, cleaned; only ``/`` itself ends with one."""
        return "/" + posixpath.normpath(posixpath.join("/", self.directory, path)).lstrip("/")

    def expand(self, text: Text) -> str:
        """One word, variables replaced; tells ``report`` of undefined ones."""
        return expand(text, self.variables, escape=self.escape, undefined=self._undefined)

    def expand_words(self, text: Text) -> tuple[str, ...]:
        """Any number of words, variables replaced."""
        return expand_words(text, self.variables, escape=self.escape, undefined=self._undefined)

    def expand_document(self, text: Text) -> str:
        """A here-document's content, variables replaced."""
        return expand_document(text, self.variables, escape=self.escape, undefined=self._undefined)

    def _undefined(self, name: Text) -> None:
        if not name.value.isidentifier() or name.value in self.arguments:
            return  # $1, $@ and their like are a shell's, and always empty here; an ARG may have no value
        hint = did_you_mean(name.value, list(self.variables))
        if name.value in self.global_arguments:
            hint = f"ARG {name} above the first FROM is for FROM lines: say ARG {name} in this stage too"
        self.report(Finding("UndefinedVar", f"${name} is not defined", name.span, hint))


class Instruction(Protocol):
    """What a statement means. All methods are pure; the state they are given is the one *before* the instruction.

    ``effect`` is asked before ``configure``. What the two report is heard once, however often it is said.
    """

    keyword: ClassVar[str]

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        """What it says; raises DockerfileError with the span of the word at fault."""

    def configure(self, state: StageState) -> StageState:
        """The state that later instructions see."""

    def effect(self, state: StageState) -> Effect | None:
        """What it does to the file tree; None for nothing."""

    def describe(self, state: StageState) -> str:
        """Its line in the image's history (``created_by``), as BuildKit writes it; "" where it writes none."""


class WithoutEffect:
    """What instructions that leave the file tree alone have in common."""

    __slots__ = ()

    def effect(self, _state: StageState) -> Effect | None:
        """Nothing."""
        return None


def body_of(statement: Statement, wanted: str) -> Text:
    """The body of a statement that must have one; ``wanted`` ends the sentence "USER wants …"."""
    if not statement.body:
        _refuse_open_quote(statement)
        raise DockerfileError(f"{statement.keyword} wants {wanted}", span=statement.keyword_span)
    return statement.body


def _refuse_open_quote(statement: Statement) -> None:
    """Raises DockerfileError where the last flag has swallowed the body by a quote that it doesn't close."""
    for flag in statement.flags[-1:]:
        for quote in "\"'":
            at = flag.span.text.rfind(quote)
            if flag.span.text.count(quote) % 2:
                span = Span(flag.span.source, flag.span.start + at, flag.span.start + at + 1)
                raise DockerfileError(f"{quote} opens a quote that nothing closes", span=span)


def excerpt_of(text: str) -> str:
    """A text as errors quote it: on one line, not longer than a person reads."""
    return repr(text if len(text) <= 60 else text[:59] + "…")


def place_of(word: Text) -> Span:
    """Where a word stands; of an empty string in a JSON array, its quotes."""
    span = word.span
    return span if word else Span(span.source, span.start - 1, span.start + 1)


def start_of(span: Span, length: int) -> Span:
    """The first characters of a span."""
    return Span(span.source, span.start, min(span.start + length, span.end))
