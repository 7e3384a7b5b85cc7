"""A container of a daemon, from its making to its end: put together, furnished, run and watched."""

from __future__ import annotations

import io
import tempfile
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from minibuild.build.daemon.furnishing import Furniture, Volume, in_order
from minibuild.build.daemon.session import Session
from minibuild.errors import UnavailableError
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.pack import pack
from minibuild.runtimes.base import DEFAULT_CAPABILITIES, Cancellation, OutputLine, Process
from minibuild.runtimes.streams import KILLED, Lines
from minibuild.transports.docker_daemon import connection

if TYPE_CHECKING:
    from docker import DockerClient

# A daemon tells a program that isn't there, and one that can't be executed, by these.
_NEVER_STARTED = (126, 127)
_IN_MEMORY = 64 << 20
_NETWORKS = {"host": "host", "none": "none", "private": "default"}


@contextmanager
def container(
    client: DockerClient, session: Session, image: str, process: Process, furniture: Furniture
) -> Iterator[str]:
    """The ID of a container that is ready to start, removed with its volumes when the block is left."""
    api: Any = client.api
    furniture.arrange()
    made: list[str] = []
    volumes = {one.target: one.name or _fresh(client, session, made) for one in furniture.volumes}
    identity = ""
    try:
        fresh = [one for one in furniture.volumes if one.files]
        if fresh:
            fill(client, session, image, {volumes[one.target]: one.files for one in fresh})
        identity = _created(client, session, image, process, furniture, volumes)
        _put(client, identity, furniture.contents(), io.BytesIO())
        yield identity
    finally:
        if identity:
            api.remove_container(identity, force=True, v=True)
        for name in made:
            api.remove_volume(name, force=True)


def fill(client: DockerClient, session: Session, image: str, contents: Mapping[str, Iterable[Change]]) -> None:
    """Puts files into volumes, by their names: by way of a container that is never started."""
    api: Any = client.api
    from docker.types import Mount

    mounts = [Mount(f"/{number}", name, no_copy=True) for number, name in enumerate(contents)]
    host = api.create_host_config(mounts=mounts, network_mode="none")
    helper = api.create_container(image, ["-"], host_config=host, labels=dict(session.labels))["Id"]
    try:
        changes = [
            (_within(entry, str(number)), opener)
            for number, files in enumerate(contents.values())
            for entry, opener in files
        ]
        with tempfile.SpooledTemporaryFile(_IN_MEMORY, dir=str(session.store.scratch)) as file:
            _put(client, helper, in_order(changes), cast(BinaryIO, file))
    finally:
        api.remove_container(helper, force=True)


def run(environment: Mapping[str, str], identity: str, output: OutputLine, cancellation: Cancellation) -> int:
    """Runs a container to its end; answers the status as a runtime does."""
    from docker.errors import APIError

    def kill() -> None:
        threading.Thread(target=_kill, args=(environment, identity), daemon=True).start()

    with connection(environment) as client, cancellation.telling(kill):
        api: Any = client.api
        if cancellation:
            return KILLED
        pieces = api.attach(identity, stdout=True, stderr=True, stream=True, logs=False, demux=True)
        try:
            api.start(identity)
        except APIError as error:
            return _refused(api, identity, error, output)
        if cancellation:
            kill()
        lines = Lines("stdout", output), Lines("stderr", output)
        for both in pieces:
            for stream, piece in zip(lines, both, strict=True):
                stream.feed(piece or b"")
        for stream in lines:
            stream.end()
        status = int(api.wait(identity, timeout=None)["StatusCode"])
    return KILLED if cancellation else status


def _kill(environment: Mapping[str, str], identity: str) -> None:
    from docker.errors import APIError

    with connection(environment) as client, suppress(APIError):  # it has ended by itself
        client.api.kill(identity)


def _refused(api: Any, identity: str, error: Any, output: OutputLine) -> int:
    """The status of a program that couldn't start, with what the daemon says of it."""
    status = int(api.inspect_container(identity)["State"]["ExitCode"])
    if status not in _NEVER_STARTED:
        raise error
    said = str(error.explanation or error)
    output(said.rpartition("exec: ")[2].removesuffix(": unknown"), "stderr")
    return status


def _created(
    client: DockerClient,
    session: Session,
    image: str,
    process: Process,
    furniture: Furniture,
    volumes: Mapping[str, str],
) -> str:
    api: Any = client.api
    # A name without a value is taken out: the daemon has given it one.
    environment = {"PATH": None, "HOSTNAME": None, **dict(process.environment)}
    answer = api.create_container(
        image,
        list(process.arguments[1:]),
        entrypoint=[process.arguments[0]],
        environment=environment,
        working_dir=process.directory,
        user=f"{process.uid}:{process.gid}",
        hostname=process.hostname,
        labels=dict(session.labels),
        host_config=_host_config(api, process, furniture, volumes),
    )
    return str(answer["Id"])


def _host_config(api: Any, process: Process, furniture: Furniture, volumes: Mapping[str, str]) -> Any:
    from docker.types import LogConfig, Mount, Ulimit

    if process.network not in _NETWORKS:
        raise UnavailableError(
            f"the network {process.network} is made by a program of this machine, and a docker daemon has its own",
            hint="choose private, host or none",
        )
    dropped = sorted(set(DEFAULT_CAPABILITIES) - set(process.capabilities))
    return api.create_host_config(
        network_mode=_NETWORKS[process.network],
        cap_drop=[] if process.privileged else [name.removeprefix("CAP_") for name in dropped],
        privileged=process.privileged,
        security_opt=_confined(process),
        group_add=[str(group) for group in process.groups],
        shm_size=process.shm_size,
        mem_limit=process.memory or None,
        nano_cpus=round(process.processors * 1_000_000_000) or None,
        ulimits=[Ulimit(name=one.name, soft=one.soft, hard=one.hard) for one in process.limits],
        extra_hosts=dict(furniture.hosts),
        dns=list(furniture.resolver.servers) or None,
        dns_search=list(furniture.resolver.search) or None,
        dns_opt=list(furniture.resolver.options) or None,
        mounts=[_mount(Mount, one, volumes[one.target]) for one in furniture.volumes],
        tmpfs={f"/{one.target}": _tmpfs(one.size) for one in furniture.memory},
        log_config=LogConfig(type="none"),
    )


def _mount(mount: Any, volume: Volume, name: str) -> Any:
    return mount(f"/{volume.target}", name, type="volume", read_only=volume.read_only, no_copy=True)


def _tmpfs(size: int) -> str:
    return "rw,exec,nosuid,nodev,mode=1777" + (f",size={size}" if size else "")


def _fresh(client: DockerClient, session: Session, made: list[str]) -> str:
    api: Any = client.api
    name = str(api.create_volume(labels=dict(session.labels))["Name"])
    made.append(name)
    return name


def _put(client: DockerClient, identity: str, changes: Iterable[Change], file: BinaryIO) -> None:
    """Has a container take files, which lie in memory or in a temporary file meanwhile."""
    pack(changes, file)
    file.seek(0)
    api: Any = client.api
    api.put_archive(identity, "/", file)


def _within(entry: Entry, directory: str) -> Entry:
    path = f"{directory}/{entry.path}".rstrip("/")
    return entry._replace(path=path, link=f"{directory}/{entry.link}" if entry.kind is Kind.HARDLINK else entry.link)


def _confined(process: Process) -> list[str]:
    """What confines it besides, where it isn't the daemon's own default."""
    words = ["no-new-privileges"] if process.no_new_privileges else []
    if process.privileged or process.seccomp is None:
        return words
    if process.seccomp.is_unconfined:
        return [*words, "seccomp=unconfined"]
    import json

    from minibuild.runtimes.seccomp.oci import in_bundle
    from minibuild.runtimes.seccomp.profile import Container

    return [*words, f"seccomp={json.dumps(in_bundle(process.seccomp, Container.here(process.capabilities)))}"]
