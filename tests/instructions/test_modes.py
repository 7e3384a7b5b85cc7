"""Symbolic modes: what they make of a mode is what chmod(1) makes of it."""

from __future__ import annotations

import random
import shutil
import stat
import subprocess
from pathlib import Path

import pytest

from minibuild.instructions.modes import SymbolicMode
from tests.machine import require


@pytest.mark.parametrize(
    ("text", "file", "directory"),
    [
        ("u=rwX,go=rX", (0o600, 0o644), (0o700, 0o755)),
        ("u=rwX,go=rX", (0o711, 0o755), (0o2770, 0o2755)),
        ("+x", (0o644, 0o755), (0o644, 0o755)),
        ("+w", (0o444, 0o644), (0o555, 0o755)),
        ("a+w", (0o444, 0o666), (0o555, 0o777)),
        ("a-w", (0o666, 0o444), (0o777, 0o555)),
        ("go=", (0o777, 0o700), (0o777, 0o700)),
        ("g=u-w", (0o640, 0o640), (0o750, 0o750)),
        ("o=g", (0o750, 0o755), (0o750, 0o755)),
        ("u+s", (0o755, 0o4755), (0o755, 0o4755)),
        ("g+s,+t", (0o755, 0o3755), (0o755, 0o3755)),
        ("a=rx", (0o6755, 0o555), (0o6755, 0o6555)),
        ("ug-s", (0o6755, 0o755), (0o6755, 0o755)),
        ("=r", (0o7777, 0o444), (0o777, 0o444)),
        ("u=rw,a+X", (0o644, 0o644), (0o644, 0o755)),
    ],
)
def test_a_mode_is_made_of_the_one_that_a_file_has(
    text: str, file: tuple[int, int], directory: tuple[int, int]
) -> None:
    mode = SymbolicMode.parse(text)
    assert mode is not None
    made = [mode.applied_to(file[0], is_directory=False), mode.applied_to(directory[0], is_directory=True)]
    assert list(map(oct, made)) == [oct(file[1]), oct(directory[1])]


@pytest.mark.parametrize("text", ["", "u", "rwx", "u=z", "u=rw,", ",u=r", "u=rg", "ux", "u=777", "=777", "u =r", "x+u"])
def test_what_is_no_mode_is_none(text: str) -> None:
    assert SymbolicMode.parse(text) is None


def _clause(chance: random.Random) -> str:
    letters = ["".join(chance.choices("rwxXst", k=chance.randrange(4))) for _ in range(6)]
    actions = [chance.choice("+-=") + chance.choice(["u", "g", "o", *letters]) for _ in range(chance.randrange(1, 3))]
    return "".join(chance.choices("ugoa", k=chance.randrange(3))) + "".join(actions)


def test_chmod_of_coreutils_makes_the_same_of_hundreds_of_random_modes(tmp_path: Path) -> None:
    program = shutil.which("chmod")
    said = program and subprocess.run([program, "--version"], capture_output=True, text=True).stdout
    if not said or "coreutils" not in said:
        require("GNU chmod")
    chance = random.Random(3)
    places: list[tuple[Path, int, str]] = []
    for number in range(400):
        place = tmp_path / str(number)
        place.mkdir() if number % 2 else place.touch()
        places.append((place, chance.randrange(0o10000), ",".join(_clause(chance) for _ in range(number % 3 + 1))))
        place.chmod(places[-1][1])
    # It fails, having done its work, where the umask kept it from what the mode says.
    script = "".join(f"{program} -- '{text}' '{place}'\n" for place, _, text in places)
    subprocess.run(["sh"], input=f"umask 022\n{script}", text=True, stderr=subprocess.DEVNULL)
    for place, before, text in places:
        mode = SymbolicMode.parse(text)
        assert mode is not None, text
        status = place.stat()
        made = mode.applied_to(before, is_directory=stat.S_ISDIR(status.st_mode))
        assert oct(made) == oct(stat.S_IMODE(status.st_mode)), (text, oct(before))
