"""``minibuild build --call=METHOD``: what buildx asks of a Dockerfile instead of building it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from minibuild.build.request import BuildRequest
from minibuild.cli.checking import CheckRequest, check_and_show
from minibuild.cli.display.text import columns, visible
from minibuild.cli.reports import location_of
from minibuild.cli.session import Session
from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import Image, Platform
from minibuild.plan.outline import Input, Outline, Target
from minibuild.source import Source, Span
from minibuild.values import dataclass

METHODS = ("build", "check", "targets", "outline")
_TRUTHS: Mapping[str, bool] = MappingProxyType({"": True, "true": True, "1": True, "false": False, "0": False})


@dataclass(frozen=True, slots=True)
class Call:
    """A method and its options. ``ignores_status``: a check ends with 0 whatever it finds."""

    method: str
    form: str = "text"
    ignores_status: bool = False

    @classmethod
    def parse(cls, words: str) -> Call:
        """``METHOD[,format=FORM][,ignorestatus]``; raises UsageError."""
        method, *options = words.split(",")
        if method not in METHODS:
            hint = did_you_mean(method, METHODS) or f"choose from {', '.join(METHODS)}"
            raise UsageError(f"--call knows no {method!r}", hint=hint)
        form, ignores_status = "text", False
        for name, equals, value in (option.partition("=") for option in options):
            if name == "format" and value:
                form = value
            elif name == "ignorestatus" and value in _TRUTHS:
                ignores_status = _TRUTHS[value]
            else:
                hint = did_you_mean(name, ("format", "ignorestatus")) if name != "format" else "say format=json"
                raise UsageError(f"--call has no {name + equals + value!r}", hint=hint)
        return cls(method, form, ignores_status)


def call(words: str, request: BuildRequest, session: Session) -> int:
    """Does what is asked; 1 where a check finds anything."""
    asked = Call.parse(words)
    if asked.method == "check":
        from minibuild.build.inputs import Access

        status = check_and_show(_check_request(request), asked.form, session, Access.of(request))
        return 0 if asked.ignores_status else status
    if asked.method == "build":
        raise UsageError(f"--call {words!r} has options, and build takes none", hint="leave --call out")
    if asked.form not in ("text", "json"):
        hint = did_you_mean(asked.form, ("text", "json")) or "choose from text, json"
        raise UsageError(f"--call={asked.method} has no format {asked.form!r}", hint=hint)
    method = _targets if asked.method == "targets" else _outline
    session.output.write(method(request, asked.form))
    return 0


def _check_request(request: BuildRequest) -> CheckRequest:
    return CheckRequest(
        context=request.context,
        dockerfile=request.dockerfile,
        build_arguments=request.build_arguments,
        named_contexts=request.named_contexts,
        platform=request.platform,
        target=request.target,
    )


def _targets(request: BuildRequest, form: str) -> str:
    from minibuild.build.inputs import Access, open_inputs
    from minibuild.plan import read
    from minibuild.plan.outline import targets_of

    with open_inputs(request.context, request.dockerfile, Access.of(request)) as inputs:
        targets = targets_of(read(inputs.source))
    if form == "json":
        return _json({"targets": [_target(target) for target in targets]}, inputs.source)
    rows = [(_title(target), target.description) for target in targets]
    return _table(("TARGET", "DESCRIPTION"), rows, gap=1)


def _target(target: Target) -> dict[str, object]:
    fields = {
        "name": target.name,
        "default": target.is_default,
        "description": target.description,
        "base": target.base,
        "platform": target.platform,
    }
    return {**_said(fields), **location_of(target.span)}


def _title(target: Target) -> str:
    return " ".join([*([target.name] if target.name else []), *(["(default)"] if target.is_default else [])])


def _outline(request: BuildRequest, form: str) -> str:
    from minibuild.build.inputs import Access, open_inputs
    from minibuild.plan import plan, read
    from minibuild.plan.outline import outline_of

    with open_inputs(request.context, request.dockerfile, Access.of(request)) as inputs:
        dockerfile, options = read(inputs.source), request.options()
        outline = outline_of(dockerfile, plan(dockerfile, _nothing_known, options), options)
    return _json(_document(outline), inputs.source) if form == "json" else _told(outline)


def _nothing_known(_name: str, platform: Platform, _span: Span) -> Image:
    """No registry is asked: what a base says of its environment shows nowhere."""
    return Image.scratch(platform)


def _document(outline: Outline) -> dict[str, object]:
    arguments = [
        {"name": each.name, **_said({"description": each.description, "value": each.value}), **location_of(each.span)}
        for each in outline.arguments
    ]
    lists = {
        "args": arguments,
        "secrets": list(map(_input, outline.secrets)),
        "ssh": list(map(_input, outline.agents)),
        "cache": [{"ID": each.id, **location_of(each.span)} for each in outline.caches],
    }
    return _said({"name": outline.name, "description": outline.description, **lists})


def _input(each: Input) -> dict[str, object]:
    return {"name": each.id, **_said({"required": each.is_required}), **location_of(each.span)}


def _told(outline: Outline) -> str:
    head = [("TARGET:", outline.name or "(default)"), ("DESCRIPTION:", outline.description)]
    parts = [_table((), [row for row in head if row[1]], gap=1)] if outline.name or outline.description else []
    if outline.arguments:
        rows = [(each.name, each.value, each.description) for each in outline.arguments]
        parts.append(_table(("BUILD ARG", "VALUE", "DESCRIPTION"), rows, gap=3))
    for title, inputs in (("SECRET", outline.secrets), ("SSH", outline.agents)):
        if inputs:
            parts.append(_table((title, "REQUIRED"), [(i.id, "true" if i.is_required else "") for i in inputs], gap=3))
    if outline.caches:
        parts.append(_table(("CACHE MOUNT",), [(each.id,) for each in outline.caches], gap=3))
    return "".join(f"{part}\n" for part in parts)


def _table(heading: tuple[str, ...], rows: Sequence[tuple[str, ...]], *, gap: int) -> str:
    """Aligned as Go's tabwriter does, which buildx uses: each column as wide as its widest cell, and a gap."""
    lines = [[visible(cell) for cell in row] for row in ([heading, *rows] if heading else rows)]
    widths = [max(map(columns, column)) + gap for column in zip(*lines, strict=True)]
    padded = (
        "".join(cell + " " * (width - columns(cell)) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )
    return "".join(f"{line.rstrip()}\n" for line in padded)


def _said(fields: Mapping[str, Any]) -> dict[str, Any]:
    """What isn't empty, as Go leaves out what is."""
    return {name: value for name, value in fields.items() if value}


def _json(document: dict[str, object], source: Source) -> str:
    text = source.text.encode("utf-8", "surrogateescape")
    return json.dumps({**document, "sources": [base64.b64encode(text).decode()]}, indent=2) + "\n"
