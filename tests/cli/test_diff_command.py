"""``minibuild diff`` says what differs first, ends with 1 then, and finds images wherever they are."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from minibuild.oci import Image
from tests.cli.conftest import Shell

DOCKERFILE = "FROM scratch\nCOPY f /f\nENV A={a}\n"


@pytest.fixture
def build(shell: Shell, tmp_path: Path) -> Callable[..., str]:
    """Builds an image out of a file's text and a variable, as of the year 2001; answers its ID."""

    def build(name: str, text: str, a: str = "1", *words: str) -> str:
        context = tmp_path / "context"
        context.mkdir(exist_ok=True)
        (context / "Dockerfile").write_text(DOCKERFILE.format(a=a))
        (context / "f").write_text(text)
        os.utime(context / "f", (1, 1))
        epoch = ("--build-arg", "SOURCE_DATE_EPOCH=1000000000")
        return shell("build", "-q", "-t", name, "--no-cache", *epoch, *words, str(context)).out.strip()

    return build


def test_the_first_layer_path_and_field_stand_before_all_else(shell: Shell, build: Callable[..., str]) -> None:
    one, other = build("a", "one"), build("b", "ten", "2")
    done = shell("diff", "a", "b")
    assert (done.status, done.err) == (1, "")
    assert done.out.splitlines()[:6] == [
        f"a  {one}  linux/amd64",
        f"b  {other}  linux/amd64",
        "layer 1, made by COPY f /f # buildkit: 1 of 1 entries differ",
        "  /f content: sha256:7692c3ad3540 → sha256:e4432baa9081, from byte 0 on",
        "configuration",
        "  config.Env.A: 1 → 2",
    ]


def test_equal_images_end_with_0_wherever_they_are(shell: Shell, build: Callable[..., str], tmp_path: Path) -> None:
    archive = tmp_path / "a.tar"
    image = build("a", "one", "1", "-o", f"type=oci,compression=gzip,dest={archive}")
    done = shell("diff", "--progress=quiet", "a", f"oci-archive:{archive}")
    assert (done.status, done.err) == (0, "")
    assert done.out.startswith(f"a and oci-archive:{archive} are the same image for linux/amd64: {image}\n")
    assert "only the form of their blobs differs" in done.out


def test_programs_get_all_of_it(shell: Shell, build: Callable[..., str]) -> None:
    one, other = build("a", "one"), build("b", "one", "2")
    document = json.loads(shell("diff", "--format=json", "a", "b").out)
    assert document["equal"] is False
    (image,) = document["images"]
    assert (image["left"]["id"], image["right"]["id"], image["layers"]) == (one, other, [])
    assert image["configuration"] == [{"field": "config.Env.A", "left": "1", "right": "2"}]
    assert image["history"] == [{"line": 2, "field": "created_by", "left": "ENV A=1", "right": "ENV A=2"}]


def test_a_platform_that_one_lacks_is_a_difference(shell: Shell, build: Callable[..., str]) -> None:
    build("two", "one", "1", "--platform=linux/amd64,linux/arm64")
    build("one", "one", "1", "--platform=linux/arm64")
    assert shell("diff", "two", "one").status == 0
    build("three", "one", "1", "--platform=linux/amd64,linux/386")
    done = shell("diff", "two", "three")
    assert done.status == 1
    assert "two is for linux/arm64 too, and three isn't\n" in done.out
    assert "three is for linux/386 too, and two isn't\n" in done.out
    assert shell("diff", "--platform=linux/amd64", "two", "three").status == 0


def test_archives_are_compared_with_all_their_platforms(
    shell: Shell, build: Callable[..., str], tmp_path: Path
) -> None:
    places = [str(tmp_path / name) for name in ("one.tar", "two")]
    build("one", "one", "1", "--platform=linux/amd64,linux/arm64", "-o", f"type=oci,dest={places[0]}")
    build("two", "one", "1", "--platform=linux/amd64,linux/386", "-o", f"type=oci,tar=false,dest={places[1]}")
    done = shell("diff", "--progress=quiet", f"oci-archive:{places[0]}", f"oci-layout:{places[1]}")
    assert (done.status, done.err) == (1, "")
    assert [line.split()[-6:] for line in done.out.splitlines()[1:]] == [
        f"is for linux/{name} too, and {place} isn't".split()[-6:]
        for name, place in (("arm64", f"oci-layout:{places[1]}"), ("386", f"oci-archive:{places[0]}"))
    ]
    assert shell("diff", "--progress=quiet", "one", f"oci-archive:{places[0]}").status == 0


def test_an_id_that_is_not_there_is_asked_of_no_registry(shell: Shell, add: Callable[..., Image]) -> None:
    add("a")
    done = shell("diff", "a", "deadbeef")
    assert (done.status, done.err) == (
        7,
        "error: no image 'deadbeef' in the store\nhint: `minibuild images` lists them\n",
    )


def test_a_form_there_is_none_of_is_refused(shell: Shell) -> None:
    done = shell("diff", "--format=jsn", "a", "b")
    assert (done.status, done.err) == (2, "error: --format knows no 'jsn'\nhint: did you mean json?\n")
