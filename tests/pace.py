"""How long work takes, beside a loop on the same machine at the same time: absolute times say more of machines."""

from __future__ import annotations

import time
from collections.abc import Callable

_LOOP_S = 0.026
"""What one loop takes on the machine that the bounds in tests were set on."""


def is_done_within(seconds: float, work: Callable[[], object]) -> bool:
    """Work takes less processor time than that, in seconds of a machine where a loop takes 26 ms. One of three tries
    is enough: what a busy machine adds says nothing of the work.
    """
    return any(_time_of(work) / _time_of(_loop) * _LOOP_S < seconds for _ in range(3))


def _loop() -> int:
    return sum(i * i % 7 for i in range(500_000))


def _time_of(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began
