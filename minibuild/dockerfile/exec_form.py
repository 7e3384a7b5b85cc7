"""The exec form: a body that is a JSON array of strings, with the place of each string."""

from __future__ import annotations

import json
import re

from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, Finding

_BLANKS = re.compile(r"[ \t\r\n]*")
_STRING = re.compile(r'"((?:[^"\\\x00-\x1f]|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*)"')
_PIECE = re.compile(r"[^\\]+|(?:\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2})|\\u....|\\.")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"")
_SHELL_TEST = re.compile(r"(\[\[?)[ \t](.*?)[ \t]\]\]?(?=[ \t;&|]|$)", re.DOTALL)
_COMMANDS = ("RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK")
_EXAMPLES = {**dict.fromkeys(("ADD", "COPY"), '["source", "destination"]'), "VOLUME": '["/path"]'}


def exec_form(body: Text) -> tuple[Text, ...] | None:
    """The strings of a JSON array, escapes resolved; None where the body isn't JSON or no array (the shell form).

    Raises DockerfileError at the first element that isn't a string.
    """
    value = body.value
    if not value.startswith("["):
        return None
    strings = []
    at = _skip_blanks(value, 1)
    while match := _STRING.match(value, at):
        strings.append(_decoded(body.slice(*match.span(1))))
        at = _skip_blanks(value, match.end())
        if value[at : at + 1] != ",":
            break
        at = _skip_blanks(value, at + 1)
    if value[at:] == "]" and value[:at].rstrip(" \t\r\n")[-1] != ",":
        return tuple(strings)
    _refuse_other_values(body, at)
    return None


def invalid_form(keyword: str, body: Text) -> Finding | None:
    """The warning for a body that looks like the exec form but is none, and so is taken for the shell form."""
    value = body.value
    if not value.startswith("[") or not _looks_like_an_array(keyword, value):
        return None
    at = _where_json_ends(value)
    example = _EXAMPLES.get(keyword, '["executable", "argument"]')
    hint = f"a JSON array looks like {example}"
    if value[at] == "'" or value[1:].lstrip().startswith("'"):
        hint = f"JSON strings stand in double quotes: {example}"
    elif value[at] == ",":
        hint = "JSON has no comma before ]"
    message = f"{keyword} looks like the exec form but is not JSON, so it is taken for the shell form"
    return Finding("InvalidJSONForm", message, body.slice(at, at + 1).span, hint)


def _where_json_ends(value: str) -> int:
    """The index of the first character that no JSON array can have there."""
    try:
        json.loads(value)
    except json.JSONDecodeError as error:
        at = min(error.pos, len(value) - 1)
    except (ValueError, RecursionError):
        return 0
    else:
        return 0
    before = value[:at].rstrip()
    # Pythons differ on which of the two is at fault in ",]".
    return len(before) - 1 if value[at] == "]" and before.endswith(",") else at


def _skip_blanks(value: str, at: int) -> int:
    match = _BLANKS.match(value, at)
    return match.end() if match else at


def _decoded(raw: Text) -> Text:
    if "\\" not in raw.value:
        return raw
    parts = []
    for match in _PIECE.finditer(raw.value):
        part = raw.slice(*match.span())
        if part.value[0] == "\\":
            # Half of a surrogate pair is no character; Go reads it as U+FFFD.
            character = re.sub("[\ud800-\udfff]", "\ufffd", json.loads(f'"{part.value}"'))
            part = Text(character, part.source, part.segments[:1])
        parts.append(part)
    return Text.joined(parts)


def _refuse_other_values(body: Text, at: int) -> None:
    """Raises if the body is a JSON array all the same, one whose element at ``at`` isn't a string."""
    try:
        json.loads(body.value, parse_constant=_refuse_constant, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return
    _, end = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode(body.value, at)
    element = body.slice(at, end)
    raise DockerfileError(
        f"JSON array of an instruction holds strings, got {element.value[:40]}",
        span=element.span,
        hint=f'write "{element.value}"' if '"' not in element.value else "",
    )


def _refuse_constant(name: str) -> None:
    raise ValueError(name)  # Python reads NaN and Infinity, JSON has neither


def _looks_like_an_array(keyword: str, value: str) -> bool:
    if keyword in _COMMANDS:
        test = _SHELL_TEST.match(value)
        # "[ -f x ] && y" is a shell's test: words stand between the brackets that are no quoted strings.
        inside = _QUOTED.sub("", test[2]) if test else ""
        return "," in inside or not inside.strip()
    # "COPY [a-z]* /x/" is a pattern.
    return value.endswith("]") or value[1:].lstrip()[:1] in ("'", '"')
