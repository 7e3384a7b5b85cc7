"""Names and values: the bodies of ENV and LABEL."""

from __future__ import annotations

from typing import Self

from minibuild.dockerfile.statements import Statement
from minibuild.dockerfile.text import Text
from minibuild.dockerfile.words import split_pairs
from minibuild.errors import DockerfileError, Finding
from minibuild.instructions.base import StageState, body_of
from minibuild.instructions.effects import Variables
from minibuild.source import Span
from minibuild.values import dataclass, field


@dataclass(frozen=True, slots=True)
class Pairs:
    """``name=value …``, or the old form ``name value``, whose value is all that follows."""

    keyword: str
    pairs: tuple[tuple[Text, Text], ...]
    is_old_form: bool
    span: Span = field(compare=False, repr=False)

    @classmethod
    def of(cls, statement: Statement) -> Self:
        """The pairs of a body; raises DockerfileError at a word that has no value or no name."""
        body = body_of(statement, "a name and a value")
        found = split_pairs(body, statement.escape)
        for name, value in found.pairs:
            if not name:
                raise _nameless(statement.keyword, name, value)
        return cls(statement.keyword, found.pairs, found.is_legacy, body.span)

    def expanded(self, state: StageState) -> Variables:
        """Names and values, all worked out in the same state, in their order."""
        pairs = []
        for name_text, value_text in self.pairs:
            name = state.expand(name_text)
            if not name:
                raise _nameless(self.keyword, name_text, value_text)
            pairs.append((name, state.expand(value_text)))
        return tuple(pairs)

    def report_old_form(self, state: StageState) -> None:
        """Warns where the old form is used."""
        if self.is_old_form:
            ((name, value),) = self.pairs
            meant = value.value.removeprefix("=").lstrip()  # of "name = value"
            hint = f"write {self.keyword} {name}={_as_one_word(meant)}"
            message = f"{self.keyword} with a blank between name and value is the old form"
            state.report(Finding("LegacyKeyValueFormat", message, self.span, hint))


def _as_one_word(value: str) -> str:
    if not any(character in value for character in " \t\"'"):
        return value
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "\"'"
    inside = value[1:-1] if is_quoted else value
    return f'"{inside}"' if '"' not in inside else '"…", a quote in it as \\"'


def _nameless(keyword: str, name: Text, value: Text) -> DockerfileError:
    span = Span(name.source, name.span.start, max(value.span.end, name.span.end))
    return DockerfileError(f"{keyword} wants a name before '='", span=span)
