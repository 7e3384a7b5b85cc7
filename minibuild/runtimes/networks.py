"""Networks of a container's own: a namespace with loopback, and for a private one a program of this host that carries
packets between it and the world, as an ordinary user's sockets would.

Both programs answer name look-ups at one address, and hand them to this host's name servers, on its loopback too.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from minibuild.errors import UnavailableError
from minibuild.runtimes.base import Network
from minibuild.runtimes.cradle import Cradle
from minibuild.runtimes.host import clean_environment, scratch, which
from minibuild.sandbox import mounts, syscalls
from minibuild.sandbox.scratch import scratch_directory

NAMESERVER = "10.0.2.3"
"""Where a private network's names are asked for."""

_TUN = Path("/dev/net/tun")
_PATIENCE_S = 10
_SIOCSIFFLAGS, _IFF_UP, _IFF_RUNNING = 0x8914, 0x1, 0x40


def _slirp4netns(network: str, ready: int) -> tuple[Sequence[str], Mapping[str, Any]]:
    from subprocess import DEVNULL

    words = ("--configure", "--mtu=65520", "--disable-host-loopback", f"--ready-fd={ready}", "--netns-type=path")
    return (*words, network, "tap0"), {"pass_fds": (ready,), "stdout": DEVNULL}


def _pasta(network: str, ready: int) -> tuple[Sequence[str], Mapping[str, Any]]:
    # When all is set up, it writes its number to a file. Without "--runas", root becomes nobody, who may not set it up.
    words = ("--config-net", "-f", "-q", "--runas", "0:0", "-P", "/proc/self/fd/1")
    closed = ("-t", "none", "-u", "none", "-T", "none", "-U", "none", "--no-map-gw")
    return (*words, *closed, "--dns-forward", NAMESERVER, "--netns", network), {"stdout": ready}


# In order of preference: the first gives the same addresses everywhere, the second this machine's. How each is told to
# serve the namespace at a path, and to write to a descriptor when it does: words, and options of subprocess.Popen.
_CARRIERS: Mapping[str, Callable[[str, int], tuple[Sequence[str], Mapping[str, Any]]]] = {
    "slirp4netns": _slirp4netns,
    "pasta": _pasta,
}


@contextmanager
def network_of(wanted: Network) -> Iterator[int | None]:
    """The network namespace that a container is to join, as a descriptor, while the block lasts; None for ours.

    Raises UnavailableError where there is none to be had.
    """
    if wanted == "host":
        yield None
        return
    with ExitStack() as stack:
        network = _made()
        stack.callback(os.close, network)
        if wanted != "none":
            stack.enter_context(_carried(network, tuple(_CARRIERS) if wanted == "private" else (wanted,)))
        yield network


def describe() -> list[tuple[str, str | None]]:
    """Each program that makes private networks, and why it can't; None where it can."""
    return [(name, _tried(name)) for name in _CARRIERS]


def _tried(name: str) -> str | None:
    try:
        network = _made()
        try:
            with _carried(network, (name,)):
                return None
        finally:
            os.close(network)
    except UnavailableError as error:
        return error.message.removeprefix(f"{name}: ").removeprefix(f"{name} is ")


def _made() -> int:
    """A network namespace whose loopback is up, by a thread that is there for nothing else."""
    made: list[int] = []
    errors: list[OSError] = []

    def work() -> None:
        try:
            syscalls.unshare(syscalls.CLONE_NEWNET)
            _raise_loopback()
            made.append(os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=work, name="network")
    thread.start()
    thread.join()
    if errors:
        reason = (errors[0].strerror or str(errors[0])).lower()
        raise UnavailableError(f"no network namespace can be made: {reason}", hint="use --network=host")
    return made[0]


def _raise_loopback() -> None:
    import fcntl
    import socket
    import struct

    up = struct.pack("16sH14x", b"lo", _IFF_UP | _IFF_RUNNING)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, _SIOCSIFFLAGS, up)


@contextmanager
def _carried(network: int, names: Sequence[str]) -> Iterator[None]:
    """The first of these programs that can serves the namespace while the block lasts; it dies with us."""
    _check_tun()
    reasons: list[str] = []
    with scratch_directory(scratch()) as made, ExitStack() as stack:
        for name in names:
            try:
                stack.enter_context(_serving(network, name, made))
                break
            except UnavailableError as error:
                reasons.append(error.message)
        else:
            hint = "apt-get install slirp4netns (or passt, which has pasta), or use --network=host or none"
            raise UnavailableError("; ".join(reasons), hint=hint)
        yield


def _check_tun() -> None:
    try:
        os.close(os.open(_TUN, os.O_RDWR | os.O_CLOEXEC))
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UnavailableError(
            f"{_TUN} can't be opened, which a private network takes: {reason}",
            hint=f"as root: chmod 666 {_TUN}; a container must be started with --device {_TUN}; or use --network=host",
        ) from error


@contextmanager
def _serving(network: int, name: str, made: Path) -> Iterator[None]:
    binary, place = which(name), made / "network"
    if binary is None:
        raise UnavailableError(f"{name} is not installed")
    place.touch()
    with ExitStack() as stack:
        complaints = stack.enter_context(os.fdopen(os.memfd_create("complaints"), "rb"))
        inner, outer = os.pipe()
        stack.callback(os.close, inner)
        try:
            words, options = _CARRIERS[name](str(place), outer)
            # By a path, as pasta closes what it inherits, and gives up the right to look into other processes.
            carrier = Cradle(before=lambda: mounts.bind(f"/proc/self/fd/{network}", place)).start(
                [name, *words],
                executable=binary,  # which may be a link's target: pasta goes by what it is called
                stdin=inner,
                stderr=complaints,
                cwd="/",
                env=clean_environment(),
                start_new_session=True,
                **options,
            )
        finally:
            os.close(outer)
        stack.callback(carrier.close)
        if not _answers(inner):
            carrier.close()
            complaints.seek(0)
            said = complaints.read().decode(errors="replace").strip().splitlines()
            raise UnavailableError(f"{name}: {said[0] if said else 'it never got ready'}")
        yield


def _answers(descriptor: int) -> bool:
    """Something comes before the end, and before patience does."""
    import select

    ready = select.poll()
    ready.register(descriptor, select.POLLIN)
    return bool(ready.poll(_PATIENCE_S * 1000)) and bool(os.read(descriptor, 1))
