"""Go templates, read: text with ``{{…}}`` in it becomes a tree. Source: Go's text/template and its parse package."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import NoReturn, TypeAlias

from minibuild.errors import UsageError
from minibuild.source import Source, Span
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Literal:
    """A constant."""

    value: object


@dataclass(frozen=True, slots=True)
class Path:
    """Fields of a start: ``.A.B`` (start None: dot), ``$x.A``, ``(pipeline).A``; no fields: the start itself."""

    start: str | Pipeline | None
    fields: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    """A function's name."""

    name: str
    span: Span


Operand: TypeAlias = Literal | Path | Name


@dataclass(frozen=True, slots=True)
class Pipeline:
    """Commands, each given the result of the one before as its last argument.

    ``declares`` are the ``$names`` before ``:=``.
    """

    commands: tuple[tuple[Operand, ...], ...]
    declares: tuple[str, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Block:
    """``if``, ``with`` or ``range``: a pipeline, what to do with it, and what else."""

    keyword: str
    pipeline: Pipeline
    body: Nodes
    otherwise: Nodes


Node: TypeAlias = str | Pipeline | Block
Nodes: TypeAlias = tuple[Node, ...]

_ACTION = re.compile(
    r"\{\{(?P<left>-(?=\s))?(?P<inner>(?:\"(?:\\.|[^\"\\])*\"|`[^`]*`|'(?:\\.|[^'\\])*'|.)*?)(?P<right>(?<=\s)-)?\}\}",
    re.S,
)
_TOKEN = re.compile(
    r"\s*(?:(?P<string>\"(?:\\.|[^\"\\])*\"|`[^`]*`|'(?:\\.|[^'\\])*')"
    r"|(?P<number>[+-]?\d[\w.]*)|(?P<field>\.[^\W\d]\w*)|(?P<variable>\$\w*)|(?P<name>[^\W\d]\w*)|(?P<mark>:=|[.|(),]))"
)
_KEYWORDS = ("if", "with", "range")


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    span: Span
    apart: bool


def parse_template(text: str) -> Nodes:
    """The tree of a template; raises UsageError that points into it."""
    source = Source("--format", text)
    pieces: list[str | tuple[Span, list[_Token]]] = []
    end, trims = 0, False
    for match in _ACTION.finditer(text):
        before = text[end : match.start()]
        before = before.lstrip() if trims else before
        pieces.append(before.rstrip() if match["left"] else before)
        if not match["inner"].strip().startswith("/*"):
            pieces.append((source.span(*match.span()), _tokens(source, *match.span("inner"))))
        end, trims = match.end(), bool(match["right"])
    rest = text[end:].lstrip() if trims else text[end:]
    if "{{" in rest:
        start = text.index("{{", end)
        raise UsageError("the template has {{ without }}", span=source.span(start, start + 2))
    reader = _Reader(source, [*pieces, rest])
    nodes, ended = reader.nodes()
    if ended is not None:
        _fail(f"the template has {{{{{ended.text}}}}} without if, range or with", ended.span)
    return nodes


def _tokens(source: Source, start: int, end: int) -> list[_Token]:
    tokens: list[_Token] = []
    while start < end and source.text[start:end].strip():
        match = _TOKEN.match(source.text, start, end)
        if match is None:
            blank = start + len(source.text[start:end]) - len(source.text[start:end].lstrip())
            _fail(f"the template has {source.text[blank]!r} where none can be", source.span(blank, blank + 1))
        kind = match.lastgroup or ""
        tokens.append(
            _Token(kind, match[kind], source.span(*match.span(kind)), match.start(kind) > start or not tokens)
        )
        start = match.end()
    return tokens


class _Reader:
    """Reads pieces (texts, and the tokens of actions) in order."""

    def __init__(self, source: Source, pieces: Sequence[str | tuple[Span, list[_Token]]]) -> None:
        self._source = source
        self._pieces = iter(pieces)

    def nodes(self) -> tuple[Nodes, _Token | None]:
        """Nodes up to ``end`` or ``else`` (answered, its following words still in ``self._else``) or the text's end."""
        nodes: list[Node] = []
        for piece in self._pieces:
            if isinstance(piece, str):
                nodes += [piece] if piece else []
                continue
            span, tokens = piece
            if not tokens:
                _fail("the template has {{}} with nothing in it", span)
            first, *rest = tokens
            if first.kind == "name" and first.text in ("end", "else"):
                self._else = (span, rest)
                return tuple(nodes), first
            nodes.append(self._node(span, tokens))
        return tuple(nodes), None

    def _node(self, span: Span, tokens: list[_Token]) -> Node:
        first, *rest = tokens
        if first.kind == "name" and first.text in _KEYWORDS:
            return self._block(first, span, rest)
        return _Words(tokens, span).whole()

    def _block(self, keyword: _Token, span: Span, tokens: list[_Token]) -> Block:
        pipeline = _Words(tokens, span).whole()
        body, ended = self.nodes()
        otherwise: Nodes = ()
        if ended is not None and ended.text == "else":
            span, rest = self._else
            if rest and rest[0].text not in _KEYWORDS:
                _fail(f"the template has {rest[0].text!r} after else", rest[0].span)
            if rest:  # {{else if …}}: a block of its own, which shares our {{end}}
                return Block(keyword.text, pipeline, body, (self._node(span, rest),))
            otherwise, ended = self.nodes()
        if ended is None or ended.text != "end":
            _fail(f"the template has {{{{{keyword.text}}}}} without {{{{end}}}}", keyword.span)
        return Block(keyword.text, pipeline, body, otherwise)


class _Words:
    """Reads the tokens of one action."""

    def __init__(self, tokens: Sequence[_Token], span: Span) -> None:
        self._tokens, self._at, self._span = tokens, 0, span

    def whole(self) -> Pipeline:
        """All of them as a pipeline."""
        pipeline = self._pipeline()
        if token := self._peek():
            _fail(f"the template has {token.text!r} where none can be", token.span)
        return pipeline

    def _peek(self) -> _Token | None:
        return self._tokens[self._at] if self._at < len(self._tokens) else None

    def _is_mark(self, *texts: str) -> bool:
        token = self._peek()
        return token is not None and token.kind == "mark" and token.text in texts

    def _pipeline(self) -> Pipeline:
        declares = self._declarations()
        commands = [self._command()]
        while self._is_mark("|"):
            self._at += 1
            commands.append(self._command())
        return Pipeline(tuple(commands), declares, self._span)

    def _declarations(self) -> tuple[str, ...]:
        names: list[str] = []
        at = self._at
        while (token := self._peek()) and token.kind == "variable":
            names.append(token.text)
            self._at += 1
            if self._is_mark(":="):
                self._at += 1
                return tuple(names)
            if not self._is_mark(","):
                break
            self._at += 1
        self._at = at
        return ()

    def _command(self) -> tuple[Operand, ...]:
        operands = []
        while (token := self._peek()) and not self._is_mark("|", ")"):
            operands.append(self._operand(token))
        if not operands:
            _fail("the template wants a value here", token.span if token else self._span)
        return tuple(operands)

    def _operand(self, token: _Token) -> Operand:
        self._at += 1
        match token.kind:
            case "string":
                return Literal(_unquoted(token))
            case "number":
                return Literal(_number(token))
            case "name":
                constants = {"true": True, "false": False, "nil": None}
                return Literal(constants[token.text]) if token.text in constants else Name(token.text, token.span)
            case "variable":
                return Path(token.text, self._fields(), token.span)
            case "field":
                return Path(None, (token.text[1:], *self._fields()), token.span)
        if token.text == ".":
            return Path(None, (), token.span)
        if token.text != "(":
            _fail(f"the template has {token.text!r} where none can be", token.span)
        inner = self._pipeline()
        if not self._is_mark(")"):
            _fail("the template has ( without )", token.span)
        self._at += 1
        return Path(inner, self._fields(), token.span)

    def _fields(self) -> tuple[str, ...]:
        names = []
        while (token := self._peek()) and token.kind == "field" and not token.apart:
            names.append(token.text[1:])
            self._at += 1
        return tuple(names)


def _unquoted(token: _Token) -> str | int:
    if token.text[0] == "`":
        return token.text[1:-1]
    try:
        if token.text[0] == "'":
            return ord(json.loads('"' + token.text[1:-1].replace('"', '\\"').replace("\\'", "'") + '"'))
        return str(json.loads(token.text, strict=False))
    except (ValueError, TypeError):
        _fail(f"the template has {token.text}, which is no constant", token.span)


def _number(token: _Token) -> int | float:
    try:
        return float(token.text) if "." in token.text else int(token.text, 0)
    except ValueError:
        _fail(f"the template has {token.text}, which is no number", token.span)


def _fail(message: str, span: Span) -> NoReturn:
    raise UsageError(message, span=span)
