"""Everybody builds the same image, whatever keeps trees and whatever runs RUN; or is told why that can't be."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeAlias

import pytest

from minibuild.build import daemon
from minibuild.runtimes import TABLE as RUNTIMES
from minibuild.snapshots import TABLE as SNAPSHOTTERS
from tests import bases
from tests.accounts import PlainUser, open_directory
from tests.command import Minibuild
from tests.daemons import Dockerd
from tests.end_to_end.test_plain_container import Contained
from tests.filesystems import loop_mounted
from tests.fuse import fuse_for_all
from tests.matrix import SAME, Matrix, Tier, replace_section, section

pytestmark = pytest.mark.e2e

README = Path(__file__).parent.parent.parent / "README.md"
DOCKERFILE = """\
FROM base
ADD tools.tar /
COPY --chown=5:6 --chmod=4755 file /srv/copied
COPY file /srv/text
RUN mkdir -p /d/sub /d/closed && cd /d && echo f > f && ln f hard && ln -s f link && mkfifo pipe && touch sub/x && \\
    chown 7:8 f && chown -h 9:10 link && chmod 6755 f && chmod 1777 closed && touch -h -d @0 * sub/x /d
RUN cd /d && rm -r sub hard && mkdir sub && echo new > sub/new && mv link moved && mv /tools/able . && \\
    echo more >> /srv/text && chown 3:4 sub && chmod 700 sub && touch -h -d @0 /srv/text sub sub/new /d /tools
"""
WORDS = {"uid": "owners", "gid": "owners", "mtime": "times", "mode": "modes"}
CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")

Command: TypeAlias = Callable[..., tuple[int, str]]
"""minibuild, given its words: its status, and all that it said."""


@pytest.fixture(scope="module")
def place() -> Iterator[Path]:
    """A directory that everybody can reach, with a project, its base image, and a place ``btrfs``."""
    with open_directory() as place, loop_mounted("btrfs", place, options="loop,user_subvol_rm_allowed"):
        files = place / "project"
        files.mkdir()
        (files / "Dockerfile").write_text(DOCKERFILE)
        (files / "file").write_text("copied\n")
        with tarfile.open(files / "tools.tar", "w", format=tarfile.PAX_FORMAT) as archive:
            able = tarfile.TarInfo("tools/able")
            able.mode, able.size = 0o755, 2
            able.pax_headers = {"SCHILY.xattr.security.capability": CAPABILITY.decode("latin-1")}
            archive.addfile(able, io.BytesIO(b"#!"))
        os.utime(files / "file", (0, 0))
        (place / "results").mkdir()
        (place / "results").chmod(0o777)
        subprocess.run(["cp", "-r", bases.busybox().layout, place / "base"], check=True)
        yield place


def outside(builder: Minibuild) -> Command:
    """minibuild on this machine."""

    def run(*words: str | Path) -> tuple[int, str]:
        done = builder.with_variables(SOURCE_DATE_EPOCH="0")(*words)
        return done.returncode, done.stdout + done.stderr

    return run


@pytest.fixture
def tiers(
    minibuild: Minibuild, dockerd: Dockerd, account: PlainUser, lone_account: PlainUser, place: Path
) -> dict[str, Command]:
    """Who builds, in the order of what they may do."""
    dockerd.run("load", "-i", str(bases.busybox().archive))

    def user(who: PlainUser) -> Command:
        home = who.own_directory(place / "btrfs" / who.name)
        plain = minibuild.at(home / "store").as_user(who, home)
        return outside(plain.with_prefix(*fuse_for_all(home), *plain.prefix))

    def inside(name: str, uid: int, *options: str, interpreter: str = "") -> Command:
        (place / name).mkdir()
        os.chown(place / name, uid, uid)
        shown = [f"--volume={place}/{part}:{place}/{part}" for part in ("project", "base", "results")]
        contained = Contained(dockerd, place / name, "", [*shown, *options])
        return replace(contained, interpreter=interpreter) if interpreter else contained

    return {
        "root": outside(minibuild.at(place / "btrfs/store").with_variables(DOCKER_HOST=dockerd.host)),
        "a plain user with ranges of ids": user(account),
        "a plain user without": user(lone_account),
        "root in a container": inside("inside", 0),
        # Our Python may be in root's home.
        "a plain user in a container": inside("user", 1000, "--user=1000:1000", interpreter="/usr/bin/python3"),
    }


@dataclass(frozen=True)
class Builds:
    """Builds in every cell of a tier, and compares with what was built first of all."""

    command: Command
    judge: Command
    place: Path
    results: Path
    """Where everybody may write."""

    def tier(self, name: str) -> Tier:
        """All cells; a daemon keeps trees by itself, whatever keeps them here."""
        reasons = self._reasons()
        cells = {
            (snapshotter, runtime): reasons[runtime]
            or reasons[snapshotter]
            or self._built(runtime, f"--snapshotter={snapshotter}")
            for snapshotter in SNAPSHOTTERS
            for runtime in RUNTIMES
        }
        by_daemon = reasons[daemon.NAME] or self._built(daemon.NAME)
        return Tier(name, {**cells, **{(snapshotter, daemon.NAME): by_daemon for snapshotter in SNAPSHOTTERS}})

    def _reasons(self) -> dict[str, str]:
        """Why each runtime and snapshotter can't be used; "" where it can."""
        status, said = self.command("info", "--format=json")
        assert status == 0, said
        info, _ = json.JSONDecoder().raw_decode(said)
        return {one["Name"]: one["Reason"] for one in [*info["Snapshotters"], *info["Runtimes"]]}

    def _built(self, runtime: str, *options: str) -> str:
        """What came of a build."""
        archive = self.results / "image.tar"
        words = ["--no-cache", f"--runtime={runtime}", *options, f"--build-context=base=oci-layout:{self.place}/base"]
        results = ["-t", "matrix", f"--output=type=oci,dest={archive}"]
        archive.unlink(missing_ok=True)
        status, said = self.command("build", "--progress=plain", *words, *results, self.place / "project")
        if status:
            return said[said.rindex("error: ") :].splitlines()[0].removeprefix("error: ")
        differences = self._differences(archive)
        assert not differences or "(OwnersLost)" in said, f"{differences}, but nobody was warned: {said}"
        return differences or SAME

    def _differences(self, archive: Path) -> str:
        """What is otherwise than in the very first image; "" where nothing is."""
        first = self.place / "first.tar"
        if not first.exists():
            first.write_bytes(archive.read_bytes())
        status, said = self.judge("diff", "--all", "--format=json", f"oci-archive:{first}", f"oci-archive:{archive}")
        assert status in (0, 1), said
        [pair] = json.JSONDecoder().raw_decode(said)[0]["images"]
        layers = [difference for layer in pair["layers"] for difference in layer["differences"]]
        documents = [*pair["configuration"], *pair["history"]]
        if not [*layers, *documents]:
            return ""
        # fuse-overlayfs copies names of one file now and then.
        layers = [difference for difference in layers if difference["field"] != "presence"]
        words = sorted({WORDS.get(difference["field"], difference["field"]) for difference in [*layers, *documents]})
        paths = sorted({difference["path"] for difference in layers})
        return f"built, with other {', '.join(words or ['files'])} of {', '.join(f'`/{path}`' for path in paths)}"


def test_everybody_builds_the_same_image_or_is_told_why_not(tiers: dict[str, Command], place: Path) -> None:
    judge = tiers["root"]
    found = [Builds(command, judge, place, place / "results").tier(name) for name, command in tiers.items()]
    table = Matrix(list(SNAPSHOTTERS), [*RUNTIMES, daemon.NAME], found).markdown()
    if os.environ.get("MINIBUILD_UPDATE_GOLDEN"):
        replace_section(README, table)
    if section(README) != table and not os.environ.get("CI"):
        # That all which is built is the same, or was warned of, is proved by now; what can be had is the machine's.
        pytest.skip(f"this machine lacks other things than the one of the README's table:\n{table}")
    assert section(README) == table
