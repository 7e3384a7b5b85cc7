"""Here-documents as files: their names and contents."""

from __future__ import annotations

import re

from minibuild.dockerfile.statements import HereDocument
from minibuild.errors import DockerfileError
from minibuild.instructions.base import StageState

# Halves of surrogate pairs, but those that stand for bytes of a file that aren't UTF-8.
_NO_CHARACTERS = re.compile("[\ud800-\udc7f\udd00-\udfff]")


def file_name(document: HereDocument) -> str:
    """The name of the file that a here-document is; raises DockerfileError where it can't be one."""
    if "/" in document.name or document.name in (".", ".."):
        raise DockerfileError(
            f"a here-document's name becomes a file's, got '{document.name}'", span=document.marker.span
        )
    return document.name


def content_of(document: HereDocument, state: StageState) -> bytes:
    """The bytes of the file: variables replaced, unless a character of the delimiter was quoted."""
    content = state.expand_document(document.text) if document.expands else document.content
    return _NO_CHARACTERS.sub("\ufffd", content).encode("utf-8", "surrogateescape")
