"""The plain display, whole texts compared."""

from __future__ import annotations

import io
import threading

from minibuild.cli.display.plain import PlainDisplay
from minibuild.errors import Finding
from minibuild.events import Finished, Output, Started, Transferred, Warned
from minibuild.source import Source
from tests.cli.streams import Clock, Gone, Terminal


def test_a_build_reads_like_buildkits() -> None:
    stream, clock = io.StringIO(), Clock()
    display = PlainDisplay(stream, {}, clock=clock)
    display(Started(1, "[1/3] FROM busybox"))
    display(Finished(1, "cached", 0.0))
    display(Started(2, "[2/3] RUN make"))
    clock.pass_by(0.1234)
    display(Output(2, "cc -o a a.c", "stdout"))
    clock.pass_by(1)
    display(Output(2, "warning: \x1b[31mred\x1b[0m", "stderr"))
    display(Finished(2, "done", 1.25))
    display(Started(3, "[3/3] RUN false"))
    display(Finished(3, "failed", 0.04))
    display.close()
    assert stream.getvalue() == (
        "#1 [1/3] FROM busybox\n"
        "#1 CACHED\n"
        "\n"
        "#2 [2/3] RUN make\n"
        "#2 0.123 cc -o a a.c\n"
        "#2 1.123 warning: red\n"
        "#2 DONE 1.2s\n"
        "\n"
        "#3 [3/3] RUN false\n"
        "#3 FAILED 0.0s\n"
    )


def test_lines_of_stages_that_run_together_are_told_apart_by_number() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, {}, clock=Clock())
    display(Started(1, "a"))
    display(Started(2, "b"))
    display(Output(1, "one", "stdout"))
    display(Finished(2, "cancelled", 0.0))
    assert stream.getvalue() == "#1 a\n\n#2 b\n\n#1 0.000 one\n\n#2 CANCELED 0.0s\n"


def test_bytes_are_told_at_their_end_and_every_five_seconds() -> None:
    stream, clock = io.StringIO(), Clock()
    display = PlainDisplay(stream, {}, clock=clock)
    display(Started(1, "FROM node"))
    for done in (1_000_000, 2_000_000, 3_000_000):
        clock.pass_by(4)
        display(Transferred(1, "layer", done, 12_500_000))
    display(Transferred(1, "layer", 12_500_000, 12_500_000))
    assert stream.getvalue() == ("#1 FROM node\n#1 layer 2MB / 12.5MB 8.0s\n#1 layer 12.5MB / 12.5MB 12.0s\n")


def test_a_title_of_several_lines_takes_one() -> None:
    stream = io.StringIO()
    PlainDisplay(stream, {}, clock=Clock())(Started(1, "RUN <<EOF\nrm -r /x\x1b[2J\nEOF"))
    assert stream.getvalue() == "#1 RUN <<EOF rm -r /x EOF\n"


def test_a_warning_shows_rule_place_excerpt_and_hint() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, {}, clock=Clock())
    source = Source("Dockerfile", "FROM a\nLABEL x=$email\n")
    display(Warned(Finding("UndefinedVar", "$email is not defined", source.span(15, 21), "did you mean emali?")))
    assert stream.getvalue() == (
        "Dockerfile:2:9: warning: $email is not defined (UndefinedVar)\n"
        "2 | LABEL x=$email\n"
        "  |         ^^^^^^\n"
        "hint: did you mean emali?\n"
    )


def test_colours_of_a_command_reach_a_terminal_only() -> None:
    stream = Terminal()
    PlainDisplay(stream, {}, clock=Clock())(Output(1, "\x1b[32mok", "stdout"))
    assert stream.getvalue() == "#1 0.000 \x1b[32mok\x1b[0m\n"
    quiet = Terminal()
    PlainDisplay(quiet, {"NO_COLOR": "1"}, clock=Clock())(Output(1, "\x1b[32mok", "stdout"))
    assert quiet.getvalue() == "#1 0.000 ok\n"


def test_a_reader_that_has_gone_does_not_stop_the_build() -> None:
    display = PlainDisplay(Gone(), {}, clock=Clock())
    display(Started(1, "a"))
    display(Finished(1, "done", 0.0))
    display.close()


def test_lines_of_many_threads_stay_whole() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, {}, clock=Clock())

    def write(activity: int) -> None:
        for number in range(50):
            display(Output(activity, f"line {number}", "stdout"))

    threads = [threading.Thread(target=write, args=(activity,)) for activity in range(1, 5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    lines = [line for line in stream.getvalue().splitlines() if line]
    expected = [f"#{activity} 0.000 line {number}" for activity in range(1, 5) for number in range(50)]
    assert sorted(lines) == sorted(expected)
