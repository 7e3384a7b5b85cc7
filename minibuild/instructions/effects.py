"""The three things an instruction can do to a file tree; everything else it does, it does to the configuration.

Effects are values: two that are equal ask for the same, and ``plan.keys`` takes their digest. What must not break
the cache (places in the Dockerfile, proxies) is left out of the comparison.
"""

from __future__ import annotations

from typing import TypeAlias

from minibuild.instructions.modes import SymbolicMode
from minibuild.source import Span
from minibuild.values import dataclass, field

Variables: TypeAlias = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class InlineFile:
    """A file that the Dockerfile holds itself: a here-document. ``path`` is its name (COPY) or its place (RUN)."""

    path: str
    content: bytes
    mode: int = 0o644


@dataclass(frozen=True, slots=True)
class RunCommand:
    """Run a command in the tree and keep what it changed.

    ``arguments`` is the argument vector, shell included; ``environment`` all it sees but ``proxies``; ``directory``
    absolute; ``user`` as USER says it, "" for root; ``files`` are bound read-only at their absolute paths while it
    runs, and ``mounts`` are made.
    """

    arguments: tuple[str, ...]
    environment: Variables
    directory: str
    user: str
    files: tuple[InlineFile, ...] = ()
    network: str = "default"
    security: str = "sandbox"
    mounts: tuple[RunMount, ...] = ()
    proxies: Variables = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class FromContext:
    """The build's own context."""


@dataclass(frozen=True, slots=True)
class FromStage:
    """The result of an earlier stage, by its index in the Dockerfile, counted from 0."""

    stage: int


@dataclass(frozen=True, slots=True)
class FromImage:
    """Another image or a named context: the words of ``--from`` as written."""

    name: str


Origin: TypeAlias = FromContext | FromStage | FromImage


@dataclass(frozen=True, slots=True)
class BindMount:
    """Files of an origin, bound at an absolute path; what is written to them is thrown away.

    ``source`` is relative to the origin's root: no leading ``/``, no ``..``, no pattern; "" is the root itself.
    """

    target: str
    origin: Origin = FromContext()
    source: str = ""
    read_only: bool = True
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class CacheMount:
    """A directory that outlives the build, at an absolute path.

    ``sharing`` is ``shared``, ``private`` (each its own where several want it at once) or ``locked`` (one after the
    other). A new one has the files of an ``origin`` at ``source`` (None: is empty), and this mode and owner.
    """

    target: str
    id: str
    sharing: str = "shared"
    origin: Origin | None = None
    source: str = ""
    read_only: bool = False
    mode: int = 0o755
    uid: int = 0
    gid: int = 0
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class TmpfsMount:
    """An empty directory in memory; ``size`` is what fits into it, 0 for no limit."""

    target: str
    size: int = 0
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SecretMount:
    """A secret of the build's caller, by its id: as a file (``target`` "" for none), as a variable ("" for none).

    One that the caller doesn't have is left out, unless it is ``required``.
    """

    id: str
    target: str = ""
    variable: str = ""
    required: bool = False
    mode: int = 0o400
    uid: int = 0
    gid: int = 0
    span: Span | None = field(default=None, compare=False, repr=False)


@dataclass(frozen=True, slots=True)
class SshMount:
    """The socket of an SSH agent of the build's caller, by its id; ``target`` "" is a place of our choice."""

    id: str = "default"
    target: str = ""
    required: bool = False
    mode: int = 0o600
    uid: int = 0
    gid: int = 0
    span: Span | None = field(default=None, compare=False, repr=False)


RunMount: TypeAlias = BindMount | CacheMount | TmpfsMount | SecretMount | SshMount


@dataclass(frozen=True, slots=True)
class SourcePath:
    """A path or pattern, relative to its origin's root: no leading ``/`` and no ``..``; "" is the root itself.

    Where paths are kept (``--parents``) they are kept from ``pivot`` on, itself a path or pattern of directories, and
    ``pattern`` is relative to it and may hold ``**``. ``is_clamped``: as written it led out of the root.
    """

    pattern: str
    span: Span | None = field(default=None, compare=False, repr=False)
    pivot: str = ""
    is_clamped: bool = field(default=False, compare=False)


@dataclass(frozen=True, slots=True)
class SourceUrl:
    """A file to download. ``checksum`` is ``sha256:…`` of what it must hold, "" for anything; ``unpacks``: an archive
    is unpacked.
    """

    url: str
    span: Span | None = field(default=None, compare=False, repr=False)
    checksum: str = ""
    unpacks: bool = False


@dataclass(frozen=True, slots=True)
class SourceRepository:
    """A commit's files out of a git repository: ``words`` name it as they were written, with their ``#`` or ``?``.

    ``keeps_git_directory`` is None where nothing was said; ``checksum`` is how the commit's name must begin.
    """

    words: str
    span: Span | None = field(default=None, compare=False, repr=False)
    checksum: str = ""
    keeps_git_directory: bool | None = None


CopySource: TypeAlias = SourcePath | SourceUrl | SourceRepository


@dataclass(frozen=True, slots=True)
class CopyFiles:
    """Copy files into the tree.

    ``destination`` is absolute; a ``/`` at its end says that it is a directory. ``owner`` (``user[:group]``, names
    or numbers) and ``mode`` (permission bits, or how to change them) are None where nothing was said. ``unpacks``:
    archives from the context are unpacked, as ADD does. ``keeps_parents``: paths are made anew below the destination.
    ``excluded`` are patterns of an ignore file, relative to what is copied. ``stands_alone``: the layer is the same
    whatever it is put upon, so nothing below is looked at.
    """

    sources: tuple[CopySource, ...]
    destination: str
    origin: Origin = FromContext()
    inline: tuple[InlineFile, ...] = ()
    owner: str | None = None
    mode: int | SymbolicMode | None = None
    unpacks: bool = False
    keeps_parents: bool = False
    excluded: tuple[str, ...] = ()
    stands_alone: bool = False


@dataclass(frozen=True, slots=True)
class MakeDirectory:
    """Make an absolute directory and its missing parents, owned by a user ("" for root); an existing one stays as
    it is.
    """

    path: str
    user: str


Effect: TypeAlias = RunCommand | CopyFiles | MakeDirectory


def origins_of(effect: Effect | None) -> tuple[Origin, ...]:
    """Where an effect takes files from, besides the tree that it works on."""
    match effect:
        case CopyFiles(origin=origin):
            return (origin,)
        case RunCommand(mounts=mounts):
            found = (mount.origin for mount in mounts if isinstance(mount, BindMount | CacheMount))
            return tuple(origin for origin in found if origin is not None)
        case _:
            return ()
