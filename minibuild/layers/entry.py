"""One entry of a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, TypeAlias

NO_XATTRS: Mapping[str, bytes] = MappingProxyType({})
NO_DEVICE = (0, 0)


class Kind(StrEnum):
    """What an entry is. WHITEOUT deletes its path from the layers below; OPAQUE hides what they hold in its
    directory.
    """

    FILE = "file"
    DIRECTORY = "dir"
    SYMLINK = "symlink"
    HARDLINK = "hardlink"
    CHARACTER = "char"
    BLOCK = "block"
    FIFO = "fifo"
    WHITEOUT = "whiteout"
    OPAQUE = "opaque"


class Entry(NamedTuple):
    """A path and what stands there. A named tuple, since a layer may have 50,000: a frozen dataclass takes three
    times as long to make.

    ``path`` is relative: no ``/`` at either end, "" for the root; a name that isn't UTF-8 has its bytes as lone
    surrogates (``os.fsdecode``). ``mode`` has permission bits and setuid, setgid, sticky only. ``mtime`` is in
    whole seconds. ``link`` is a symlink's target, verbatim, or a hard link's path in the layer. ``device`` is
    (major, minor). A WHITEOUT's path is what it deletes, an OPAQUE's the directory. ``digest`` is the content's
    ``sha256:…`` and ``offset`` where it starts in the uncompressed tar, where those are known.
    """

    path: str
    kind: Kind
    mode: int = 0
    uid: int = 0
    gid: int = 0
    size: int = 0
    mtime: int = 0
    link: str = ""
    device: tuple[int, int] = NO_DEVICE
    xattrs: Mapping[str, bytes] = NO_XATTRS
    digest: str = ""
    offset: int = -1

    @property
    def parent(self) -> str:
        """The path of the directory it stands in."""
        return self.path.rpartition("/")[0]

    @property
    def name(self) -> str:
        """Its last component."""
        return self.path.rpartition("/")[2]


Opener: TypeAlias = Callable[[], BinaryIO]
"""Opens a regular file's content from its start; whoever calls closes what it returns. One that has a method
``digested`` is told the digest of what was read to its end.
"""

Change: TypeAlias = tuple[Entry, Opener | None]
"""An entry on its way into a layer; the opener is None for all but regular files."""
