"""What RUN costs: beside the bare runtime, BuildKit and buildah of Debian, a plain user's beside root's; and a scan
where every tree is a copy.
"""

from __future__ import annotations

import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path

from minibuild.runtimes.base import Process
from minibuild.runtimes.bundle import bundle
from minibuild.runtimes.oci import Crun, write_json
from minibuild.snapshots.native import NativeSnapshotter
from tests import daemons
from tests.accounts import open_directory, plain_user
from tests.benchmarks import trees
from tests.benchmarks.measuring import Times, beside, ratio, run
from tests.command import Minibuild
from tests.filesystems import loop_mounted
from tests.isolation import in_thread

MINIBUILD = (sys.executable, "-m", "minibuild")
BUSYBOX = "/bin/busybox"
STEPS = 20
FILES = 50_000
# Of Debian's machines in small: what its defaults ask for may be more than there is.
_BUILDAH = ("--runtime=runc", "--ulimit=nofile=20000:20000", "--ulimit=nproc=10000:10000")
# crun alone, in a mount namespace where it finds the cgroups that it takes.
_BARE = """
umount /sys/fs/cgroup/unified 2>/dev/null; mount --bind "$0/tree" "$0/tree"
for _ in $(seq "$1"); do crun --root "$0/state" --cgroup-manager=disabled run --bundle "$0" "bare-$$" || exit; done
"""


def measure(what: Sequence[str], rounds: int) -> None:
    """Those of the benchmarks that are asked for; as root."""
    benchmarks: Mapping[str, Callable[[Path, int], None]] = {
        "run": steps,
        "peers": peers,
        "rootless": rootless,
        "scan": scan,
    }
    for name, benchmark in benchmarks.items():
        if name in what:
            with open_directory() as place:
                benchmark(place, rounds)


def steps(place: Path, rounds: int) -> None:
    """A RUN more or less of a build, beside the runtime called by hand with the same bundle."""
    one, many = _context(place / "one", 1), _context(place / "many", 1 + STEPS)
    _write_bundle(place / "bundle")
    for name in ("overlay", "btrfs"):
        filesystem = loop_mounted("btrfs", place) if name == "btrfs" else nullcontext(place)
        with filesystem as root:
            less, more, bare = Times(), Times(), Times()
            build = (*MINIBUILD, "build", "-q", "--no-cache", "--runtime=crun", f"--snapshotter={name}")
            run((*build, f"--root={root}/store", str(many)), Times())
            for _ in range(rounds):
                run((*build, f"--root={root}/store", str(one)), less)
                run((*build, f"--root={root}/store", str(many)), more)
                run(("unshare", "-m", "sh", "-c", _BARE, f"{place}/bundle", str(STEPS)), bare)
            for what, of in (("median", statistics.median), ("least", min)):
                ours = (of(more.clock) - of(less.clock)) / STEPS * 1000
                alone = of(bare.clock) / STEPS * 1000
                print(f"RUN on {name}, {what}: {ours:.1f} ms, crun alone {alone:.1f}: {ours - alone:.1f} of our own")
            shutil.rmtree(root / "store", ignore_errors=True)


def peers(place: Path, rounds: int) -> None:
    """Twenty RUNs, none of them cached."""
    context = _context(place / "context", STEPS)
    storage = ("--root", f"{place}/containers", "--runroot", f"{place}/run", "--storage-driver=overlay")
    with tempfile.TemporaryDirectory(prefix="minibuild-benchmark-") as short, daemons.dockerd(Path(short)) as dockerd:
        commands: Mapping[str, Sequence[str]] = {
            "minibuild": (*MINIBUILD, "build", "-q", "--no-cache", f"--root={place}/store", str(context)),
            "docker build": ("docker", "build", "-q", "--no-cache", "--network=host", str(context)),
            "buildah bud": ("buildah", *storage, "bud", "-q", "--layers", "--no-cache", *_BUILDAH, str(context)),
        }
        times = {name: Times() for name in commands}
        for number in range(rounds + 1):
            for name, command in commands.items():
                variables = {"DOCKER_HOST": dockerd.host, "DOCKER_BUILDKIT": "1"}
                run(command, times[name] if number else Times(), **variables)
    ours, buildah = times.pop("minibuild"), times["buildah bud"]
    print(beside(f"build of {STEPS} RUNs", ours, times))
    print(f"    ratio to buildah bud  {ratio(ours, buildah)}")


def rootless(place: Path, rounds: int) -> None:
    """The same build by a plain user with subordinate ids, who has it in a user namespace."""
    context = _context(place / "context", STEPS)
    with plain_user(f"minibuild-bench{os.getpid() % 10_000}", place / "lock") as user:
        home = user.own_directory(place / "home")
        plain = Minibuild(home / "store").as_user(user, home)
        root = replace(plain, root=place / "store", prefix=())
        ours, theirs = Times(), Times()
        for number in range(rounds + 1):
            for who, times in ((root, theirs), (plain, ours)):
                words = who.command("build", "-q", "--no-cache", context)
                run(words, times if number else Times(), **who.environment)
    print(f"rootless build of {STEPS} RUNs\n    as root      {theirs}\n    a plain user {ours}")
    print(f"    ratio        {ratio(ours, theirs)}")


def scan(place: Path, rounds: int) -> None:
    """What has changed of 50,000 files, where nobody but the files themselves can tell."""
    times = []

    def work() -> None:
        snapshotter = NativeSnapshotter.open(place / "trees")
        with snapshotter.workspace(None) as workspace:
            trees.make(workspace.root / "files", "1 KiB", FILES)
            workspace.commit("below")
        for number in range(rounds):
            with snapshotter.workspace("below") as workspace:
                (workspace.root / "new").touch()
                committed = workspace.commit(f"above-{number}")
            began = os.times().elapsed
            changes = [entry.path for entry, _ in committed.changes()]
            times.append(os.times().elapsed - began)
            assert changes == ["new"], changes

    in_thread(work)
    print(f"native scan of {FILES} files: {statistics.median(times):.2f} s (least {min(times):.2f})")


def _context(place: Path, count: int) -> Path:
    place.mkdir()
    shutil.copy(BUSYBOX, place / "busybox")
    lines = ["FROM scratch", "COPY busybox /bin/busybox", "COPY busybox /bin/sh"]
    (place / "Dockerfile").write_text("\n".join([*lines, *(f"RUN echo {n} > /made{n}" for n in range(count))]))
    return place


def _write_bundle(place: Path) -> None:
    """What our own RUN gives crun, on a tree that is there already."""
    for name in ("bin", "dev", "proc", "sys"):
        (place / "tree" / name).mkdir(parents=True)
    shutil.copy(BUSYBOX, place / "tree/bin/sh")
    process = Process(("/bin/sh", "-c", "echo 1 > /made"), (("PATH", "/bin"),))
    configuration = bundle(process, "/bin/sh", place / "tree", ())
    write_json(place / "config.json", Crun().completed(configuration, process))
