"""minibuild as a process: what it loads, how it ends, what it says where."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from minibuild.version import __version__
from tests.command import Minibuild

# None of these may be loaded by a start that doesn't need them: together they cost more than everything else.
HEAVY = {
    *("argparse", "asyncio", "backports.zstd", "concurrent.futures", "csv", "dataclasses", "docker", "email", "http"),
    *("importlib.metadata", "inspect", "isal", "json", "logging", "socket", "sqlite3", "ssl", "subprocess", "tarfile"),
    *("tempfile", "tqdm", "urllib3", "minibuild.registry", "minibuild.runtimes", "minibuild.store"),
}
NOT_FOR_LISTS = {
    *("asyncio", "backports.zstd", "concurrent.futures", "docker", "http.client", "importlib.metadata", "isal"),
    *("logging", "ssl", "subprocess", "tarfile", "tqdm", "urllib3", "minibuild.registry", "minibuild.runtimes"),
}


def loaded(*words: str, root: Path) -> set[str]:
    """The modules that a run of minibuild has loaded at its end."""
    program = (
        "import sys, atexit\n"
        "atexit.register(lambda: print(*sys.modules, sep='\\n', file=sys.stderr))\n"
        f"sys.argv = ['minibuild', *{list(words)!r}]\n"
        "from minibuild.__main__ import main\n"
        "sys.exit(main())\n"
    )
    environment = {**os.environ, "MINIBUILD_ROOT": str(root)}
    # -S keeps the site's own modules (and what .pth files load) out of the count.
    paths = os.pathsep.join(path for path in sys.path if path)
    done = subprocess.run(
        [sys.executable, "-S", "-c", program],
        env={**environment, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=True,
    )
    return set(done.stderr.split("\n"))


def test_the_version_is_told_without_loading_anything(tmp_path: Path) -> None:
    assert loaded("--version", root=tmp_path) & HEAVY == set()


@pytest.mark.parametrize("command", ["images", "version --format {{.Version}}", "--help"])
def test_small_commands_load_no_network_no_runtime_no_daemon(command: str, tmp_path: Path) -> None:
    assert loaded(*command.split(), root=tmp_path) & NOT_FOR_LISTS == set()


@pytest.mark.parametrize("words", [["--version"], ["version"], ["-v"]], ids=" ".join)
def test_the_version_is_one_line(words: list[str], minibuild: Minibuild) -> None:
    assert minibuild.succeed(*words) == f"minibuild {__version__}\n"


def test_an_unknown_option_is_an_error_in_our_style(minibuild: Minibuild) -> None:
    done = minibuild("images", "--fromat", "x")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "error: --fromat is no option of minibuild images\nhint: did you mean --format?\n"


def test_a_reader_that_stops_reading_is_no_error(minibuild: Minibuild) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.run(
        minibuild.command("--help"), stdout=writing, stderr=subprocess.PIPE, text=True, env=minibuild.variables()
    )
    os.close(writing)
    assert (process.returncode, process.stderr) == (141, "")


def test_an_unexpected_error_takes_one_line_and_debug_shows_the_traceback(minibuild: Minibuild, tmp_path: Path) -> None:
    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    words = ("build", tmp_path, "--iidfile", tmp_path)
    short = minibuild(*words)
    assert short.returncode == 1
    assert short.stderr.splitlines()[-1] == f"error: {tmp_path}: Is a directory"
    assert "Traceback" not in short.stderr
    assert "Traceback" in minibuild(*words, "--debug").stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)], ids=["INT", "TERM"])
def test_a_signal_ends_it_with_the_status_that_shells_expect(
    number: int, status: int, minibuild: Minibuild, tmp_path: Path
) -> None:
    pipe = tmp_path / "archive"
    os.mkfifo(pipe)
    process = minibuild.start("load", "--progress=quiet", "-i", pipe)
    with pipe.open("wb"):  # returns once it reads, and is inside the command
        process.send_signal(number)
        output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (status, "interrupted\n")


def test_a_store_that_cannot_be_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    done = Minibuild(tmp_path / "file")("images")
    assert done.returncode == 2
    assert "is a file, wanted a directory for the store" in done.stderr


def test_archives_are_not_written_on_a_terminal(minibuild: Minibuild, tmp_path: Path) -> None:
    import pty

    (tmp_path / "Dockerfile").write_text("FROM scratch\n")
    parent, child = pty.openpty()
    process = subprocess.run(
        minibuild.command("build", tmp_path, "-o", "-"),
        stdout=child,
        stderr=subprocess.PIPE,
        text=True,
        env=minibuild.variables(),
    )
    os.close(child)
    os.close(parent)
    assert process.returncode == 2
    assert process.stderr == (
        "error: standard output is a terminal, and an image is no text\nhint: redirect it, or name a file\n"
    )
