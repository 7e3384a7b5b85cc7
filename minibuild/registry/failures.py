"""What goes wrong between us and one endpoint. The messages are reasons: ``client`` says of what, and where."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from http import HTTPStatus

from minibuild.errors import RegistryError

_LONGEST_QUOTE = 300


class Unreachable(RegistryError):
    """No connection could be made: asking again at once would not help, asking elsewhere may."""


class Cut(RegistryError):
    """A connection that broke or fell silent: asking again may help."""


class Refusal(RegistryError):
    """An answer that isn't what was asked for; ``status`` is HTTP's."""

    def __init__(self, message: str, *, status: int, hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.status = status


def refusal(status: int, headers: Mapping[str, str], body: bytes) -> Refusal:
    """What a registry said when it refused: its own error codes and messages, where its body has them."""
    said = "; ".join(_sayings(body)) or _reason(status)
    match status:
        case 401 | 403:
            hint = "it is private, or doesn't exist"
        case 429:
            wait = headers.get("Retry-After", "")
            hint = f"it wants to be left alone for {printable(wait)} s" if wait.isdigit() else ""
            hint = hint or "it limits how often it is asked; a mirror (--registry-mirror) takes the load off it"
        case _:
            hint = ""
    return Refusal(f"{status} {said}", status=status, hint=hint)


def printable(text: str) -> str:
    """A server's text, safe on a terminal: one line, no control characters, no longer than a few lines."""
    clean = "".join(character if character.isprintable() else " " for character in text).strip()
    return clean if len(clean) <= _LONGEST_QUOTE else clean[:_LONGEST_QUOTE] + "…"


def _sayings(body: bytes) -> list[str]:
    """``CODE: message`` of each error in a registry's JSON, or a body that is one short line; else nothing.

    Source: distribution-spec §Error Codes; ``details`` is what token servers say.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        text = body.decode("utf-8", "replace").strip()
        return [printable(text)] if len(text) < _LONGEST_QUOTE and not re.search(r"[<{\n]", text) else []
    if not isinstance(document, dict):
        return []
    errors = document.get("errors")
    listed = [error for error in errors if isinstance(error, dict)] if isinstance(errors, list) else []
    said = [": ".join(str(error[key]) for key in ("code", "message") if error.get(key)) for error in listed]
    other = document.get("details") or document.get("message") or ""
    return [printable(text) for text in said[:5] or [other] if isinstance(text, str) and text]


def _reason(status: int) -> str:
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return "(an unknown status)"
