"""A Dockerfile's text → its statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from minibuild.dockerfile.exec_form import exec_form, invalid_form
from minibuild.dockerfile.flags import cut_flags
from minibuild.dockerfile.heredocs import markers
from minibuild.dockerfile.lines import LineReader, check_encoding
from minibuild.dockerfile.statements import Dockerfile, Flag, HereDocument, Statement
from minibuild.dockerfile.text import SPACES, Text
from minibuild.errors import DockerfileError, did_you_mean
from minibuild.source import Source, Span

KEYWORDS = (
    "ADD",
    "ARG",
    "CMD",
    "COPY",
    "ENTRYPOINT",
    "ENV",
    "EXPOSE",
    "FROM",
    "HEALTHCHECK",
    "LABEL",
    "MAINTAINER",
    "ONBUILD",
    "RUN",
    "SHELL",
    "STOPSIGNAL",
    "USER",
    "VOLUME",
    "WORKDIR",
)
ERROR_LIMIT = 100
"""Reading stops at so many errors: whoever has more has given us something else than a Dockerfile."""

_KEYWORD = re.compile(r"[^\t\v\f\r ]+")
_LEADING_TABS = re.compile(r"^\t+", re.MULTILINE)
_EXEC_FORMS = frozenset(("ADD", "CMD", "COPY", "ENTRYPOINT", "RUN", "SHELL", "VOLUME"))
_JSON_READERS = _EXEC_FORMS - {"SHELL"} | {"HEALTHCHECK"}
_HERE_DOCUMENTS = frozenset(("ADD", "COPY", "RUN"))
_OTHER_COMMENTS = ("//", "/*", "--", ";", "<!--", "%")
_NO_TRIGGERS = frozenset(("FROM", "MAINTAINER", "ONBUILD"))


def parse(source: Source, check: Callable[[Statement], object] | None = None) -> Dockerfile:
    """The statements of a Dockerfile; raises DockerfileError with everything that is wrong with the text.

    ``check`` is given every statement; the errors that it raises are told together with the text's own.
    A byte order mark is left out of the Dockerfile's source, so that columns count from the first character.
    """
    source = Source(source.name, source.text.removeprefix("\ufeff"))
    check_encoding(source)
    reader = LineReader(source)
    statements = _read_statements(reader)
    if check is not None:
        reader.errors.extend(_objections(check, statements))
    if not statements and not reader.errors:
        end = source.span(len(source.text), len(source.text))
        reader.errors.append(
            DockerfileError("file with no instructions", span=end, hint="begin with FROM and an image")
        )
    if reader.errors:
        raise DockerfileError.together(reader.errors)
    return Dockerfile(source, reader.directives, statements, tuple(reader.findings))


def parse_trigger(text: str, name: str) -> Statement:
    """The statement that an image's configuration keeps as an ONBUILD trigger; ``name`` is for error messages."""
    first, *more = parse(Source(name, text)).statements
    if more:
        raise DockerfileError(f"{name} wants one instruction, got a second", span=more[0].keyword_span)
    if first.keyword in _NO_TRIGGERS:
        raise _no_trigger(first.keyword, first.keyword_span)
    return first


def _objections(check: Callable[[Statement], object], statements: tuple[Statement, ...]) -> Iterator[DockerfileError]:
    for statement in statements:
        try:
            check(statement)
        except DockerfileError as error:
            yield error


def _read_statements(reader: LineReader) -> tuple[Statement, ...]:
    statements = []
    while len(reader.errors) < ERROR_LIMIT and (line := reader.read()):
        mark = reader.mark
        try:
            statements.append(_cut(line.text.strip(), reader, comments=line.comments))
        except DockerfileError as error:
            reader.errors.append(error)
            if reader.mark == mark:
                _skip_here_documents(line.text, reader)
    return tuple(statements)


def _cut(text: Text, reader: LineReader, *, comments: tuple[str, ...] = ()) -> Statement:
    _refuse_nul(text)
    word, flags, body = _divided(text, reader.escape)
    keyword = word.value.upper()
    arguments = exec_form(body) if keyword in _EXEC_FORMS else None
    if arguments is None:
        _warn_of_form(keyword, body, reader)
    else:
        _check_arguments(keyword, arguments, reader)
    trigger = None
    heredocs = _here_documents(keyword, body, reader) if arguments is None else ()
    if keyword == "ONBUILD":
        trigger = _trigger(word, body, reader)
        heredocs = trigger.heredocs
    end = max(reader.last_end, text.span.end) if heredocs else text.span.end
    return Statement(
        keyword=keyword,
        flags=flags,
        body=body,
        arguments=arguments,
        heredocs=heredocs,
        original=text.value,
        escape=reader.escape,
        keyword_span=word.span,
        span=Span(reader.source, text.span.start, end),
        trigger=trigger,
        comments=comments,
    )


def _divided(text: Text, escape: str) -> tuple[Text, tuple[Flag, ...], Text]:
    """The keyword as written, the flags, and the body; raises DockerfileError at a keyword that is none.

    The text has no blanks at its ends.
    """
    match, length = _KEYWORD.match(text.value), len(text.value)
    if not match:
        start = text.span.start
        span = Span(text.source, start, start + 1)
        raise DockerfileError("line with nothing but a continuation", span=span, hint="take it out")
    word = text.slice(0, match.end())
    if word.value.upper() not in KEYWORDS:
        raise _unknown(word, escape)
    rest = text.slice(length - len(text.value[match.end() :].lstrip(SPACES)), length)
    flags, body = cut_flags(rest, escape)
    return word, flags, body


def _unknown(word: Text, escape: str) -> DockerfileError:
    shown, span = word.value[:40], word.span
    hint = did_you_mean(shown, KEYWORDS)
    above, _, indent = span.source.text[: span.start].rpartition("\n")
    begins_line = not indent.strip() and not shown.endswith(":")  # as in YAML
    if shown.startswith(_OTHER_COMMENTS):
        hint = "a comment starts with #"
    elif above.strip() and begins_line and (not hint or (indent and not shown.isupper())):
        hint = f"if it goes on with the line above, end that one with {escape}"
    return DockerfileError(f"unknown instruction {shown}", span=span, hint=hint)


def _refuse_nul(text: Text) -> None:
    at = text.value.find("\0")
    if at >= 0:
        hint = "no program, path or variable can hold one: take it out"
        raise DockerfileError("NUL byte in an instruction", span=text.slice(at, at + 1).span, hint=hint)


def _check_arguments(keyword: str, arguments: tuple[Text, ...], reader: LineReader) -> None:
    """Raises DockerfileError for what no string of an exec form can be, and what was hardly meant to be one."""
    for argument in arguments:
        _refuse_nul(argument)
        if keyword in ("ADD", "COPY"):
            for marker in markers(argument):
                if reader.here_document(marker.name, chomps=marker.chomps):
                    hint = f"write it without brackets and quotes: {keyword} {argument} destination"
                    raise DockerfileError("JSON array holds no here-documents", span=argument.span, hint=hint)


def _trigger(word: Text, body: Text, reader: LineReader) -> Statement:
    if not body:
        raise DockerfileError("ONBUILD wants an instruction", span=word.span)
    trigger = _KEYWORD.match(body.value)
    if trigger and trigger[0].upper() in _NO_TRIGGERS:
        raise _no_trigger(trigger[0].upper(), body.slice(*trigger.span()).span)
    return _cut(body, reader)


def _no_trigger(keyword: str, span: Span) -> DockerfileError:
    return DockerfileError(f"{keyword} can't be triggered by ONBUILD", span=span)


def _warn_of_form(keyword: str, body: Text, reader: LineReader) -> None:
    if keyword == "HEALTHCHECK":
        match = _KEYWORD.match(body.value)
        body = body.slice(match.end() if match else 0, len(body.value)).strip()
        if exec_form(body) is not None:
            return
    if keyword in _JSON_READERS and (finding := invalid_form(keyword, body)):
        reader.findings.append(finding)


def _here_documents(keyword: str, body: Text, reader: LineReader) -> tuple[HereDocument, ...]:
    documents = []
    for marker in markers(body) if keyword in _HERE_DOCUMENTS else ():
        region = reader.here_document(marker.name, chomps=marker.chomps)
        if region is None:
            near = reader.almost_ending(marker.name)
            hint = f"line {near} has blanks around {marker.name}: take them out" if near else ""
            hint = hint or f"end it by a line that is {marker.name} and nothing else"
            reader.skip_to_end()
            raise DockerfileError(f"here-document {marker.name} has no end", span=marker.text.span, hint=hint)
        span = reader.source.span(region.start, region.end)
        content = _LEADING_TABS.sub("", span.text) if marker.chomps else span.text
        documents.append(
            HereDocument(marker.name, content, marker.expands, marker.chomps, marker.descriptor, marker.text, span)
        )
    for document in documents:
        if keyword == "RUN" and "\0" in document.content:
            _refuse_nul(document.text)
    return tuple(documents)


def _skip_here_documents(text: Text, reader: LineReader) -> None:
    """Passes over the documents of a line that couldn't be read, lest each of their lines be an error too."""
    for marker in markers(text):
        reader.here_document(marker.name, chomps=marker.chomps)
