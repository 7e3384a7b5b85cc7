"""The Dockerfile of a build, wherever the words of the command line say it is, and the ignore file beside it."""

from __future__ import annotations

import os
from pathlib import Path

from minibuild.build.ignore import NOTHING_IGNORED, IgnoreFile
from minibuild.build.remote.inside import inside
from minibuild.errors import ContextError
from minibuild.source import Source

_NAMES = ("Dockerfile", "dockerfile")


def as_text(content: bytes, noun: str) -> str:
    """The text of a Dockerfile, bytes that are no UTF-8 kept; raises ContextError, which calls it by the noun, for
    what can be none.
    """
    if b"\0" in content:
        raise ContextError(
            f"{noun} is neither a Dockerfile nor a tar: it has a zero byte in it",
            hint="a tar may be compressed by gzip, bzip2, xz or zstd; zip archives are not taken",
        )
    if content.lstrip()[:1] == b"<":
        raise ContextError(
            f"{noun} is a web page, wanted a Dockerfile or a tar",
            hint="the address of a git repository ends with .git; that of a file, on most sites, is its raw one",
        )
    return content.decode("utf-8", "surrogateescape")


def read_file(path: Path, name: str) -> Source:
    """The Dockerfile of this machine at a path, known by the name; raises ContextError where there is none."""
    try:
        return Source(name, path.read_bytes().decode("utf-8", "surrogateescape"))
    except FileNotFoundError:
        raise ContextError(f"no Dockerfile at {path}", hint=_names_instead(path.parent)) from None
    except OSError as error:
        raise ContextError(f"{path} can't be read: {(error.strerror or str(error)).lower()}") from error


def default_in(context: Path) -> Path:
    """Where the Dockerfile of a directory is to be that nobody names: ``Dockerfile``, else ``dockerfile``."""
    return next((context / name for name in _NAMES if (context / name).exists()), context / _NAMES[0])


def read_within(root: Path, path: str, noun: str) -> Source:
    """The Dockerfile at a path in a directory that somebody else filled, "" for the default one.

    Raises ContextError, which calls the directory by the noun, where it isn't there or a symlink leads out.
    """
    name = path or default_in(root).name
    if not os.path.lexists(root / name.lstrip("/")):
        raise ContextError(f"no Dockerfile at {name} in {noun}", hint=_names_instead((root / name).parent, root))
    file = inside(root, name, f"Dockerfile of {noun}")
    return read_file(file, name)


def ignore_file(context: Path, dockerfile: Path | None = None) -> IgnoreFile:
    """What a directory leaves out: by the file beside the Dockerfile if there is one, else by its own."""
    candidates = [Path(f"{dockerfile}.dockerignore")] if dockerfile else []
    for file in (*candidates, context / ".dockerignore"):
        try:
            text = file.read_bytes().decode("utf-8", "surrogateescape")
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError as error:
            raise ContextError(f"{file} can't be read: {(error.strerror or str(error)).lower()}") from error
        return IgnoreFile.parse(Source(file.name, text))
    return NOTHING_IGNORED


def _names_instead(directory: Path, root: Path | None = None) -> str:
    try:
        names = sorted(name for name in os.listdir(directory) if "ockerfile" in name or "ontainerfile" in name)
    except OSError:
        names = []
    if not names:
        return "name another with -f, or - for standard input"
    if root is None:
        return f"{directory} has {', '.join(names)}: name one with -f"
    below = directory.relative_to(root).as_posix()
    return f"it has {', '.join(name if below == '.' else f'{below}/{name}' for name in names)}: name one with -f"
