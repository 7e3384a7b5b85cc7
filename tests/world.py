"""A machine's network, and the world beyond it, for the thread that enters: an interface with a default route, a web
server beyond, and one that listens on the machine's loopback alone, beside a name server that knows all names.
"""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from minibuild.sandbox import mounts, syscalls

ADDRESS, BEYOND, GATEWAY = "198.51.100.1", "203.0.113.1", "198.51.100.254"
"""The machine's own address, one of the world, and where the way there begins."""
_TUN = Path("/dev/net/tun")
_CARRIERS = ("slirp4netns", "pasta")
_LINKS = f"""
link set lo up
link add out0 type veth peer name far0
address add {ADDRESS}/24 dev out0
address add {BEYOND}/24 dev far0
link set out0 up
link set far0 up
route add default via {GATEWAY} dev out0
"""


@dataclass(frozen=True)
class World:
    """``beyond`` is the address of what all may reach; ``port`` that of what this machine alone may; ``known`` are the
    names that its name server was asked for.
    """

    beyond: str
    port: int
    known: set[str]

    def carriers(self) -> list[str]:
        """What serves private networks out of the one that the calling thread is in, by name."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                name = (entry / "cmdline").read_text().partition("\0")[0]
                if name in _CARRIERS and os.path.samefile(entry / "ns/net", "/proc/thread-self/ns/net"):
                    found.append(name)
        return found

    @property
    def forbidden(self) -> tuple[str, ...]:
        """All ways by which programs that join networks lead to the loopback of the machine that they are on."""
        return tuple(f"{address}:{self.port}" for address in ("127.0.0.1", "10.0.2.2", GATEWAY))


@contextmanager
def world(directory: Path, *, tun_mode: int = 0o666) -> Iterator[World]:
    """Moves the calling thread there for good; what it starts while the block lasts is there too. ``directory`` keeps
    its resolv.conf, and its /dev/net/tun of that mode.
    """
    mounts.private_mounts()
    syscalls.unshare(syscalls.CLONE_NEWNET)
    subprocess.run(["ip", "-batch", "-"], input=_LINKS, text=True, check=True)
    resolv_conf = directory / "world.resolv.conf"
    resolv_conf.write_text("nameserver 127.0.0.1\nsearch world.example\n")
    mounts.bind(resolv_conf, os.path.realpath("/etc/resolv.conf"))
    tun = directory / "world.tun"
    os.mknod(tun, stat.S_IFCHR, os.stat(_TUN).st_rdev)
    tun.chmod(tun_mode)
    mounts.bind(tun, _TUN)
    known: set[str] = set()
    with ExitStack() as stack:
        beyond = stack.enter_context(_web_server(BEYOND))
        port = stack.enter_context(_web_server("127.0.0.1"))
        stack.enter_context(_name_server("127.0.0.1", known))
        yield World(f"{BEYOND}:{beyond}", port, known)


class _Greeting(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        """Says who asked for what."""
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"hello {self.client_address[0]}\n".encode())

    def log_message(self, *_: object) -> None:
        """Leaves the test's output alone."""


@contextmanager
def _web_server(address: str) -> Iterator[int]:
    with ThreadingHTTPServer((address, 0), _Greeting) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        yield server.server_port
        server.shutdown()


@contextmanager
def _name_server(address: str, known: set[str]) -> Iterator[None]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listener:
        listener.bind((address, 53))
        thread = threading.Thread(target=_answer, args=(listener, known), daemon=True)
        thread.start()
        yield
        listener.sendto(b"", (address, 53))  # nothing asked: the end
        thread.join()


def _answer(listener: socket.socket, known: set[str]) -> None:
    """Gives each name the address of the world. Source: RFC 1035, 4.1."""
    while True:
        question, client = listener.recvfrom(512)
        if not question:
            return
        end, labels = 12, []
        while question[end]:
            labels.append(question[end + 1 : end + 1 + question[end]].decode())
            end += 1 + question[end]
        known.add(".".join(labels))
        wants_address = question[end + 1 : end + 3] == b"\0\1"
        record = b"\xc0\x0c\0\1\0\1\0\0\0\5\0\4" + socket.inet_aton(BEYOND)
        header = question[:2] + b"\x81\x80\0\1\0" + (b"\1" if wants_address else b"\0") + b"\0\0\0\0"
        listener.sendto(header + question[12 : end + 5] + (record if wants_address else b""), client)
