"""``minibuild run``: what is refused before a container is made; containers themselves are tested end to end."""

from __future__ import annotations

from pathlib import Path

import pytest

from minibuild.cli.run import mount_of, variables_of
from minibuild.errors import UsageError
from minibuild.runtimes.base import Mount
from tests.cli.conftest import Shell

BAD_VOLUMES = {
    "data:/x": ("--volume 'data:/x' names a volume, wanted a path", "a directory here is ./data"),
    "/x": ("--volume '/x' wants SOURCE:TARGET", "volumes without a source are not supported yet"),
    "/:x": ("--volume '/:x' has 'x' for a target, wanted an absolute path", ""),
    "/:/x:shared": ("--volume '/:/x:shared' has the option 'shared', wanted ro or rw", ""),
    "/absent/d:/x": ("--volume '/absent/d:/x': /absent/d doesn't exist", "make it first"),
}


@pytest.mark.parametrize(("word", "said"), BAD_VOLUMES.items(), ids=BAD_VOLUMES)
def test_a_volume_that_cannot_be_is_refused(word: str, said: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        mount_of(word)
    assert (caught.value.message, caught.value.hint) == said


@pytest.mark.parametrize(
    ("options", "read_only"), [("", False), (":rw", False), (":ro", True), (":ro,Z", True), (":z", False)]
)
def test_a_volume_is_writable_unless_said(options: str, read_only: bool, tmp_path: Path) -> None:
    assert mount_of(f"{tmp_path}:/data{options}") == Mount(tmp_path, "/data", read_only=read_only)


def test_a_relative_source_stands_in_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert mount_of(".:/data") == Mount(tmp_path, "/data", read_only=False)


def test_a_file_of_variables_is_read_as_docker_reads_it(tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("# words\n\nA=1\n  B=2 3 \nC=x=y\nHOST\nUNSET\nEMPTY=\n")
    assert variables_of([str(file)], {"HOST": "h"}) == {"A": "1", "B": "2 3 ", "C": "x=y", "HOST": "h", "EMPTY": ""}


def test_a_file_of_variables_that_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"--env-file \S+absent can't be read"):
        variables_of([str(tmp_path / "absent")], {})


def test_an_image_that_is_not_there_is_named(shell: Shell) -> None:
    done = shell("run", "-i", "absent")
    assert (done.status, done.out) == (7, "")
    assert done.err == "error: no image 'absent' in the store\nhint: `minibuild images` lists them\n"


@pytest.mark.parametrize(
    ("word", "note"),
    [
        ("80", "-p 80: the container has the host's network, so its port 80 is the host's"),
        ("80:80/tcp", "-p 80:80/tcp: the container has the host's network, so its port 80 is the host's"),
        (
            "127.0.0.1:8080:80",
            (
                "-p 127.0.0.1:8080:80: the container has the host's network, so its port 80 is the host's, "
                "not on 127.0.0.1:8080"
            ),
        ),
    ],
)
def test_a_published_port_is_explained(shell: Shell, word: str, note: str) -> None:
    assert shell("run", "-i", "-p", word, "absent").err.startswith(f"note: {note}\n")


@pytest.mark.parametrize("network", ["none", "private", "slirp4netns"])
def test_a_port_is_published_on_this_machines_network_alone(shell: Shell, network: str) -> None:
    done = shell("run", "-p", "80", "--network", network, "absent")
    assert (done.status, done.err) == (
        2,
        f"error: -p 80: nobody reaches a container by --network {network}\nhint: choose --network host\n",
    )


def test_a_terminal_is_wanted_when_asked_for(shell: Shell) -> None:
    done = shell("run", "-it", "absent")
    assert (done.status, done.err) == (2, "error: -t wants a terminal, standard input is none\nhint: leave -t out\n")
