"""What a RUN has mounted: files of the context, of stages and images, caches, secrets, agents."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeAlias

from minibuild.build.caches import cache_directory, open_within
from minibuild.build.committing import ChainedLayer
from minibuild.build.origins import Origins
from minibuild.build.placing import place
from minibuild.build.rootfs import RootFilesystems
from minibuild.build.surroundings import Surroundings
from minibuild.errors import ImageError, blame
from minibuild.events import Stream
from minibuild.instructions.effects import (
    BindMount,
    CacheMount,
    Origin,
    RunCommand,
    RunMount,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from minibuild.layers import owners
from minibuild.layers.owners import Owner
from minibuild.layers.tree import Tree
from minibuild.oci import Layer
from minibuild.runtimes.base import Cancellation, Mount, OutputLine, Tmpfs
from minibuild.sandbox.inside import resolve
from minibuild.sandbox.scratch import scratch_directory, sweep
from minibuild.store import Store
from minibuild.values import dataclass, field

_SHORTEST = 3
_SECRETS_SIZE = 64 << 20
_SHARED_MEMORY = Path("/dev/shm/minibuild")
_AGENT = "SSH_AUTH_SOCK"

Layers: TypeAlias = Callable[[Origin], Sequence[ChainedLayer]]
"""The layers of an origin that is a stage or an image."""


@dataclass
class Mounted:
    """What stands around a process: its mounts, the variables that come with them, and the values of its secrets by
    their ids, which its output must not show.
    """

    mounts: list[Mount | Tmpfs] = field(default_factory=list)
    variables: dict[str, str] = field(default_factory=dict)
    secrets: dict[str, bytes] = field(default_factory=dict)

    def masking(self, output: OutputLine) -> OutputLine:
        """The output with three stars in place of what is secret."""
        texts = (secret.decode("utf-8", "replace") for secret in self.secrets.values())
        hidden = sorted({line for text in texts for line in text.splitlines()}, key=len, reverse=True)
        hidden = [line for line in hidden if len(line.strip()) >= _SHORTEST]
        if not hidden:
            return output

        def mask(line: str, stream: Stream) -> None:
            for secret in hidden:
                line = line.replace(secret, "***")
            output(line, stream)

        return mask


@dataclass
class Mounting:
    """Makes the mounts of a build's RUNs."""

    store: Store
    origins: Origins
    surroundings: Surroundings
    layers: Layers
    cancellation: Cancellation
    arrived: Mapping[str, Layer] = field(default_factory=dict)
    """Cache mounts that came from elsewhere, by the names of their places."""
    used: set[str] = field(default_factory=set)
    """The names of the places of cache mounts that were mounted."""
    stack: ExitStack = field(default_factory=ExitStack)
    _copies: dict[tuple[Origin, str], Path] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def mounted(self, effect: RunCommand, roots: RootFilesystems) -> Iterator[Mounted]:
        """All that an effect mounts, while the block lasts; only the calling thread sees some of it."""
        made = Mounted(mounts=[*self.surroundings.volumes])
        with ExitStack() as stack:
            mounting = _Mounting(self, effect, roots, stack, made)
            for mount in sorted(effect.mounts, key=mounting.order):
                with blame(mount.span):
                    mounting.add(mount)
            yield made

    def copy(self, mount: BindMount | CacheMount, origin: Origin) -> Path:
        """The files of a mount in a directory of this machine, copied once a build."""
        with self._lock:
            key = (origin, mount.source)
            if key not in self._copies:
                made = self.stack.enter_context(scratch_directory(self.store.scratch))
                place(self.origins.mounted(origin, mount.source, mount.span), made / "files")
                self._copies[key] = made / "files"
            return self._copies[key]

    def cache_name(self, mount: CacheMount) -> str:
        """What the place of a cache mount is called: the same on every machine."""
        origin = None if mount.origin is None else self.origins.called(mount.origin, mount.source, mount.span)
        parts = [self.surroundings.cache_namespace, mount.id, origin, mount.mode, mount.uid, mount.gid]
        return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "surrogateescape")).hexdigest()

    def close(self) -> None:
        """Removes what was copied."""
        self.stack.close()


@dataclass
class _Mounting:
    """The mounts of one RUN in the making."""

    build: Mounting
    effect: RunCommand
    roots: RootFilesystems
    stack: ExitStack
    made: Mounted
    _caches: dict[Path, Path] = field(default_factory=dict)
    _secrets: Path | None = None
    _agents: int = 0

    def order(self, mount: RunMount) -> tuple[bool, str]:
        """Locks are taken last, and by all in one order: nobody waits for a stage, or in a ring, with one held."""
        is_cache = isinstance(mount, CacheMount)
        return is_cache, str(self._cache_place(mount)) if isinstance(mount, CacheMount) else ""

    def add(self, mount: RunMount) -> None:
        """Makes a mount, or leaves out what the caller doesn't have."""
        match mount:
            case BindMount():
                self.made.mounts.append(Mount(self._bound(mount), mount.target, mount.read_only))
            case CacheMount():
                self.made.mounts.append(Mount(self._cached(mount), mount.target, mount.read_only))
            case TmpfsMount(target, size):
                self.made.mounts.append(Tmpfs(target, size))
            case SecretMount():
                self._add_secret(mount)
            case SshMount():
                self._add_agent(mount)

    def _bound(self, mount: BindMount) -> Path:
        selected = self.build.origins.mounted(mount.origin, mount.source, mount.span)
        # What stands within needs a place to stand on.
        holds = any(getattr(other, "target", "").startswith(f"{mount.target}/") for other in self.effect.mounts)
        holds = holds or any(other.target.startswith(f"{mount.target}/") for other in self.build.surroundings.volumes)
        holds = holds or mount.target in ("/etc", "/run", "/run/secrets", "/run/buildkit")
        if isinstance(selected.tree, Tree):
            layers = self.build.layers(mount.origin)
            if mount.read_only and not holds:
                root = self.stack.enter_context(self.roots.view(layers))
            else:
                root = self.stack.enter_context(self.roots.workspace(layers)).root
            return Path(resolve(root, mount.source).outside)
        if mount.read_only and not holds:
            return self.build.copy(mount, mount.origin)
        own = self.stack.enter_context(scratch_directory(self.build.store.scratch)) / "files"
        place(selected, own)
        return own

    def _cache_place(self, mount: CacheMount) -> Path:
        return self.build.store.root / "mounts" / self.build.cache_name(mount)

    def _cached(self, mount: CacheMount) -> Path:
        from minibuild.sandbox import mounts

        where = self._cache_place(mount)
        if where not in self._caches:
            fill = _Filling(self, mount).fill
            directory = cache_directory(where, mount.sharing, fill, self.build.cancellation)
            self._caches[where] = self.stack.enter_context(directory)
            self.build.used.add(where.name)
            os.utime(where)  # it was of use now
        if mount.origin is not None or not mount.source:
            return self._caches[where]
        descriptor = open_within(self._caches[where], mount.source)
        try:
            if not mounts.may_mount():
                return Path(os.readlink(f"/proc/self/fd/{descriptor}"))
            # By what is open, not by its name: others may put a link there by now.
            pinned = self._fresh()
            mounts.private_mounts()
            try:
                mounts.bind(f"/proc/self/fd/{descriptor}", pinned)
            except OSError as error:
                raise ImageError(f"/{mount.source} of the cache was removed while it was to be mounted") from error
            self.stack.callback(mounts.unmount, pinned)
        finally:
            os.close(descriptor)
        return pinned

    def _fresh(self) -> Path:
        return self.stack.enter_context(scratch_directory(self.build.store.scratch))

    def _in_memory(self) -> Path:
        """A directory in memory that nobody but this thread's containers can reach."""
        from minibuild.sandbox import mounts

        if self._secrets is None and not mounts.may_mount():
            sweep(_SHARED_MEMORY)
            self._secrets = self.stack.enter_context(scratch_directory(_SHARED_MEMORY))
        if self._secrets is None:
            self._secrets = self._fresh()
            mounts.private_mounts()
            mounts.tmpfs(self._secrets, _SECRETS_SIZE, 0o700)
            self.stack.callback(mounts.unmount, self._secrets)
        return self._secrets

    def _add_secret(self, mount: SecretMount) -> None:
        value = self.build.surroundings.secret(mount)
        if value is None:
            return
        self.made.secrets[mount.id] = value
        if mount.variable:
            self.made.variables[mount.variable] = os.fsdecode(value)
        if mount.target:
            file = self._in_memory() / f"secret-{len(self.made.mounts)}"
            with open(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as stream:
                stream.write(value)
                owners.lend(stream.fileno(), Owner(mount.uid, mount.gid))
                os.fchmod(stream.fileno(), mount.mode)
            self.made.mounts.append(Mount(file, mount.target))

    def _add_agent(self, mount: SshMount) -> None:
        target = mount.target or f"/run/buildkit/ssh_agent.{self._agents}"
        self._agents += 1
        # Said by BuildKit too where no agent was given, and seen by whoever asks for the variable alone.
        if _AGENT not in dict(self.effect.environment):
            self.made.variables.setdefault(_AGENT, target)
        agent = self.build.surroundings.agent(mount)
        if agent is None:
            return
        from minibuild.build.agents import forwarded, listening
        from minibuild.runtimes.host import scratch

        kept = self.stack.enter_context(scratch_directory(scratch()))
        listens = self.stack.enter_context(listening(agent, kept))
        file = self._in_memory() / f"agent-{len(self.made.mounts)}"
        self.stack.enter_context(forwarded(listens, file, (mount.uid, mount.gid), mount.mode))
        self.made.mounts.append(Mount(file, target, read_only=False))


@dataclass(frozen=True)
class _Filling:
    """What a new cache has in it at first."""

    mounting: _Mounting
    mount: CacheMount

    def fill(self, directory: Path) -> None:
        """Takes what came from elsewhere, or else copies the files of the origin, if there is one, and gives the
        directory its mode and owner.
        """
        build, origin = self.mounting.build, self.mount.origin
        arrived = build.arrived.get(build.cache_name(self.mount))
        from minibuild.build.travelling.mounts import fill

        if arrived is not None and fill(directory, arrived, build.store, build.origins.journal):
            origin = None
        if origin is not None:
            from minibuild.sandbox.copying import copy_file, copy_tree

            copy_tree(str(self._source(origin)), str(directory), copy_file)
        os.chmod(directory, self.mount.mode)
        owners.chown(directory, Owner(self.mount.uid, self.mount.gid))

    def _source(self, origin: Origin) -> Path:
        build = self.mounting.build
        selected = build.origins.mounted(origin, self.mount.source, self.mount.span)
        if not isinstance(selected.tree, Tree):
            return build.copy(self.mount, origin)
        root = self.mounting.stack.enter_context(self.mounting.roots.view(build.layers(origin)))
        return Path(resolve(root, self.mount.source).outside)
