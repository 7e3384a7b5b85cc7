"""SSH agents for RUN --mount=type=ssh: sockets of ours that hand on to them, and one started for keys in files."""

from __future__ import annotations

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from minibuild.build.surroundings import SshAgent
from minibuild.errors import UnavailableError, UsageError
from minibuild.layers import owners
from minibuild.layers.owners import Owner
from minibuild.runtimes.host import clean_environment, which

# By itself, an agent looks only every ten seconds whether whom it was started for is still there.
_HOLD = 'read -r _; kill "$SSH_AGENT_PID"'


@contextmanager
def listening(agent: SshAgent, directory: Path) -> Iterator[Path]:
    """The socket on which an agent listens while the block lasts; one started for keys has it in ``directory``."""
    if agent.socket is not None:
        yield agent.socket
        return
    from subprocess import DEVNULL, PIPE, Popen, run

    programs = [which("ssh-agent"), which("ssh-add"), which("sh")]
    if not all(programs):
        raise UnavailableError("ssh-agent is not installed, which would hold the keys", hint="install openssh-client")
    keeper, adder, shell = map(str, programs)
    place = directory / "agent"
    # It lives as long as the shell, which reads a pipe that only we hold.
    started = Popen(
        [keeper, "-a", str(place), shell, "-c", f"echo && {_HOLD}"],
        stdin=PIPE,
        stdout=PIPE,
        env=clean_environment(),
        start_new_session=True,
    )
    assert started.stdin and started.stdout
    with started, started.stdin, started.stdout:
        started.stdout.read(1)
        environment = {**clean_environment(), "SSH_AUTH_SOCK": str(place), "SSH_ASKPASS_REQUIRE": "never"}
        for key in agent.keys:
            added = run(
                [adder, "-q", "--", str(key)],
                stdin=DEVNULL,
                capture_output=True,
                text=True,
                env=environment,
                start_new_session=True,
            )
            if added.returncode:
                reason = (added.stderr.strip() or "it may have a passphrase").splitlines()[-1]
                raise UsageError(
                    f"SSH key {key} can't be added: {reason}", hint="add it to an agent, and use --ssh default"
                )
        yield place


@contextmanager
def forwarded(agent: Path, place: Path, owner: tuple[int, int], mode: int) -> Iterator[None]:
    """Listens on a socket of its own at ``place``: an agent refuses other users, as a RUN's may be."""
    directory = os.open(place.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    with socket.socket(socket.AF_UNIX) as listener:
        try:
            listener.bind(f"/proc/self/fd/{directory}/{place.name}")  # a socket's name is short
        finally:
            os.close(directory)
        owners.lend(place, Owner(*owner))
        os.chmod(place, mode)
        listener.listen()
        threading.Thread(target=_serve, args=(listener, agent), name="ssh", daemon=True).start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, agent: Path) -> None:
    with suppress(OSError):
        while True:
            client, _ = listener.accept()
            threading.Thread(target=_join, args=(client, agent), name="ssh", daemon=True).start()


def _join(client: socket.socket, agent: Path) -> None:
    import selectors

    with client, socket.socket(socket.AF_UNIX) as there, selectors.DefaultSelector() as selector, suppress(OSError):
        there.connect(os.fspath(agent))
        selector.register(client, selectors.EVENT_READ, there)
        selector.register(there, selectors.EVENT_READ, client)
        while True:
            for key, _ in selector.select():
                data = key.fileobj.recv(1 << 16)  # type: ignore[union-attr]
                if not data:
                    return
                key.data.sendall(data)
