"""A store with images in it, and the command line run inside this process."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from minibuild.cli.main import run
from minibuild.oci import ContainerConfig, Healthcheck, History, Image, Layer, Platform, Reference
from minibuild.store import Store

CREATED = "2024-01-02T03:04:05Z"


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


@dataclass(frozen=True)
class Shell:
    """Runs minibuild with a store of its own."""

    root: Path
    capture: pytest.CaptureFixture[str]

    def __call__(self, *words: str) -> Done:
        """Runs a command line to its end."""
        status = run(["--root", str(self.root), *words], {})
        captured = self.capture.readouterr()
        return Done(status, captured.out, captured.err)


@pytest.fixture
def shell(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Shell:
    return Shell(tmp_path / "store", capsys)


@pytest.fixture
def add(shell: Shell) -> Callable[..., Image]:
    """Puts an image into the store: two layers, one line in its history without a layer, and these names and labels."""

    def put(*names: str, created: str = CREATED, **labels: str) -> Image:
        with Store.at(shell.root) as store:
            image = _image(store, labels, created)
            store.put_image(image)
            for name in names:
                store.images.tag(Reference.parse(name), image)
            if not names:
                store.images.keep(image)
            return image

    return put


def _image(store: Store, labels: dict[str, str], created: str) -> Image:
    config = ContainerConfig(
        user="app",
        environment=(("PATH", "/bin"),),
        command=("serve", "-x"),
        exposed_ports=("80/tcp",),
        labels=labels,
        healthcheck=Healthcheck(test=("NONE",)),
    )
    image = Image.scratch(Platform("linux", "amd64"))
    for number in (1, 2):
        content = bytes(1024 * number)
        layer = Layer.of_tar(store.blobs.add(content), len(content))
        image = image.append(layer, config, History(created, f"RUN {'step ' * 12}{number}", "made by hand"))
    return image.append(None, config, History(created, 'CMD ["serve" "-x"]', "made by hand"))
