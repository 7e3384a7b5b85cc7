"""Variable expansion: one left-to-right scan with the whole dialect."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minibuild.dockerfile.text import Text


def expand(
    text: Text, variables: Mapping[str, str], *, escape: str = "\\", undefined: Callable[[Text], None] | None = None
) -> str:
    """The text with variables replaced and quotes and escapes processed, as one word whatever blanks it has.

    ``undefined`` is told of every plain ``$name`` that has no value. Raises DockerfileError at the characters at
    fault.
    """
    raise NotImplementedError


def expand_words(
    text: Text, variables: Mapping[str, str], *, escape: str = "\\", undefined: Callable[[Text], None] | None = None
) -> tuple[str, ...]:
    """Like ``expand``, then split at blanks outside quotes: one variable may become several words."""
    raise NotImplementedError


def expand_document(
    text: Text, variables: Mapping[str, str], *, escape: str = "\\", undefined: Callable[[Text], None] | None = None
) -> str:
    """Like ``expand`` for a here-document: variables are replaced and ``\\$`` is ``$``, quotes stay as they are."""
    raise NotImplementedError
