"""RUN --mount: what each type says."""

from __future__ import annotations

from dataclasses import replace

import pytest

from minibuild.instructions.effects import (
    BindMount,
    CacheMount,
    FromContext,
    FromImage,
    FromStage,
    RunCommand,
    RunMount,
    SecretMount,
    SshMount,
    TmpfsMount,
    origins_of,
)
from minibuild.instructions.notation import parse_size
from minibuild.oci import ContainerConfig
from tests.instructions.reading import error, read, state

HERE = replace(state(ContainerConfig(directory="/app"), A="x"), stages={"made": 0, "0": 0}, stage=1)


def effect(flags: str) -> RunCommand:
    made = read(f"RUN {flags} true").effect(HERE)
    assert isinstance(made, RunCommand)
    return made


MOUNTS: dict[str, RunMount] = {
    "target=/x": BindMount("/x"),
    "target=.": BindMount("/app"),
    "target=../x/": BindMount("/x"),
    "dst=x,rw": BindMount("/app/x", read_only=False),
    "target=x,rw=false": BindMount("/app/x"),
    "target=x,ro=0": BindMount("/app/x", read_only=False),
    "target=x,readwrite,from=made,src=/../$A/./y": BindMount("/app/x", FromStage(0), "x/y", read_only=False),
    "type=bind,target=x,from=node:18": BindMount("/app/x", FromImage("node:18")),
    "type=cache,target=x": CacheMount("/app/x", "/app/x"),
    "type=CACHE,target=/x,id=$A,sharing=LOCKED,ro": CacheMount("/x", "x", "locked", read_only=True),
    "type=cache,target=/x,from=0,source=y": CacheMount("/x", "/x", origin=FromStage(0), source="y"),
    "type=cache,target=/x,mode=0770,uid=1,gid=2": CacheMount("/x", "/x", mode=0o770, uid=1, gid=2),
    "type=tmpfs,target=/x": TmpfsMount("/x"),
    "type=tmpfs,target=/x,size=2k": TmpfsMount("/x", 2048),
    "type=secret,id=t": SecretMount("t", "/run/secrets/t"),
    "type=secret,id=../t": SecretMount("../t", "/run/secrets/t"),
    "type=secret,target=/etc/t": SecretMount("t", "/etc/t"),
    "type=secret,id=t,env=T,required": SecretMount("t", variable="T", required=True),
    "type=ssh": SshMount(),
    "type=ssh,id=a,target=/s,required=1,mode=666": SshMount("a", "/s", required=True, mode=0o666),
}


@pytest.mark.parametrize(("words", "mount"), MOUNTS.items(), ids=MOUNTS)
def test_words_of_a_mount_become_a_value(words: str, mount: RunMount) -> None:
    assert effect(f"--mount={words}").mounts == (mount,)


def test_a_mount_knows_its_place_for_errors_to_come() -> None:
    (mount,) = effect("--mount=type=secret,id=t,required").mounts
    assert mount.span and mount.span.text == "type=secret,id=t,required"


def test_several_mounts_keep_their_order() -> None:
    mounts = effect("--mount=type=tmpfs,target=/b --mount=type=tmpfs,target=/a").mounts
    assert mounts == (TmpfsMount("/b"), TmpfsMount("/a"))


def test_what_a_command_mounts_is_where_it_takes_files_from() -> None:
    flags = "--mount=target=/a --mount=from=made,target=/b --mount=type=cache,target=/c --mount=type=ssh"
    assert origins_of(effect(flags)) == (FromContext(), FromStage(0))


def test_a_variable_that_makes_no_value_is_an_error_at_its_name() -> None:
    caught = error("RUN --mount=type=cache,target=/x,uid=$A true", HERE)
    assert (caught.message, caught.span and caught.span.text) == ("--mount's uid wants a number, got 'x'", "$A")


SIZES = {
    "0": 0,
    "1": 1,
    "64m": 64 << 20,
    "1G": 1 << 30,
    "1.5 KiB": 1536,
    "2tb": 2 << 40,
    "": None,
    "m": None,
    "-1": None,
}


@pytest.mark.parametrize(("text", "size"), SIZES.items(), ids=SIZES)
def test_sizes_are_written_as_docker_does(text: str, size: int | None) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    ("flag", "target"),
    [
        ("""--mount='type=bind,"target=/a,b"'""", "/a,b"),
        (r"--mount=type=bind,\"target=/a,b\"", "/a,b"),
        ("--mount=type=bind,'target=/a b'", "/a b"),
    ],
)
def test_a_target_with_a_comma_or_a_blank_stands_in_quotes(flag: str, target: str) -> None:
    assert [mount.target for mount in effect(flag).mounts] == [target]


@pytest.mark.parametrize("flag", [r"--mount=type=bind,target=/a\"b", """--mount='"type=bind",target=/x,"'"""])
def test_a_quote_inside_an_item_is_pointed_at(flag: str) -> None:
    caught = error(f"RUN {flag} x")
    assert (caught.message, caught.span and caught.span.text) == ("--mount has a quote out of place", '"')
