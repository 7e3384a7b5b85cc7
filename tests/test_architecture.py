"""The house keeps its plan: imports only go down, rooms on one line are strangers, no file outgrows its sign."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "minibuild"

# Lowest first; a room may import what stands on an earlier line, and itself.
RANKS = (
    ("values", "version"),
    ("source",),
    ("errors",),
    ("events",),
    ("dockerfile", "oci"),
    ("instructions", "layers"),
    ("registry", "plan", "comparing"),
    ("checks", "inventory", "store"),
    ("sandbox",),
    ("snapshots", "runtimes", "transports"),
    ("build",),
    ("minibuild",),
    ("cli",),
    ("__main__",),
)
RANK_OF = {room: rank for rank, rooms in enumerate(RANKS) for room in rooms}
FORBIDDEN_NAMES = {"util", "utils", "common", "helpers", "misc", "manager", "handlers"}
FILES = sorted(PACKAGE.rglob("*.py"))


def room_of(path: Path) -> str:
    """The room a file stands in: the front door's own file is the room ``minibuild``."""
    first = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    return "minibuild" if first == "__init__" else first


def imported_rooms(path: Path) -> set[str]:
    """The rooms of this package that a file imports, inside functions too."""
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.split(".")[0] == "minibuild":
            parts = node.module.split(".")[1:] or [alias.name for alias in node.names]
            rooms.add(parts[0] if parts[0] in RANK_OF else "minibuild")
        elif isinstance(node, ast.Import):
            rooms |= {name.name.split(".")[1] for name in node.names if name.name.startswith("minibuild.")}
    return rooms


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_only_go_down(path: Path) -> None:
    here = room_of(path)
    uphill = {room for room in imported_rooms(path) - {here} if RANK_OF[room] >= RANK_OF[here]}
    assert not uphill, f"{here} must not know {uphill}"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_a_file_has_one_sign_and_room_for_it(path: Path) -> None:
    text = path.read_text()
    assert text.count("\n") <= 400
    assert path.stem not in FORBIDDEN_NAMES
    assert ast.get_docstring(ast.parse(text)), "says what it is for"


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_dataclasses_are_those_of_values_which_cost_a_tenth(path: Path) -> None:
    imports = [node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.ImportFrom)]
    names = {alias.name for node in imports if node.module == "dataclasses" for alias in node.names}
    assert "dataclass" not in names or path.name == "values.py"


def test_every_room_has_a_rank() -> None:
    assert {room_of(path) for path in FILES} == set(RANK_OF)
