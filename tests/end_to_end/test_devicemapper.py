"""devicemapper, on a kernel that has one: boots user-mode-linux, and works inside it."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from tests import bases
from tests.machine import require
from tests.virtual import run_virtually

pytestmark = pytest.mark.e2e

# In the order in which they need one another.
MODULES = ["dm-mod", "dm-bufio", "dm-bio-prison", "dm-persistent-data", "dm-thin-pool", "loop"]

DOCKERFILE = """\
FROM busybox AS made
WORKDIR /work
RUN seq 20000 > big && ln big again && ln -s big link && mkfifo fifo && chown 5:7 big && chmod 4751 again
RUN rm again && mkdir -p deep/er && mv link deep/er && echo more >> big && touch -d @5 deep
COPY Dockerfile /work/deep/
RUN rm -r deep/er && mkdir deep/er && echo new > deep/er/file && mv deep/Dockerfile .
FROM busybox
RUN --mount=type=cache,target=/cache --mount=type=bind,from=made,source=/work,target=/in cp -a /in /out && ls /cache
COPY --from=made /work/big /big
RUN echo root:x:0:0 > /etc/passwd; find / -xdev -type f -name 'b*' | sort | xargs stat -c '%a %u:%g %h %s %n' > /list
"""

POOL = """
set -e
minibuild() { $PYTHON -m minibuild --root /run/$STORE "$@"; }
STORE=thin
minibuild storage create devicemapper --size 1G --storage-opt dm.basesize=512M
"""

BUILDS = """
build() {
    minibuild build -q --source-date-epoch=99 --network=none -o type=image,rewrite-timestamp=true "$@" \
        --build-context busybox=docker-archive:$BASE $CONTEXT
}
build --snapshotter devicemapper --runtime crun
build --snapshotter devicemapper --runtime runc --no-cache
STORE=copies
build --snapshotter native --runtime crun
"""

KILLED = """
printf 'FROM busybox\\nRUN echo be''gun; sleep 999\\n' > /run/Dockerfile
$PYTHON -m minibuild --root /run/$STORE build --progress=plain --snapshotter devicemapper --network=none \
    --build-context busybox=docker-archive:$BASE -f /run/Dockerfile $CONTEXT >/run/log 2>&1 &
until grep -q '^#.*begun$' /run/log; do kill -0 $! || { cat /run/log; exit 1; }; sleep 0.1; done
devices() { ls -d /sys/block/dm-* /sys/block/loop*/loop 2>/dev/null || true; }
echo $(devices | wc -l) devices
kill -9 $!
for _ in $(seq 100); do [ -z "$(devices)" ] && break; sleep 0.1; done
echo $(devices | wc -l) devices, $(grep -c ext4 /proc/mounts) mounts
minibuild storage ls | cut -d ' ' -f 1
minibuild storage rm devicemapper
minibuild storage ls
ls /run/thin/snapshots/devicemapper 2>&1 || true
"""


def run_here(directory: Path, *command: str, timeout_s: float, **variables: str) -> str:
    """What a command says in a machine that has a device mapper; wants it to end with 0."""
    variables["PYTHONDONTWRITEBYTECODE"] = "1"
    ended = run_virtually(list(command), directory, MODULES, timeout_s=timeout_s, variables=variables)
    assert ended.status == 0, ended.output
    return ended.output


def passed(directory: Path, *words: str) -> int:
    """How many tests passed there, of which none failed."""
    command = (sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--basetemp=/run/pytest", "--tb=short")
    output = run_here(directory, *command, *words, timeout_s=400)
    [count] = re.findall(r"^(\d+) passed", output, re.MULTILINE)
    return int(count)


def test_it_keeps_the_contract_of_snapshotters(tmp_path: Path) -> None:
    assert passed(tmp_path, "tests/contracts/test_snapshotter.py", "-k", "devicemapper") > 100


def test_it_leaves_nothing_and_says_what_is_wrong(tmp_path: Path) -> None:
    assert passed(tmp_path, "tests/snapshots/test_devicemapper.py") > 10


def said(directory: Path, script: str) -> list[str]:
    """The lines that a script says there, with a pool and the image busybox."""
    require("crun", "runc", "apt-get", "dpkg-deb")
    (directory / "Dockerfile").write_text(DOCKERFILE)
    variables = {"BASE": str(bases.busybox().archive), "CONTEXT": str(directory), "PYTHON": sys.executable}
    made, *lines = run_here(directory, "sh", "-c", POOL + script, timeout_s=200, **variables).splitlines()
    assert made == "made; minibuild build --snapshotter devicemapper uses it"
    return lines


def test_it_makes_the_image_that_copying_makes(tmp_path: Path) -> None:
    by_crun, by_runc, by_copying = said(tmp_path, BUILDS)

    assert re.fullmatch("sha256:[0-9a-f]{64}", by_copying)
    assert (by_crun, by_runc) == (by_copying, by_copying)


def test_a_killed_build_leaves_no_device_and_the_pool_can_be_removed(tmp_path: Path) -> None:
    lines = said(tmp_path, KILLED)

    gone = "ls: cannot access '/run/thin/snapshots/devicemapper': No such file or directory"
    # Two loop devices, the pool and a volume.
    assert lines == ["4 devices", "0 devices, 0 mounts", "devicemapper", gone]
