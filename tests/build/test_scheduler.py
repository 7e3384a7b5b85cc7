"""Stages are built once, side by side, and stop together."""

from __future__ import annotations

import threading

import pytest

from minibuild.build.scheduler import Scheduler
from minibuild.runtimes.base import Cancellation


def test_a_stage_is_built_once_however_many_ask() -> None:
    built: list[int] = []

    def build(index: int) -> str:
        built.append(index)
        return scheduler.result(0) + str(index) if index else "base"

    scheduler = Scheduler(build, Cancellation())
    for index in (1, 2, 1):
        scheduler.start(index)
    assert [scheduler.result(index) for index in (1, 2, 0)] == ["base1", "base2", "base"]
    scheduler.close()
    assert sorted(built) == [0, 1, 2]


def test_stages_that_were_started_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=10)

    def build(index: int) -> int:
        return both.wait() * 0 + index

    scheduler = Scheduler(build, Cancellation())
    scheduler.start(1)
    scheduler.start(2)
    assert (scheduler.result(1), scheduler.result(2)) == (1, 2)
    scheduler.close()


def test_a_stage_that_fails_stops_the_others_and_is_what_went_wrong() -> None:
    cancellation = Cancellation()

    def build(index: int) -> int:
        if index == 1:
            raise ValueError("one")
        cancellation.event.wait(10)
        raise KeyboardInterrupt

    scheduler = Scheduler(build, cancellation)
    scheduler.start(2)
    scheduler.start(1)
    with pytest.raises(KeyboardInterrupt):
        scheduler.result(2)
    scheduler.close()
    assert isinstance(scheduler.first_error, ValueError)


def test_nobody_works_on_after_the_end() -> None:
    cancellation = Cancellation()
    stopped: list[bool] = []

    def build(_index: int) -> int:
        stopped.append(cancellation.event.wait(10))
        return 0

    scheduler = Scheduler(build, cancellation)
    scheduler.start(1)
    scheduler.close()
    assert stopped == [True]
