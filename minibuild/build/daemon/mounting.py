"""What RUN --mount asks for, as furniture of a daemon's container.

A cache is a volume of the daemon's that stays there, ``minibuild-cache-…``: not one of the store's directories, which
the daemon may not see. Who may have it when is settled by locks in the store.
"""

from __future__ import annotations

import hashlib
import io
import os
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibuild.build.accounts import Account
from minibuild.build.caches import cache_directory
from minibuild.build.daemon.container import fill
from minibuild.build.daemon.furnishing import Furniture, files_of
from minibuild.build.mounting import Mounted
from minibuild.errors import UnavailableError, blame
from minibuild.instructions.effects import (
    BindMount,
    CacheMount,
    RunCommand,
    RunMount,
    SecretMount,
    SshMount,
    TmpfsMount,
)
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.tree import Tree
from minibuild.values import dataclass

if TYPE_CHECKING:
    from docker import DockerClient

    from minibuild.build.daemon.ground import DaemonGround

_LABEL = "minibuild.cache"
_HERE = "leave it out, or choose another runtime: minibuild info says what keeps the others from working"


@contextmanager
def furnished(
    ground: DaemonGround, client: DockerClient, effect: RunCommand, tree: Tree, account: Account, image: str
) -> Iterator[tuple[Furniture, Mounted]]:
    """All that an effect mounts, while the block lasts, and the directory it starts in; raises UnavailableError for
    what a daemon can't be given.
    """
    if ground.engine.request.surroundings.volumes:
        raise UnavailableError(
            "--volume binds a directory of this machine, which a docker daemon may not see", hint=_HERE
        )
    surroundings = ground.engine.request.surroundings
    furniture, mounted = Furniture(tree, surroundings.hosts, surroundings.resolver), Mounted()
    with ExitStack() as stack:
        furnishing = _Furnishing(ground, client, image, furniture, mounted, stack)
        for mount in sorted(effect.mounts, key=furnishing.order):
            with blame(mount.span):
                furnishing.add(mount)
        for file in surroundings.files_of(effect):
            entry = Entry("", Kind.FILE, file.mode, size=len(file.content))
            furniture.add_file(file.path, (entry, partial(io.BytesIO, file.content)))
        furniture.add_directory(effect.directory, account.uid, account.gid, int(time.time()))
        yield furniture, mounted


@dataclass(slots=True)
class _Furnishing:
    """The mounts of one RUN in the making."""

    ground: DaemonGround
    client: DockerClient
    image: str
    furniture: Furniture
    mounted: Mounted
    stack: ExitStack

    def order(self, mount: RunMount) -> tuple[bool, str]:
        """Locks are taken last, and by all in one order, as on this machine."""
        is_cache = isinstance(mount, CacheMount)
        return is_cache, self.ground.engine.mounting.cache_name(mount) if isinstance(mount, CacheMount) else ""

    def add(self, mount: RunMount) -> None:
        """Adds a mount, or leaves out what the caller doesn't have."""
        match mount:
            case BindMount():
                self._bind(mount)
            case CacheMount():
                self._cache(mount)
            case TmpfsMount(target, size):
                self.furniture.add_memory(target, size)
            case SecretMount():
                self._secret(mount)
            case SshMount():
                self._agent(mount)

    def _bind(self, mount: BindMount) -> None:
        selected = self.ground.engine.origins.mounted(mount.origin, mount.source, mount.span)
        if selected.entry.kind is Kind.DIRECTORY:
            self.furniture.add_volume(mount.target, files_of(selected), read_only=mount.read_only)
        else:
            self.furniture.add_file(mount.target, (selected.entry, selected.tree.opener(selected.entry)))

    def _cache(self, mount: CacheMount) -> None:
        if mount.source and mount.origin is None:
            raise UnavailableError("a part of a cache can't be mounted by a docker daemon: it has volumes as a whole")
        engine = self.ground.engine
        name = engine.mounting.cache_name(mount)
        own = hashlib.sha256(f"{self.ground.session.daemon}/{name}".encode()).hexdigest()
        make = partial(self._make_cache, mount)
        directory = self.stack.enter_context(
            cache_directory(engine.store.root / "daemon-caches" / own, mount.sharing, make, engine.stop)
        )
        if not self._has_volume(_cache_volume(directory)):
            make(directory)
        self.furniture.add_volume(mount.target, read_only=mount.read_only, name=_cache_volume(directory))

    def _make_cache(self, mount: CacheMount, directory: Path) -> None:
        """Makes a cache's volume, with the files of its origin, mode and owner."""
        api: Any = self.client.api
        name = _cache_volume(directory)
        if self._has_volume(name):
            api.remove_volume(name, force=True)
        api.create_volume(name, labels={_LABEL: mount.id})
        files: list[Change] = [(Entry("", Kind.DIRECTORY), None)]
        if mount.origin is not None:
            selected = self.ground.engine.origins.mounted(mount.origin, mount.source, mount.span)
            files = files_of(selected)
        top = files[0][0]._replace(mode=mount.mode, uid=mount.uid, gid=mount.gid)
        fill(self.client, self.ground.session, self.image, {name: [(top, None), *files[1:]]})

    def _has_volume(self, name: str) -> bool:
        from docker.errors import NotFound

        api: Any = self.client.api
        try:
            api.inspect_volume(name)
        except NotFound:
            return False
        return True

    def _secret(self, mount: SecretMount) -> None:
        secret = self.ground.engine.request.surroundings.secret(mount)
        if secret is None:
            return
        self.mounted.secrets[mount.id] = secret
        if mount.variable:
            self.mounted.variables[mount.variable] = os.fsdecode(secret)
        if mount.target:
            entry = Entry("", Kind.FILE, mount.mode, mount.uid, mount.gid, len(secret))
            self.furniture.add_file(mount.target, (entry, partial(io.BytesIO, secret)))

    def _agent(self, mount: SshMount) -> None:
        if self.ground.engine.request.surroundings.agent(mount):
            raise UnavailableError("an SSH agent's socket can't be had in a docker daemon's container", hint=_HERE)


def _cache_volume(directory: Path) -> str:
    """The name of the volume that a directory with a lock stands for, whole or in the making."""
    return f"minibuild-cache-{directory.parent.name[:24]}-{directory.stem}"
