"""Directories to copy: many small files in many directories, as packages of a language are."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

SIZES: dict[str, Callable[[random.Random], int]] = {
    "empty": lambda _: 0,
    "1 KiB": lambda _: 1 << 10,
    "8 KiB": lambda _: 8 << 10,
    "12 KiB": lambda _: 12 << 10,
    "32 KiB": lambda _: 32 << 10,
    # Half of them below 2 KB, a few of some hundred: what node_modules looks like, 8 KB on average.
    "mixed": lambda dice: min(int(dice.lognormvariate(7.6, 1.7)), 400_000),
}
_FILES_A_DIRECTORY = 20
_DEEPEST = 6


def directories(count: int, dice: random.Random) -> list[str]:
    """Relative paths, parents first."""
    found: list[str] = []
    for number in range(count):
        parent = dice.choice(found) if found and dice.random() < 0.6 else ""
        parent = "" if parent.count("/") >= _DEEPEST else parent
        found.append(f"{parent}/package-{number:04d}".lstrip("/"))
    return found


def make(root: Path, size: str, files: int) -> int:
    """Makes a tree at a path where nothing is, the same each time; answers how many bytes its files have."""
    dice, total = random.Random(1), 0
    content = dice.randbytes(1 << 20)
    below = directories(max(files // _FILES_A_DIRECTORY, 1), dice)
    for path in below:
        (root / path).mkdir(parents=True)
    for number in range(files):
        length = SIZES[size](dice)
        start = dice.randrange(len(content) - 400_000)
        (root / below[number % len(below)] / f"module-{number:05d}.js").write_bytes(content[start : start + length])
        total += length
    return total
