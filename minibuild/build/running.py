"""Performs RUN: the effect becomes a process, its output events, its failure an error that helps."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from minibuild.build.accounts import Account
from minibuild.build.mounting import Mounted
from minibuild.build.surroundings import Surroundings
from minibuild.errors import CommandFailed, Finding, ImageError
from minibuild.events import Stream
from minibuild.instructions.effects import InlineFile, RunCommand
from minibuild.layers import owners
from minibuild.runtimes.base import DEFAULT_CAPABILITIES, Cancellation, Mount, Process, Tmpfs
from minibuild.runtimes.seccomp.profile import UNCONFINED
from minibuild.source import Span
from minibuild.values import dataclass

_TAIL = 20
_HOSTS = "127.0.0.1\tlocalhost {}\n::1\tlocalhost ip6-localhost ip6-loopback\n"
# Keeps apt from making sure that it is somebody else, which it can't be where there is a single id.
_APT_SETTINGS = InlineFile("/dev/.minibuild/apt.conf", b'APT::Sandbox::User "root";\n')
RESOLV_CONF, HOSTS, HOSTNAME = "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"
_HINTS = {
    127: "the program isn't in the image, or not in its PATH",
    126: "the file is there but can't be executed: is it for another platform, or a script without '#!'?",
    137: "it was killed (SIGKILL): often for want of memory",
}


@contextmanager
def network_files(
    directory: Path, hostname: str, *, resolv_conf: str, hosts: Sequence[tuple[str, str]] = ()
) -> Iterator[tuple[Mount, ...]]:
    """The files that tell a container its name and its name servers, made in a directory of the host."""
    from tempfile import TemporaryDirectory

    with TemporaryDirectory(dir=directory, prefix="etc-") as name:
        made = Path(name)
        (made / "hosts").write_text(
            _HOSTS.format(hostname) + "".join(f"{address}\t{name}\n" for name, address in hosts)
        )
        (made / "hostname").write_text(hostname + "\n")
        (made / "resolv.conf").write_text(resolv_conf, errors="surrogateescape")
        for file in made.iterdir():
            file.chmod(0o644)
            os.utime(file, (0, 0))
        yield (
            Mount(made / "hosts", HOSTS, read_only=False),
            Mount(made / "hostname", HOSTNAME, read_only=False),
            Mount(made / "resolv.conf", RESOLV_CONF, read_only=False),
        )


def bound(files: Sequence[InlineFile], directory: Path) -> tuple[Mount, ...]:
    """The mounts of files that are made for it, in a directory of the host."""
    mounts = []
    for number, file in enumerate(files):
        made = directory / f"file-{number}"
        made.write_bytes(file.content)
        made.chmod(file.mode)
        mounts.append(Mount(made, file.path))
    return tuple(mounts)


@contextmanager
def process(
    effect: RunCommand, account: Account, directory: Path, surroundings: Surroundings, mounted: Mounted
) -> Iterator[Process]:
    """The process that an effect asks for; the files it binds live in ``directory`` while the block lasts."""
    resolv_conf = surroundings.resolver.resolv_conf(this_machines_resolv_conf(), surroundings.network_of(effect))
    with network_files(directory, surroundings.hostname, resolv_conf=resolv_conf, hosts=surroundings.hosts) as made:
        # The name of the machine is the image's own, as in BuildKit: what a RUN writes there stays.
        etc = tuple(mount for mount in made if mount.target != HOSTNAME)
        recorded = owners.here() is owners.Owners.RECORD
        files = (*surroundings.files_of(effect), *((_APT_SETTINGS,) if recorded else ()))
        is_privileged = effect.security == "insecure"
        of_apt = {"APT_CONFIG": _APT_SETTINGS.path} if recorded else {}
        yield process_of(
            effect,
            account,
            surroundings,
            environment={**of_apt, **environment_of(effect, account, surroundings, mounted)},
            mounts=(*etc, *bound(files, etc[0].source.parent), *mounted.mounts),
            capabilities=_all_capabilities() if is_privileged else DEFAULT_CAPABILITIES,
        )


def process_of(
    effect: RunCommand,
    account: Account,
    surroundings: Surroundings,
    *,
    environment: Mapping[str, str],
    mounts: tuple[Mount | Tmpfs, ...] = (),
    capabilities: tuple[str, ...] = DEFAULT_CAPABILITIES,
) -> Process:
    """The process that an effect asks for, with what it sees and what it may do here."""
    is_privileged = effect.security == "insecure"
    return Process(
        arguments=effect.arguments,
        environment=tuple(environment.items()),
        directory=effect.directory,
        uid=account.uid,
        gid=account.gid,
        groups=account.groups,
        mounts=mounts,
        network=surroundings.network_of(effect),
        hostname=surroundings.hostname,
        capabilities=capabilities,
        shm_size=surroundings.shm_size,
        limits=surroundings.limits,
        memory=surroundings.memory,
        processors=surroundings.processors,
        privileged=is_privileged,
        seccomp=UNCONFINED if is_privileged else surroundings.seccomp,
        no_new_privileges=surroundings.no_new_privileges and not is_privileged,
    )


def _all_capabilities() -> tuple[str, ...]:
    from minibuild.sandbox import capabilities

    return capabilities.ours()


def environment_of(
    effect: RunCommand, account: Account, surroundings: Surroundings, mounted: Mounted
) -> Mapping[str, str]:
    """The variables that a command sees."""
    given = {**surroundings.variables, "HOME": account.home, **dict(effect.proxies)}
    return {**given, **dict(effect.environment), **mounted.variables}


def this_machines_resolv_conf() -> str:
    """The text of the file; "" where there is none."""
    path = Path(RESOLV_CONF)
    return path.read_text(errors="surrogateescape") if path.exists() else ""


def report_unkept(process: Process, span: Span, report: Callable[[Finding], None]) -> None:
    """Tells of files that a process wrote though they are this machine's, made for it alone."""
    for mount in process.mounts:
        if isinstance(mount, Mount) and mount.target in (HOSTS, RESOLV_CONF) and mount.source.stat().st_mtime:
            message = f"this RUN wrote to {mount.target}, which is not part of the image: only the RUN itself saw it"
            what = "names of hosts by --add-host" if mount.target == HOSTS else "name servers by --dns"
            hint = f"give {what}"
            report(Finding("WriteNotKept", message, span, hint))


def make_directory(effect: RunCommand, account: Account, root: Path) -> None:
    """Makes a working directory that the tree lacks, for a RUN before may have removed it: the user's, as Docker
    does.
    """
    from minibuild.sandbox.files import make_directory_in_root

    try:
        make_directory_in_root(root, effect.directory, (account.uid, account.gid))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ImageError(f"directory {effect.directory} can't be entered: {reason}") from error


@dataclass(frozen=True, slots=True)
class Command:
    """A RUN as a person knows it: the text after the keyword, and its place."""

    text: str
    span: Span


def run(
    command: Command,
    start: Callable[[Callable[[str, Stream], None]], int],
    show: Callable[[str, Stream], None],
    cancellation: Cancellation,
) -> None:
    """Runs to the end; raises CommandFailed with the last lines of output for any status but 0, KeyboardInterrupt
    when cancelled.
    """
    tail: deque[str] = deque(maxlen=_TAIL)

    def output(line: str, stream: Stream) -> None:
        tail.append(line)
        show(line, stream)

    status = start(output)
    if cancellation:
        raise KeyboardInterrupt
    if status:
        raise CommandFailed(
            f"RUN ended with status {status}: {command.text}",
            status=status,
            output=tuple(tail),
            span=command.span,
            hint=_HINTS.get(status, ""),
        )
