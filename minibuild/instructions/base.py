"""What an instruction is, and the state of a stage that it reads and changes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import ClassVar, Protocol, Self

from minibuild.dockerfile.expand import expand, expand_document, expand_words
from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.errors import Finding, did_you_mean
from minibuild.instructions.effects import Effect, Variables
from minibuild.oci import ContainerConfig

DEFAULT_SHELL = ("/bin/sh", "-c")
DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def _nothing(_finding: Finding) -> None:
    pass


@dataclass(frozen=True, slots=True)
class StageState:
    """What the instructions of a stage know of those before them.

    ``variables`` is the scope of expansion: the configuration's environment and the stage's ARGs, a later
    declaration winning; ``arguments`` the ARGs with a value, in order of declaration (history shows them).
    ``build_arguments`` are the ``--build-arg`` words, ``global_arguments`` the ARGs above the first FROM and the
    platform's. ``stages`` maps the names (lower case) and numbers of earlier stages to their indices.
    ``own_keywords`` are those the stage has used. ``report`` is told of findings.
    """

    config: ContainerConfig
    author: str = ""
    variables: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    arguments: Variables = ()
    build_arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    global_arguments: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stages: Mapping[str, int] = field(default_factory=lambda: MappingProxyType({}))
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
        hint = did_you_mean(name.value, list(self.variables))
        self.report(Finding("UndefinedVar", f"${name} is not defined", name.span, hint))


class Instruction(Protocol):
    """What a statement means. All methods are pure; the state they are given is the one *before* the instruction."""

    keyword: ClassVar[str]

    @classmethod
    def parse(cls, statement: Statement) -> Self:
        """What it says; raises DockerfileError with the span of the word at fault."""

    def configure(self, state: StageState) -> StageState:
        """The state that later instructions see."""

    def effect(self, state: StageState) -> Effect | None:
        """What it does to the file tree; None for nothing."""

    def describe(self, state: StageState) -> str:
        """Its line in the image's history (``created_by``), as BuildKit writes it."""
