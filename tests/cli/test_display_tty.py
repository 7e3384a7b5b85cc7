"""The terminal display, by what stands on the screen."""

from __future__ import annotations

import os
import pty
import threading
from collections.abc import Iterator
from typing import TextIO

import pytest

from minibuild.cli.display.tty import TerminalDisplay
from minibuild.errors import Finding
from minibuild.events import Event, Finished, Output, Started, Transferred, Warned
from tests.cli.streams import Clock, Gone, Terminal, screen

PLAIN = {"NO_COLOR": "1"}


class Seat:
    """Somebody before a terminal of a given size, where time passes when they say so."""

    def __init__(self, width: int = 60, height: int = 24) -> None:
        self.stream, self.clock, self.size = Terminal(), Clock(), (width, height)
        self.display = TerminalDisplay(self.stream, PLAIN, clock=self.clock, window=lambda: self.size, tick_s=3600)

    def sees(self, *events: Event) -> list[str]:
        """What the screen shows a second after the last of these events."""
        for event in events:
            self.display(event)
        self.clock.pass_by(1)
        self.display(Output(99, "", "stdout"))
        return self.rows()

    def rows(self) -> list[str]:
        """What the screen shows now."""
        rows, _ = screen(self.stream.getvalue(), self.size[0])
        return rows[:-1] if rows[-1:] == [""] else rows


@pytest.fixture
def seat(request: pytest.FixtureRequest) -> Seat:
    seat = Seat()
    request.addfinalizer(seat.display.close)
    return seat


def row(text: str, right: str, width: int = 60) -> str:
    """A row with its right end at the window's last but one column."""
    return text + right.rjust(width - 1 - len(text))


def test_a_running_step_shows_its_seconds_and_its_last_six_lines(seat: Seat) -> None:
    seat.sees(Started(1, "[2/3] RUN make"), *(Output(1, f"line {n}", "stdout") for n in range(9)))
    assert seat.sees() == [
        row(" => [2/3] RUN make", "2.0s"),
        *(f" => => # line {n}" for n in range(3, 9)),
    ]


def test_finished_steps_stay_above_and_leave_their_output_behind(seat: Seat) -> None:
    rows = seat.sees(
        Started(1, "[1/3] FROM busybox"),
        Finished(1, "cached", 0.0),
        Started(2, "[2/3] RUN make"),
        Output(2, "noise", "stdout"),
        Finished(2, "done", 3.21),
        Started(3, "[3/3] RUN false"),
        Finished(3, "failed", 0.5),
    )
    assert rows == [
        row(" => CACHED [1/3] FROM busybox", "0.0s"),
        row(" => [2/3] RUN make", "3.2s"),
        row(" => FAILED [3/3] RUN false", "0.5s"),
    ]


def test_long_rows_are_cut_so_that_each_takes_one(seat: Seat) -> None:
    rows = seat.sees(Started(1, "RUN " + "x" * 200), Output(1, "日" * 100, "stdout"))
    assert [len(text) for text in rows] == [59, 9 + 25]
    assert rows[0].startswith(" => RUN xxx") and rows[0].endswith("x… 1.0s")


def test_a_low_window_keeps_the_steps_and_drops_their_output() -> None:
    seat = Seat(height=5)
    rows = seat.sees(
        *(Started(n, f"stage {n}") for n in (1, 2, 3)), *(Output(1, f"line {n}", "stdout") for n in range(6))
    )
    seat.display.close()
    assert [text.split("  ")[0] for text in rows] == [" => stage 1", " => => # line 5", " => stage 2", " => stage 3"]


def test_bytes_on_their_way_have_bars_and_arrived_ones_have_none(seat: Seat) -> None:
    [title, bar] = seat.sees(
        Started(1, "FROM node"),
        Transferred(1, "aaaaaaaaaaaa", 25_000_000, 50_000_000),
        Transferred(1, "bbbbbbbbbbbb", 10, 10),
    )
    assert title == row(" => FROM node", "1.0s")
    assert bar.startswith(" => => aaaaaaaaaaaa:  50% █")
    assert "25.0M/50.0M" in bar
    assert len(bar) <= 59


def test_bytes_of_unknown_total_are_counted(seat: Seat) -> None:
    assert seat.sees(Started(1, "sending"), Transferred(1, "archive", 1_234_567, None))[1:] == [" => => archive 1.23MB"]


def test_a_warning_stays_above(seat: Seat) -> None:
    rows = seat.sees(Started(1, "RUN x"), Warned(Finding("Rule", "something is odd", None, "mend it")))
    assert rows == ["warning: something is odd (Rule)", "hint: mend it", row(" => RUN x", "1.0s")]


def test_a_window_made_narrower_leaves_no_rests() -> None:
    seat = Seat(width=80)
    seat.display(Started(1, "RUN " + "y" * 60))
    seat.size = (40, 24)
    seat.clock.pass_by(1)
    seat.display(Finished(1, "done", 2.0))
    seat.display.close()
    # The terminal has wrapped the old row into two; both must go.
    assert seat.rows() == [" => " + "RUN " + "y" * 25 + "… 2.0s"]


def test_close_gives_the_cursor_back_and_takes_live_rows_away() -> None:
    seat = Seat()
    seat.sees(Started(1, "a"), Finished(1, "done", 1.0), Started(2, "never ends"))
    assert screen(seat.stream.getvalue())[1] is False
    seat.display.close()
    seat.display.close()
    seat.display(Started(3, "too late"))
    assert screen(seat.stream.getvalue()) == ([row(" => a", "1.0s"), ""], True)


def test_a_display_that_saw_nothing_writes_nothing() -> None:
    seat = Seat()
    seat.display.close()
    assert seat.stream.getvalue() == ""


def test_it_is_drawn_ten_times_a_second_at_most(seat: Seat) -> None:
    seat.display(Started(1, "RUN seq 10000"))
    before = len(seat.stream.getvalue())
    for number in range(1000):
        seat.display(Output(1, str(number), "stdout"))
    assert len(seat.stream.getvalue()) == before
    seat.clock.pass_by(0.2)
    seat.display(Output(1, "last", "stdout"))
    assert " => => # last" in seat.rows()


def test_a_reader_that_has_gone_does_not_stop_the_build() -> None:
    display = TerminalDisplay(Gone(), PLAIN, window=lambda: (80, 24))
    display(Started(1, "a"))
    display(Finished(1, "done", 0.0))
    display.close()


def test_events_of_many_threads_all_arrive() -> None:
    seat = Seat(width=40)

    def build(first: int) -> None:
        for number in range(first, first + 20):
            seat.display(Started(number, f"step {number}"))
            seat.display(Output(number, "x", "stdout"))
            seat.display(Finished(number, "done", 0.0))

    threads = [threading.Thread(target=build, args=(first,)) for first in (100, 200, 300)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    seat.display.close()
    shown = sorted(text.split()[2] for text in seat.rows())
    assert shown == [str(first + number) for first in (100, 200, 300) for number in range(20)]


def test_on_a_real_terminal_colours_are_used_and_the_cursor_comes_back(terminal: tuple[int, TextIO]) -> None:
    parent, stream = terminal
    display = TerminalDisplay(stream, {"TERM": "xterm"})
    display(Started(1, "step"))
    display(Finished(1, "cached", 0.0))
    display.close()
    # A terminal hands over what has arrived so far; without its last words this would wait until the test's time is up.
    written = b""
    while not written.endswith(b"\x1b[?25h"):
        written += os.read(parent, 65536)
    assert "\x1b[34m => CACHED step" in written.decode()


def test_seconds_go_on_while_nothing_happens(terminal: tuple[int, TextIO]) -> None:
    parent, stream = terminal
    display = TerminalDisplay(stream, PLAIN)
    display(Started(1, "sleeping"))
    written = b""
    while b" 0.2s" not in written:
        written += os.read(parent, 65536)
    display.close()


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """A terminal's far end, and the stream a program writes on."""
    parent, child = pty.openpty()
    with os.fdopen(child, "w") as stream:
        yield parent, stream
    os.close(parent)
