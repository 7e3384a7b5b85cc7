"""Times of processes, taken in turn so that both meet the same machine."""

from __future__ import annotations

import os
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


@dataclass
class Times:
    """Of each run of one command: seconds on the clock, and of processor time, its children's included; ``memory`` is
    the most that one process of it had, in bytes.
    """

    clock: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)
    memory: int = 0

    def __str__(self) -> str:
        return (
            f"{statistics.median(self.clock):6.3f} s (least {min(self.clock):.3f}, processor {min(self.processor):.3f})"
        )


def run(command: Sequence[str], times: Times, **variables: str) -> None:
    """Runs a command, which must succeed, with more in its environment, and notes its times."""
    began = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, env=os.environ | variables)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    times.clock.append(time.perf_counter() - began)
    times.processor.append(usage.ru_utime + usage.ru_stime)
    times.memory = max(times.memory, usage.ru_maxrss << 10)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} ended with status {process.returncode}")


def least_time_of(work: Callable[[], object], tries: int = 5) -> float:
    """Processor seconds of a piece of work in this process."""
    times = []
    for _ in range(tries):
        began = time.process_time()
        work()
        times.append(time.process_time() - began)
    return min(times)


def beside(what: str, ours: Times, peers: Mapping[str, Times]) -> str:
    """What was measured, ours first, and our ratio to the peer whose median is least; peers that are ourselves with
    other options are shown alone.
    """
    others = [name for name in peers if not name.startswith("minibuild")]
    best = min(others, key=lambda name: statistics.median(peers[name].clock))
    lines = [f"{name:<22}{times}" for name, times in {"minibuild": ours, **peers}.items()]
    lines.append(f"{'ratio':<22}{ratio(ours, peers[best])} to {best}; memory {ours.memory >> 20} MiB at most")
    return "\n    ".join([what, *lines])


def ratio(ours: Times, theirs: Times) -> str:
    """Of the medians, and of the least."""
    medians = statistics.median(ours.clock) / statistics.median(theirs.clock)
    return f"{medians:.2f} (least {min(ours.clock) / min(theirs.clock):.2f})"
