"""What passes between a machine and a registry on loopback: beside docker, podman, buildah and skopeo of Debian."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests import bases, daemons
from tests.benchmarks.measuring import Times, beside, run

MINIBUILD = (sys.executable, "-m", "minibuild")
FRESH, BASE = 500_000_000, 170_000_000
_LAYERS_OF_A_BASE = 4


def measure(what: Sequence[str], rounds: int) -> None:
    """Those of the benchmarks that are asked for."""
    for name, benchmark in {"push": push, "warm": warm, "pull": pull, "cached": cached}.items():
        if name in what:
            with tempfile.TemporaryDirectory(prefix="minibuild-benchmark-") as place:
                benchmark(Path(place), rounds)


def push(place: Path, rounds: int) -> None:
    """A layer that nobody has compressed yet, to a registry that has nothing."""
    with daemons.registry(place) as registry, daemons.dockerd(place) as dockerd:
        commands = _Pushers(place, registry, dockerd).commands(_image(place, FRESH, layers=1))
        for option in ("--compression-level=2", "--compression=zstd"):
            commands[f"minibuild {option.partition('=')[2]}"] = (*commands["minibuild"], option)
        times = {name: Times() for name in commands}
        for _ in range(rounds):
            for name, command in commands.items():
                _forget(place)
                run(command, times[name], DOCKER_HOST=dockerd.host)
        print(beside("push of a layer of 500 MB, not compressed yet", times.pop("minibuild"), times))


def warm(place: Path, rounds: int) -> None:
    """An image that the registry has already."""
    with daemons.registry(place) as registry, daemons.dockerd(place) as dockerd:
        commands = _Pushers(place, registry, dockerd).commands(
            _image(place, BASE, layers=_LAYERS_OF_A_BASE), layout=str(place / "layout")
        )
        times = {name: Times() for name in commands}
        for number in range(rounds + 1):
            for name, command in commands.items():
                run(command, times[name] if number else Times(), DOCKER_HOST=dockerd.host)
        print(beside("push of an image that is there already", times.pop("minibuild"), times))


def pull(place: Path, rounds: int) -> None:
    """An image of 170 MB in four layers, into a store or a layout that is empty."""
    ours, theirs = Times(), Times()
    with daemons.registry(place) as registry:
        _image(place, BASE, layers=_LAYERS_OF_A_BASE)
        name = f"{registry.host}/base:1"
        _quietly(*_ours(place, "tag", "image", name))
        _quietly(*_ours(place, "push", "-q", "--compression=gzip", "--compression-level=0", name))
        for _ in range(rounds):
            source = ("skopeo", "copy", "-q", "--src-tls-verify=false", f"docker://{name}")
            run((*source, f"oci:{place}/layout:1"), theirs)
            run((*MINIBUILD, "pull", "-q", "--root", f"{place}/pulled", name), ours)
            for copied in ("layout", "pulled"):
                shutil.rmtree(place / copied)
    print(beside("pull of an image of 170 MB", ours, {"skopeo copy": theirs}))


def cached(place: Path, rounds: int) -> None:
    """Twelve steps, built on a machine that knows nothing of them but the name of the cache."""
    ours, theirs = Times(), Times()
    busybox = bases.busybox()
    with daemons.registry(place) as registry:
        busybox.pushed_to(registry)
        context = _twelve_steps(place / "context", f"{registry.host}/library/busybox:latest")
        docker = ("docker", "build", "-q", "--network=host", "--build-arg=BUILDKIT_INLINE_CACHE=1")
        name, cache = f"{registry.host}/theirs:1", f"type=registry,ref={registry.host}/ours:cache"
        with _fresh_dockerd() as dockerd:
            run((*docker, "-t", name, str(context)), Times(), DOCKER_HOST=dockerd.host, DOCKER_BUILDKIT="1")
            dockerd.run("push", name)
        _quietly(*_ours(place, "build", "-q", "--cache-to", f"{cache},mode=max", str(context)))
        for _ in range(rounds):
            build = (*MINIBUILD, "build", "-q", "--root", f"{place}/fresh", "--cache-from", cache, str(context))
            run(build, ours)
            shutil.rmtree(place / "fresh")
            with _fresh_dockerd() as dockerd:
                variables = {"DOCKER_HOST": dockerd.host, "DOCKER_BUILDKIT": "1"}
                run((*docker, "--cache-from", name, str(context)), theirs, **variables)
    print(beside("build of 12 cached steps on a fresh machine", ours, {"docker build": theirs}))


@dataclass(frozen=True, slots=True)
class _Pushers:
    """Everybody who pushes, each with the image in a store of its own."""

    place: Path
    registry: daemons.Registry
    dockerd: daemons.Dockerd

    def commands(self, archive: Path, layout: str = "") -> dict[str, Sequence[str]]:
        """The words of each, once it has the image of an archive; skopeo has it in the archive, or in a layout."""
        names = {who: f"{self.registry.host}/{who}:1" for who in ("minibuild", "docker", "podman", "buildah", "skopeo")}
        _quietly(*_ours(self.place, "tag", "image", names["minibuild"]))
        self.dockerd.run("load", "-i", str(archive))
        self.dockerd.run("tag", "image:latest", names["docker"])
        _quietly("podman", *self._storage(), "load", "-q", "-i", str(archive))
        source = f"docker-archive:{archive}"
        if layout:
            _quietly("skopeo", "copy", "-q", source, f"oci:{layout}:1")
            source = f"oci:{layout}:1"
        containers = (*self._storage(), "push", "-q", "--tls-verify=false", "image:latest")
        return {
            "minibuild": _ours(self.place, "push", "-q", names["minibuild"]),
            "docker push": ("docker", "push", "-q", names["docker"]),
            "podman push": ("podman", *containers, f"docker://{names['podman']}"),
            "buildah push": ("buildah", *containers, f"docker://{names['buildah']}"),
            "skopeo copy": ("skopeo", "copy", "-q", "--dest-tls-verify=false", source, f"docker://{names['skopeo']}"),
        }

    def _storage(self) -> Iterable[str]:
        return ("--root", f"{self.place}/containers", "--runroot", f"{self.place}/run", "--storage-driver=overlay")


def _image(place: Path, size: int, layers: int) -> Path:
    """An image of so many bytes of this machine's programs in our store, and what ``docker load`` takes of it."""
    context = place / "context"
    for number, files in enumerate(_shares(size, layers)):
        target = context / str(number)
        target.mkdir(parents=True)
        for count, file in enumerate(files):
            shutil.copy(file, target / str(count))
    copies = [f"COPY {number} /{number}\n" for number in range(layers)]
    (context / "Dockerfile").write_text("".join(["FROM scratch\n", *copies, 'CMD ["none"]\n']))
    _quietly(*_ours(place, "build", "-q", "-t", "image", str(context)))
    archive = place / "image.tar"
    _quietly(*_ours(place, "save", "-o", str(archive), "image"))
    return archive


def _shares(size: int, shares: int) -> Iterator[list[Path]]:
    """Files below /usr whose sizes come to so many bytes, the same each time, in equal shares."""
    taken: list[Path] = []
    share = room = size // shares
    for directory, below, names in os.walk("/usr"):
        below.sort()
        for file in (Path(directory, name) for name in sorted(names)):
            if not shares:
                return
            if file.is_symlink() or not file.is_file() or file.stat().st_size > size // 10:
                continue
            taken.append(file)
            room -= file.stat().st_size
            if room <= 0:
                yield taken
                taken, room, shares = [], share, shares - 1


def _twelve_steps(context: Path, base: str) -> Path:
    context.mkdir()
    steps = [f"COPY Dockerfile /copied{n}\nRUN head -c 3000000 /bin/busybox >/made{n}\n" for n in range(6)]
    (context / "Dockerfile").write_text("".join([f"FROM {base}\n", *steps]))
    return context


@contextmanager
def _fresh_dockerd() -> Iterator[daemons.Dockerd]:
    with tempfile.TemporaryDirectory(prefix="minibuild-benchmark-") as place, daemons.dockerd(Path(place)) as dockerd:
        yield dockerd


def _forget(place: Path) -> None:
    """Empties the registry, and our store of what it has compressed."""
    for memory in (place / "registry/data", place / "store/twins"):
        shutil.rmtree(memory, ignore_errors=True)


def _ours(place: Path, command: str, *words: str) -> Sequence[str]:
    return (*MINIBUILD, command, "--root", f"{place}/store", *words)


def _quietly(*command: str) -> None:
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
