"""The README tells the truth: its options exist and none is left out, its commands and exit codes are the real ones."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import minibuild
from minibuild import errors
from minibuild.build import daemon
from minibuild.cli import COMMANDS
from minibuild.cli.build_options import build_parser
from minibuild.cli.rules import rules
from minibuild.plan.scope import STEERING
from minibuild.runtimes.table import TABLE as RUNTIMES
from minibuild.snapshots.table import TABLE as SNAPSHOTTERS

README = (Path(__file__).parent.parent / "README.md").read_text()


def section(title: str) -> str:
    """The text under a heading."""
    return README.split(f"## {title}\n")[1].split("\n## ")[0]


def test_the_table_of_options_is_that_of_the_program() -> None:
    told = set(
        re.findall(r"--[a-z][a-z-]+", "".join(re.findall(r"^\|(.*?)\|", section("Options of build"), re.MULTILINE)))
    )
    shown = set(re.findall(r"^  (?:-\w, |    )(--[a-z-]+)", build_parser({}).format_help(), re.MULTILINE))
    assert told == shown - {"--root", "--debug", "--help"}


def test_the_table_of_commands_is_that_of_the_program() -> None:
    heads = "".join(re.findall(r"^\|(.*?)\|", section("Commands"), re.MULTILINE))
    assert set(re.findall(r"`([a-z]+)[ `]", heads)) == set(COMMANDS)


def test_the_table_of_rules_is_that_of_the_checks() -> None:
    told = re.findall(r"^\| `(\w+)` \| (.*?) \| (.*?) \|$", section("Checks"), re.MULTILINE)
    origins = {
        "docker": "BuildKit",
        "experimental": "BuildKit, where the file asks for it",
        "own": "minibuild",
        "advice": "advice",
        "portability": "`check --target`",
    }
    assert told == [(rule.name, rule.about, origins[rule.kind]) for rule in rules().values()]


def test_the_table_of_snapshotters_is_that_of_the_program() -> None:
    [table] = re.findall(r"\| `--snapshotter` \|(.*?)\n\n", README, re.DOTALL)
    assert re.findall(r"^\| `([\w-]+)` \|", table, re.MULTILINE) == list(SNAPSHOTTERS)


def test_the_table_of_runtimes_is_that_of_the_program() -> None:
    [table] = re.findall(r"\| `--runtime` \|(.*?)\n\n", README, re.DOTALL)
    told = [
        name for cell in re.findall(r"^\| (`[^|]+`) \|", table, re.MULTILINE) for name in re.findall(r"`(\w+)`", cell)
    ]
    assert told == [*RUNTIMES, daemon.NAME]


def test_the_table_of_exit_codes_is_that_of_the_errors() -> None:
    told = {int(code) for code in re.findall(r"^\| (\d+) \|", section("Exit codes"), re.MULTILINE)}
    family = [value for value in vars(errors).values() if isinstance(value, type)]
    assert told == {error.exit_code for error in family if issubclass(error, errors.MinibuildError)} | {0, 130}


def test_the_files_it_names_exist() -> None:
    root = Path(__file__).parent.parent
    assert all((root / target).exists() for target in re.findall(r"\]\(([^)#]+)\)", README))
    assert all((root / script).exists() for script in re.findall(r"^sh (\S+\.sh)", README, re.MULTILINE))


def test_buildkits_arguments_that_it_names_are_those_that_steer_a_build() -> None:
    told = set(re.findall(r"`(BUILDKIT_\w+)`", section("Environment"))) - {"BUILDKIT_COLORS", "BUILDKIT_PROGRESS"}
    assert told == {name for name in STEERING if name.startswith("BUILDKIT_")}


def test_its_program_gives_build_what_it_takes() -> None:
    [program] = re.findall(r"```python\n(.*?)```", section("From Python"), re.DOTALL)
    calls = [node for node in ast.walk(ast.parse(program)) if isinstance(node, ast.Call)]
    [build] = [call for call in calls if ast.unparse(call.func) == "minibuild.build"]
    assert {word.arg for word in build.keywords} <= set(inspect.signature(minibuild.build).parameters)
