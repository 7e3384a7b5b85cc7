"""Base images made out of Debian's and npm's packages, kept between runs: the registry of the tests serves them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

from tests.daemons import Registry, locked

RECIPES = Path(__file__).parent.parent / "fixtures" / "base-images"
# Packages that apt's lists name leave the mirror when a newer version comes.
FRESH_S = 24 * 3600


@dataclass(frozen=True)
class BaseImage:
    """A base: the docker archive that its recipe made, the same as an OCI layout with gzip layers, and its name."""

    name: str
    archive: Path
    layout: Path

    def pushed_to(self, registry: Registry) -> BaseImage:
        """Itself, after it went to ``library/…`` of a registry."""
        registry.push(self.layout, f"library/{self.name}")
        return self


def busybox() -> BaseImage:
    """``busybox:latest``: one static program and its links."""
    return _made("busybox:latest", "make-busybox")


def foreign_busybox(architecture: str) -> BaseImage:
    """``busybox:ARCHITECTURE``: the same for another architecture, whose name both Debian and Go use."""
    return _made(f"busybox:{architecture}", "make-busybox", architecture)


def debian() -> BaseImage:
    """``debian:bookworm`` with apt's lists."""
    return _made("debian:bookworm", "make-debian")


def node() -> BaseImage:
    """``node:18.13.0`` upon that Debian."""
    below = debian()
    return _made("node:18.13.0", "make-node", str(below.archive), upon=below)


def _made(name: str, recipe: str, *words: str, upon: BaseImage | None = None) -> BaseImage:
    place = _cache() / f"{name.replace(':', '-')}-{_recipe_hash()}"
    image = BaseImage(name, place / "image.tar", place / "layout")
    with locked(_cache() / f"{place.name}.lock"):
        if not _is_fresh(image, upon):
            _make(image, place, [str(RECIPES / recipe), *words])
    return image


def _make(image: BaseImage, place: Path, command: list[str]) -> None:
    shutil.rmtree(place, ignore_errors=True)
    _remove_stale(image.name)
    unfinished = place.with_name(f"{place.name}.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    unfinished.mkdir(parents=True)
    archive, layout = unfinished / image.archive.name, unfinished / image.layout.name
    for step in (
        [*command, str(archive)],
        ["skopeo", "copy", "--quiet", f"docker-archive:{archive}", f"oci:{layout}"],
    ):
        done = subprocess.run(step, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        assert done.returncode == 0, f"{step} ended with {done.returncode}\n{done.stdout}{done.stderr}"
    unfinished.rename(place)


def _is_fresh(image: BaseImage, upon: BaseImage | None) -> bool:
    if not image.layout.exists():
        return False
    made = image.archive.stat().st_mtime
    return made > time.time() - FRESH_S and (upon is None or made > upon.archive.stat().st_mtime)


def _remove_stale(name: str) -> None:
    """Removes what earlier recipes left behind."""
    for other in _cache().glob(f"{name.replace(':', '-')}-*/image.tar"):
        if other.stat().st_mtime < time.time() - FRESH_S:
            shutil.rmtree(other.parent, ignore_errors=True)


def _cache() -> Path:
    return Path(os.environ.get("MINIBUILD_TEST_CACHE") or Path.home() / ".cache" / "minibuild-tests")


def _recipe_hash() -> str:
    recipes = b"".join(path.read_bytes() for path in sorted(RECIPES.iterdir()) if path.is_file())
    return hashlib.sha256(recipes).hexdigest()[:12]
