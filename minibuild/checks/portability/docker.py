"""Docker with BuildKit: features that came with a version of its Dockerfile frontend.

A Docker has a frontend built in, and fetches another one where the syntax directive names it. Without a directive, the
oldest is assumed that still is in use with BuildKit by default: Docker 23.0's. Source: Dockerfile release notes.
"""

from __future__ import annotations

import re

from minibuild.checks.portability.rows import Row

OLDEST = (1, 5)
"""The frontend that Docker 23.0 has built in."""

_OFFICIAL = re.compile(r"(?:docker\.io/)?docker/dockerfile(?:-upstream)?(?::(?P<tag>[^@]*))?(?:@.*)?")
_VERSION = re.compile(r"(\d+)(?:[.-](\d+))?")
_MODES = ", and an old one leaves the modes as they are"
_SYNTAX = "begin the file with # syntax=docker/dockerfile:1"


def _since(feature: str, version: str, more: str = "") -> Row:
    return Row(feature, "refused", f"its Dockerfile frontend doesn't know it before {version}{more}", _SYNTAX, version)


ROWS = (
    _since("ADD --checksum", "1.6"),
    _since("ADD --chmod with letters", "1.14", _MODES),
    _since("ADD --exclude", "1.19"),
    _since("ADD --keep-git-dir", "1.1"),
    _since("ADD --link", "1.4"),
    _since("ADD --unpack", "1.17"),
    _since("COPY --chmod with letters", "1.14", _MODES),
    _since("COPY --exclude", "1.19"),
    _since("COPY --link", "1.4"),
    _since("COPY --parents", "1.20"),
    _since("RUN --mount=type=secret,env=…", "1.10"),
    _since("RUN --network", "1.3"),
    _since("RUN --security", "1.20"),
    _since("here-documents", "1.4"),
    _since("patterns in ${variable#pattern}", "1.7"),
    _since("replacing in ${variable/pattern/text}", "1.7"),
)


def knows(version: str, syntax: str | None) -> bool:
    """Whether the frontend that a syntax directive asks for (None: there is no directive) is of a version at least."""
    if syntax is None:
        return _parsed(version) <= OLDEST
    official = _OFFICIAL.fullmatch(syntax.strip())
    tag = official["tag"] if official else None
    # "1" and "latest" are the newest, "labs" has what isn't released yet; of somebody else's frontend nothing is known.
    if tag is None or "labs" in tag or not _VERSION.match(tag) or "." not in tag:
        return True
    return _parsed(version) <= _parsed(tag)


def _parsed(version: str) -> tuple[int, int]:
    found = _VERSION.match(version)
    return (int(found[1]), int(found[2] or 0)) if found else (0, 0)
