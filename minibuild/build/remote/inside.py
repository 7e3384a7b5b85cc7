"""Paths that stay inside a directory which somebody else filled."""

from __future__ import annotations

import os
from pathlib import Path

from minibuild.errors import ContextError


def inside(root: Path, path: str, noun: str) -> Path:
    """The place of a relative path below the root, symlinks followed; raises ContextError, which calls it by the
    noun, where it isn't there or leads out. The tree must be nobody else's to change meanwhile.
    """
    top = os.path.realpath(root)
    try:
        found = os.path.realpath(os.path.join(top, path.lstrip("/")), strict=True)
    except OSError as error:
        if isinstance(error, (FileNotFoundError, NotADirectoryError)):
            raise ContextError(f"there is no {path!r}, which is to be the {noun}") from error
        raise ContextError(f"{path!r} can't be the {noun}: {(error.strerror or str(error)).lower()}") from error
    if found != top and not found.startswith(f"{top}/"):
        raise ContextError(
            f"{path!r} leads out of what it stands in, so it can't be the {noun}", hint="replace the symlink"
        )
    return Path(found)
