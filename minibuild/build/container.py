"""A container of a built image: what ``minibuild run`` runs, by the same snapshotters and runtimes as RUN."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from minibuild.build.accounts import accounts_in
from minibuild.build.certificates import files_for, variables_for
from minibuild.build.platforms import check_platform
from minibuild.build.resolving import Resolver
from minibuild.build.rootfs import RootFilesystems, chained
from minibuild.build.running import bound, network_files, this_machines_resolv_conf
from minibuild.build.threads import in_thread
from minibuild.errors import UsageError
from minibuild.instructions.base import DEFAULT_PATH
from minibuild.oci import ContainerConfig, Image
from minibuild.runtimes.base import Cancellation, Mount, Network, OutputLine, Process
from minibuild.store import Store
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.runtimes.seccomp.profile import Profile

_HOSTNAME = "minibuild"


@dataclass(frozen=True, slots=True)
class ContainerRequest:
    """What to run of an image.

    ``arguments`` replace its command, ``entrypoint`` (unless None) its entry point and command. ``environment`` is
    added to its own. ``interactive``: the container has our standard streams; else its lines are reported.
    """

    image: Image
    arguments: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    volumes: tuple[Mount, ...] = ()
    directory: str = ""
    user: str = ""
    entrypoint: tuple[str, ...] | None = None
    network: Network = "host"
    resolver: Resolver = field(default_factory=Resolver)
    ca_bundle: bytes = field(default=b"", repr=False)
    interactive: bool = True
    runtime: str = ""
    snapshotter: str = ""
    seccomp: Profile | None = None
    no_new_privileges: bool = False


def run(request: ContainerRequest, store: Store, output: OutputLine, cancellation: Cancellation) -> int:
    """Runs a container to its end, throws away what it changed, and answers its exit status."""
    arguments = command_line(request)
    check_platform(request.image.config.platform, "a container of the image")
    return in_thread(lambda: _run(request, arguments, store, output, cancellation), cancellation)


def command_line(request: ContainerRequest) -> tuple[str, ...]:
    """The argument vector, as Docker puts it together; raises UsageError where there is none."""
    config = request.image.config.config
    entrypoint = config.entrypoint or () if request.entrypoint is None else request.entrypoint
    default = config.command or () if request.entrypoint is None else ()
    arguments = (*entrypoint, *(request.arguments or default))
    if not arguments:
        raise UsageError("image has no command, and none was given", hint="name one after the image")
    return arguments


def _run(
    request: ContainerRequest,
    arguments: tuple[str, ...],
    store: Store,
    output: OutputLine,
    cancellation: Cancellation,
) -> int:
    from minibuild import runtimes, snapshots
    from minibuild.build import daemon

    if request.runtime == daemon.NAME:
        raise UsageError(
            "--runtime docker is for builds", hint="minibuild save IMAGE | docker load, and then docker run"
        )

    runtime = runtimes.choose(request.runtime or None, store.root / "runtimes.json")
    roots = RootFilesystems(store, snapshots.choose(store.root, request.snapshotter or None))
    config = request.image.config.config
    resolv_conf = request.resolver.resolv_conf(this_machines_resolv_conf(), request.network)
    with (
        roots.workspace(chained(request.image)) as workspace,
        network_files(store.scratch, _HOSTNAME, resolv_conf=resolv_conf) as etc,
    ):
        account = accounts_in(workspace.root).account(request.user or config.user)
        process = Process(
            arguments=arguments,
            environment=_environment(config, request, account.home),
            directory=request.directory or config.directory or "/",
            uid=account.uid,
            gid=account.gid,
            groups=account.groups,
            mounts=(*etc, *bound(files_for(request.ca_bundle), etc[0].source.parent), *request.volumes),
            network=request.network,
            interactive=request.interactive,
            hostname=_HOSTNAME,
            seccomp=request.seccomp,
            no_new_privileges=request.no_new_privileges,
        )
        _make_directory(workspace.root, process.directory)
        return runtime.run(process, workspace.root, output, cancellation)


def _environment(config: ContainerConfig, request: ContainerRequest, home: str) -> tuple[tuple[str, str], ...]:
    ours = {**variables_for(request.ca_bundle), "PATH": DEFAULT_PATH, "HOME": home}
    return tuple({**ours, **dict(config.environment), **request.environment}.items())


def _make_directory(root: Path, directory: str) -> None:
    """Docker makes a working directory that the image lacks; inside the tree, whatever links say."""
    from minibuild.sandbox.files import make_directory_in_root

    make_directory_in_root(root, directory)
