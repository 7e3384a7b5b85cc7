"""``--format``: a Go template over JSON-like values, as far as people use it with docker.

Supported: fields, ``$variables``, ``if``/``else``/``with``/``range``/``end``, pipes, parentheses, comments, trimming
(``{{-``), and the functions of ``template_functions``. Not: ``define``, ``template``, ``block``, ``break``, methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, assert_never

from minibuild.cli.template_functions import FUNCTIONS, NO_VALUE, Record, is_true, printed
from minibuild.cli.template_syntax import Block, Literal, Name, Nodes, Operand, Path, Pipeline, parse_template
from minibuild.errors import UsageError, blame, did_you_mean
from minibuild.source import Span
from minibuild.values import dataclass, field

_LAZY = {"and": False, "or": True}
_NONE: Any = object()


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was read; rendering it changes nothing in it."""

    nodes: Nodes

    @classmethod
    def parse(cls, text: str) -> Template:
        """The template of a text; raises UsageError that points into it."""
        return cls(parse_template(text))

    def render(self, value: object) -> str:
        """The text for a value; raises UsageError for a field or a function that there isn't."""
        return "".join(_Scope(value, {"$": value}).render(self.nodes))


@dataclass(slots=True)
class _Scope:
    """Dot, and the variables in reach; blocks have scopes of their own, which see those around them."""

    dot: object
    variables: dict[str, Any] = field(default_factory=dict)

    def inner(self, dot: object) -> _Scope:
        return _Scope(dot, dict(self.variables))

    def render(self, nodes: Nodes) -> Iterator[str]:
        for node in nodes:
            match node:
                case str():
                    yield node
                case Pipeline():
                    value = self.value(node)
                    if not node.declares:
                        yield printed(value)
                case Block():
                    yield from self._block(node)
                case _:
                    assert_never(node)

    def _block(self, block: Block) -> Iterator[str]:
        if block.keyword == "range":
            yield from self._range(block)
            return
        inside = self.inner(self.dot)
        value = inside.value(block.pipeline)
        if block.keyword == "with" and is_true(value):
            inside.dot = value
        yield from inside.render(block.body if is_true(value) else block.otherwise)

    def _range(self, block: Block) -> Iterator[str]:
        names = block.pipeline.declares
        value = self.inner(self.dot).value(block.pipeline)
        pairs = _pairs(value, block.pipeline.span)
        for key, item in pairs:
            inside = self.inner(item)
            inside.variables.update(zip(names, (key, item) if len(names) > 1 else (item,), strict=False))
            yield from inside.render(block.body)
        if not pairs:
            yield from self.inner(self.dot).render(block.otherwise)

    def value(self, pipeline: Pipeline) -> object:
        value: object = _NONE
        for command in pipeline.commands:
            value = self._call(command, value)
        for name in pipeline.declares[-1:]:
            self.variables[name] = value
        return value

    def _call(self, command: Sequence[Operand], piped: object) -> object:
        first, *rest = command
        if not isinstance(first, Name):
            if rest or piped is not _NONE:
                raise UsageError("only a function takes arguments", span=getattr(first, "span", None))
            return self._operand(first)
        if first.name in _LAZY:
            return self._first_that_decides(rest, piped, _LAZY[first.name])
        arguments = [self._operand(operand) for operand in rest] + ([piped] if piped is not _NONE else [])
        function = FUNCTIONS.get(first.name)
        if function is None:
            hint = did_you_mean(first.name, [*FUNCTIONS, *_LAZY])
            raise UsageError(f"{first.name} is no function of templates", span=first.span, hint=hint)
        with blame(first.span):
            try:
                return function(*arguments)
            except (TypeError, ValueError, AttributeError) as error:
                got = ", ".join(map(printed, arguments)) or "nothing"
                raise UsageError(f"{first.name} can't take {got}") from error

    def _first_that_decides(self, operands: Sequence[Operand], piped: object, deciding: bool) -> object:
        value: object = None
        for operand in operands:
            value = self._operand(operand)
            if is_true(value) == deciding:
                return value
        return value if piped is _NONE else piped

    def _operand(self, operand: Operand) -> object:
        match operand:
            case Literal(value):
                return value
            case Name():
                return self._call((operand,), _NONE)
            case Path(start, fields, span):
                return _follow(self._start(start, span), fields, span)
            case _:
                assert_never(operand)

    def _start(self, start: str | Pipeline | None, span: Span) -> object:
        if start is None:
            return self.dot
        if isinstance(start, Pipeline):
            return self.value(start)
        if start not in self.variables:
            hint = did_you_mean(start, list(self.variables))
            raise UsageError(f"{start} is no variable of the template", span=span, hint=hint)
        return self.variables[start]


def _follow(value: object, fields: Sequence[str], span: Span) -> object:
    for name in fields:
        if isinstance(value, Record):
            if name not in value:
                raise UsageError(f".{name} is no field here", span=span, hint=_field_hint(name, value))
            value = value[name]
        elif isinstance(value, Mapping):
            value = value.get(name, NO_VALUE)
        else:
            raise UsageError(f".{name} is asked of {printed(value)}, which has no fields", span=span)
    return value


def _field_hint(name: str, record: Record) -> str:
    return did_you_mean(name, list(record)) or f"there are {', '.join(f'.{key}' for key in record)}"


def _pairs(value: object, span: Span) -> list[tuple[object, object]]:
    if value is None or value is NO_VALUE:
        return []
    if isinstance(value, Mapping):
        return [(key, value[key]) for key in sorted(value)]
    if isinstance(value, (list, tuple)):
        return list(enumerate(value))
    raise UsageError(f"range wants a list or a map, got {printed(value)}", span=span)
