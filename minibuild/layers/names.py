"""Names as tars write them → paths as we keep them, and the names that mean a deletion.

Source: image-spec layer.md §Whiteouts.
"""

from __future__ import annotations

from minibuild.errors import ImageError
from minibuild.layers.entry import Entry, Kind

WHITEOUT_PREFIX = ".wh."
OPAQUE_NAME = ".wh..wh..opq"
LONGEST_PATH = 4095
"""In bytes; Linux's PATH_MAX without the byte that ends it."""

# What AUFS kept for itself (.wh..wh.aufs, .wh..wh.plnk, .wh..wh.orph) came along in layers of its time.
_AUFS_PREFIX = ".wh..wh."


def decode(raw: bytes) -> str:
    """Bytes of a name as text: as ``os.fsdecode`` does on a UTF-8 system, whatever the system."""
    return raw.decode("utf-8", "surrogateescape")


def encode(name: str) -> bytes:
    """The bytes of a name; the reverse of ``decode``."""
    return name.encode("utf-8", "surrogateescape")


def printable(name: str) -> str:
    """A name that any document can have: bytes that aren't UTF-8 are replaced."""
    return encode(name).decode("utf-8", "replace")


def check_unmarked(path: str) -> None:
    """Raises ImageError for a file's path that a layer would take for a deletion."""
    if path.rpartition("/")[2].startswith(WHITEOUT_PREFIX):
        raise ImageError(
            f"{path} has a name by which image layers mark deleted files",
            hint="let no file's name start with .wh., or remove it in the same RUN",
        )


def clean(name: str) -> str:
    """The path that a member's name says: relative, no ``/`` at its ends, no ``.``, no ``..``; "" for the root.

    Raises ImageError for a name that leads out of the root, that holds a NUL, or that no system could open.
    """
    parts: list[str] = []
    for part in name.split("/"):
        if part == "..":
            if not parts:
                raise ImageError(f"{name!r} leads out of the archive's root")
            parts.pop()
        elif part and part != ".":
            parts.append(part)
    path = "/".join(parts)
    if "\0" in path:
        raise ImageError(f"{name!r} has a NUL in its name")
    if len(path) > 1023 and len(encode(path)) > LONGEST_PATH:
        raise ImageError(f"{name[:60]!r}… is a path of more than {LONGEST_PATH} bytes")
    return path


def deletion(path: str) -> tuple[Kind, str] | None:
    """What a clean path deletes, and how: (WHITEOUT, path deleted) or (OPAQUE, directory); None for other paths.

    Raises ImageError for names that look like a deletion and aren't one.
    """
    if WHITEOUT_PREFIX not in path:
        return None
    parent, _, name = path.rpartition("/")
    if has_reserved_name(parent):
        raise ImageError(f"{path!r} stands below a name that means a deletion")
    if name == OPAQUE_NAME:
        return Kind.OPAQUE, parent
    if not name.startswith(WHITEOUT_PREFIX):
        return None
    deleted = name.removeprefix(WHITEOUT_PREFIX)
    if deleted in ("", ".", "..") or deleted.startswith(WHITEOUT_PREFIX):
        raise ImageError(f"{path!r} means a deletion, but names nothing that can be deleted")
    return Kind.WHITEOUT, f"{parent}/{deleted}" if parent else deleted


def is_of_aufs(path: str) -> bool:
    """It is one of AUFS's own files, or below one of its directories: every reader of layers leaves them out."""
    if _AUFS_PREFIX not in path:
        return False
    *above, name = path.split("/")
    return any(part.startswith(_AUFS_PREFIX) for part in above) or (
        name.startswith(_AUFS_PREFIX) and name != OPAQUE_NAME
    )


def has_reserved_name(path: str) -> bool:
    """Some component starts with ``.wh.``, which in a layer can only mean a deletion."""
    return WHITEOUT_PREFIX in path and (path.startswith(WHITEOUT_PREFIX) or f"/{WHITEOUT_PREFIX}" in path)


def member_name(entry: Entry) -> str:
    """The name that a tar has an entry under: directories end with ``/``, the root is ``./``, deletions have their
    prefix.
    """
    path = entry.path
    match entry.kind:
        case Kind.DIRECTORY:
            return f"{path}/" if path else "./"
        case Kind.WHITEOUT:
            parent, slash, name = path.rpartition("/")
            return f"{parent}{slash}{WHITEOUT_PREFIX}{name}"
        case Kind.OPAQUE:
            return f"{path}/{OPAQUE_NAME}" if path else OPAQUE_NAME
        case _:
            return path
