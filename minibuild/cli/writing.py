"""Puts a whole new file in the place of an old one, so that nobody ever sees half of it."""

from __future__ import annotations

import os
from pathlib import Path

from minibuild.errors import ContextError


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file; an old one's mode is kept, and a symlink stays one. Raises ContextError."""
    from shutil import copymode
    from tempfile import mkstemp

    path = path.resolve()
    try:
        descriptor, draft = mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
            if path.exists():
                copymode(path, draft)
            else:
                os.chmod(draft, 0o644)
            os.replace(draft, path)
        except BaseException:
            os.unlink(draft)
            raise
    except OSError as error:
        raise ContextError(f"{path} can't be written: {(error.strerror or str(error)).lower()}") from error
