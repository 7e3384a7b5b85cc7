"""What programs see who are kept: they give files away, and it is as if it were so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.machine import require_user_namespaces

PACKAGES = str(Path(__file__).parent.parent.parent)
KEEPING = """
import subprocess, sys, threading
from minibuild.layers.owners import Owner
from minibuild.sandbox.keeping import Keeper
keeper, done = Keeper(Owner(int(sys.argv[1]), int(sys.argv[1]))), []
def work():
    keeper.keep()
    done.append(subprocess.run([sys.executable, "-c", sys.argv[2]]).returncode)
thread = threading.Thread(target=work)
thread.start()
thread.join()
keeper.release()
sys.exit(done[0] if done else 1)
"""


def kept(place: Path, script: str, user: int = 0) -> str:
    """What a Python program prints that is kept, in a directory, as root of a namespace with a single id."""
    require_user_namespaces()
    program = f"import os, stat\ndef owner(path): return tuple(os.lstat(path))[4:6]\n{script}"
    command = ["unshare", "--user", "--map-root-user", sys.executable, "-c", KEEPING, str(user), program]
    path = os.pathsep.join([PACKAGES, *filter(None, sys.path)])
    done = subprocess.run(command, cwd=place, env={"PYTHONPATH": path}, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


GIVING = {
    "chown": 'os.chown("f", 5, 6)',
    "chown of a descriptor": 'os.chown(os.open("f", os.O_RDONLY), 5, 6)',
    "chown in a directory": 'os.chown("f", 5, 6, dir_fd=os.open(".", os.O_RDONLY))',
    "one after the other": 'os.chown("f", 5, -1); os.chown("f", -1, 6)',
    "by a link": 'os.symlink("f", "l"); os.chown("l", 5, 6)',
    "by an absolute path": 'os.chown(os.path.abspath("f"), 5, 6)',
    "and renamed": 'os.chown("f", 5, 6); os.rename("f", "g"); os.rename("g", "f")',
    "in a root of its own": 'os.mkdir("r"); os.rename("f", "r/f"); os.link("r/f", "f"); pid = os.fork()\n'
    'if pid == 0: os.chroot("r"); os.symlink("/f", "/l"); os.chown("/l", 5, 6); os._exit(0)\n'
    "os.waitpid(pid, 0)",
}


@pytest.mark.parametrize("script", GIVING.values(), ids=GIVING)
def test_a_file_is_whose_it_was_given_to(tmp_path: Path, script: str) -> None:
    assert kept(tmp_path, f'open("f", "w").close()\n{script}\nprint(owner("f"))') == "(5, 6)\n"
    assert (tmp_path / "f").lstat().st_uid == os.getuid()


def test_a_link_is_given_itself_and_stays_so_when_touched(tmp_path: Path) -> None:
    script = """
open("f", "w").close(); os.symlink("f", "l"); os.lchown("l", 7, 8)
os.utime("l", ns=(1, 3_000_000_000), follow_symlinks=False)
print(owner("l"), os.lstat("l").st_mtime_ns, owner("f"))
"""
    assert kept(tmp_path, script) == "(7, 8) 3000000000 (0, 0)\n"


def test_giving_a_file_away_takes_its_setuid_bit(tmp_path: Path) -> None:
    script = 'open("f", "w").close(); os.chmod("f", 0o6755); os.chown("f", 1, 1); print(oct(os.stat("f").st_mode))'
    assert kept(tmp_path, script) == "0o100755\n"


def test_a_device_is_seen_as_one(tmp_path: Path) -> None:
    script = """
os.umask(0o027); os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
status = os.stat("null"); print(oct(status.st_mode), os.major(status.st_rdev), os.minor(status.st_rdev))
"""
    assert kept(tmp_path, script) == "0o20640 1 3\n"


@pytest.mark.parametrize(
    ("call", "name"),
    [
        ('os.chown("nothing", 1, 1)', "ENOENT"),
        ('os.symlink("l", "l"); os.chown("l", 1, 1)', "ELOOP"),
        ('os.mknod(".", stat.S_IFCHR, os.makedev(1, 3))', "EEXIST"),
        ("os.chown(9999, 1, 1)", "EBADF"),
    ],
    ids=["nothing", "loop", "mknod", "descriptor"],
)
def test_what_cannot_be_is_refused_as_ever(tmp_path: Path, call: str, name: str) -> None:
    script = f"import errno\ntry: {call}\nexcept OSError as error: print(errno.errorcode[error.errno])"
    assert kept(tmp_path, script) == f"{name}\n"


def test_becoming_somebody_is_said_to_be_done(tmp_path: Path) -> None:
    assert kept(tmp_path, "os.setgroups([4]); os.setgid(5); os.setresuid(6, 6, 6); print(os.getuid())") == "0\n"


def test_who_is_not_root_gives_nothing_away(tmp_path: Path) -> None:
    assert kept(tmp_path, 'open("f", "w").close(); os.chown("f", 5, 6); print(owner("f"))', user=70) == "(0, 0)\n"
