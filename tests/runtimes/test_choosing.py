"""The first that works is taken, and remembered."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import pytest

from minibuild.errors import UnavailableError
from minibuild.runtimes.base import Cancellation, OutputLine, Process, Runtime
from minibuild.runtimes.choosing import choose_from


class Fake:
    """A runtime that counts how often it is probed."""

    name: ClassVar[str]
    program: ClassVar[str | None] = "/bin/sh"
    reason: ClassVar[str | None] = None
    probes: ClassVar[int]

    @classmethod
    def binary(cls) -> str | None:
        return cls.program

    @classmethod
    def probe(cls) -> str | None:
        cls.probes += 1
        return cls.reason

    def run(self, process: Process, root: Path, output: OutputLine, cancellation: Cancellation) -> int:
        raise NotImplementedError


def fake(name: str, reason: str | None = None, program: str | None = "/bin/sh") -> type[Fake]:
    return type(name, (Fake,), {"name": name, "reason": reason, "program": program, "probes": 0})


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "runtimes.json"


def table(*runtimes: type[Fake]) -> dict[str, type[Runtime]]:
    return {runtime.name: runtime for runtime in runtimes}


def test_the_first_that_works_is_chosen(cache: Path) -> None:
    broken, first, second = fake("broken", "no"), fake("first"), fake("second")

    assert choose_from(table(broken, first, second), None, cache).name == "first"
    assert second.probes == 0


def test_what_was_found_is_not_probed_again(cache: Path) -> None:
    broken, first = fake("broken", "no"), fake("first")
    for _ in range(3):
        choose_from(table(broken, first), None, cache)

    assert (broken.probes, first.probes) == (1, 1)


def test_another_program_is_probed_anew(cache: Path) -> None:
    choose_from(table(fake("runtime", program="/bin/sh")), None, cache)
    other = fake("runtime", program="/bin/ls")

    choose_from(table(other), None, cache)

    assert other.probes == 1


def test_one_that_is_asked_for_by_name_gets_a_second_chance(cache: Path) -> None:
    with pytest.raises(UnavailableError):
        choose_from(table(fake("runtime", "no")), None, cache)

    assert choose_from(table(fake("runtime")), "runtime", cache).name == "runtime"


def test_every_reason_is_told(cache: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        choose_from(table(fake("one", "not installed"), fake("two", "no right")), None, cache)

    assert caught.value.message == "no runtime can run a command here: one: not installed; two: no right"


def test_an_unknown_name_gets_a_suggestion(cache: Path) -> None:
    with pytest.raises(UnavailableError) as caught:
        choose_from(table(fake("crun")), "cron", cache)

    assert (caught.value.message, caught.value.hint) == ("no runtime is called 'cron'", "did you mean crun?")


@pytest.mark.parametrize("damage", ["", "[]", "{", '{"first": 1}', '{"first": {"machine": 1}}'])
def test_a_damaged_memory_is_no_memory(cache: Path, damage: str) -> None:
    cache.write_text(damage)

    assert choose_from(table(fake("first")), None, cache).name == "first"


def test_a_memory_that_cannot_be_written_is_done_without(tmp_path: Path) -> None:
    assert choose_from(table(fake("first")), None, tmp_path / "missing/runtimes.json").name == "first"
