"""What a build has in a daemon: images, containers and volumes under a label of its own, of which nothing stays."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from minibuild.build.daemon.clearing import LABEL, clear
from minibuild.errors import MinibuildError
from minibuild.events import silent
from minibuild.oci import ContainerConfig, Digest, Image, ImageConfig, Layer, Platform
from minibuild.sandbox.scratch import remove_tree, scratch_directory, sweep
from minibuild.store import Store
from minibuild.transports.docker_daemon import connection, load
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from docker import DockerClient

_PLACE = "daemon"


def probe(environment: Mapping[str, str]) -> str | None:
    """None where a daemon answers; else the reason, for ``minibuild info``."""
    try:
        with connection(environment) as client:
            client.ping()
    except MinibuildError as error:
        return error.message
    return None


@dataclass(slots=True)
class Session:
    """A build's things in a daemon. ``name`` is the label's value; threads may share it."""

    environment: Mapping[str, str]
    store: Store
    name: str
    daemon: str
    """What the daemon calls itself."""
    _images: dict[tuple[Digest, ...], str] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    @property
    def labels(self) -> Mapping[str, str]:
        """What all that the daemon makes for it is labelled with."""
        return {LABEL: self.name}

    def image(self, client: DockerClient, layers: Sequence[Layer], platform: Platform) -> str:
        """The ID of the daemon's image of these layers, oldest first: whoever wants one first has it loaded."""
        with self._lock:
            key = tuple(layer.diff_id for layer in layers)
            if key not in self._images:
                self.store.fetch(layer.descriptor for layer in layers)
                # The label makes its ID, and so the image, this build's own, whatever else the daemon has.
                config = ImageConfig(platform, ContainerConfig(labels=self.labels), key)
                image = Image.compose(config, layers)
                load(client, image, (), self.store, silent)
                self._images[key] = image.id
            return self._images[key]


@contextmanager
def session(environment: Mapping[str, str], store: Store) -> Iterator[Session]:
    """A new session; when it is left, or we are killed, all of it goes. Removes what builds of this store left that
    were killed together with who was to clear up after them.
    """
    place = store.root / _PLACE
    with connection(environment) as client:
        daemon = str(client.info().get("ID"))
    discard = partial(_discard, environment, daemon)
    place.mkdir(mode=0o700, exist_ok=True)
    sweep(place, discard)
    with scratch_directory(place, discard) as directory:
        (directory / "daemon").write_text(daemon)
        with _watched(environment, directory.name):
            yield Session(environment, store, directory.name, daemon)


def _discard(environment: Mapping[str, str], daemon: str, directory: Path) -> None:
    """Removes a session, unless it was with another daemon than this one."""
    file = directory / "daemon"
    if file.exists() and file.read_text() == daemon:
        with connection(environment) as client:
            clear(client, directory.name)
    if not file.exists() or file.read_text() == daemon:
        remove_tree(directory)


@contextmanager
def _watched(environment: Mapping[str, str], name: str) -> Iterator[None]:
    """While the block lasts, a process waits for our end, to clear up then."""
    options: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # "-P": a directory that somebody builds is no place to import from.
    command = [sys.executable, "-P", "-m", "minibuild.build.daemon.clearing", name]
    with subprocess.Popen(command, env=dict(environment), start_new_session=True, **options) as watch:
        assert watch.stdin
        yield
        with suppress(BrokenPipeError):
            watch.stdin.write(b"!")
            watch.stdin.flush()
