"""Ctrl-C once, and twice."""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import pytest

from minibuild.cli.signals import Interrupted, interruptible, raising
from minibuild.errors import ImageError


def test_the_first_signal_only_cancels_and_leaving_tells() -> None:
    with pytest.raises(Interrupted) as caught, interruptible() as cancellation:
        assert not cancellation
        os.kill(os.getpid(), signal.SIGINT)
        assert cancellation
    assert caught.value.exit_code == 130


def test_what_fails_because_it_was_cancelled_is_the_interrupts_doing() -> None:
    with pytest.raises(Interrupted) as caught, interruptible():
        os.kill(os.getpid(), signal.SIGTERM)
        raise ImageError("the download was cut off")
    assert caught.value.exit_code == 143


def test_without_a_signal_errors_pass_as_they_are() -> None:
    with pytest.raises(ImageError), interruptible():
        raise ImageError("layer 3 is torn")


def test_handlers_are_those_of_before_afterwards() -> None:
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    with interruptible():
        assert signal.getsignal(signal.SIGINT) != before[0]
    with raising():
        assert signal.getsignal(signal.SIGTERM) != before[1]
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


def test_a_signal_that_was_ignored_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with interruptible() as cancellation:
            os.kill(os.getpid(), signal.SIGHUP)
            assert not cancellation
    finally:
        signal.signal(signal.SIGHUP, before)


def test_the_second_signal_ends_the_process_whatever_it_does() -> None:
    program = (
        "import os, signal, threading\n"
        "from minibuild.cli.signals import interruptible\n"
        "with interruptible():\n"
        "    os.kill(os.getpid(), signal.SIGINT)\n"
        "    print('cleaning', flush=True)\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGINT)\n"
        "        threading.Event().wait(60)\n"
        "    finally:\n"
        "        print('never said', flush=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (130, "cleaning\n", "")
