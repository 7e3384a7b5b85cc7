"""rebase: an image on another base is what building it upon that would give."""

from __future__ import annotations

from dataclasses import replace
from types import MappingProxyType

import pytest

from minibuild.build.rebasing import merged, rebased, risks
from minibuild.layers.entry import Kind
from minibuild.oci import ContainerConfig, Image
from minibuild.store import Store
from tests.build.test_engine import Bench, bench
from tests.transports.conftest import file, image_of, other, store

__all__ = ["bench", "store"]

APP = 'FROM base\nCOPY f /app/f\nENV MODE=fast\nCMD ["app"]\n'
OLD = 'FROM scratch\nCOPY f /etc/release\nENV PATH=/bin LANG=C\nENTRYPOINT ["sh"]\nUSER old\nLABEL a=1 b=1\n'
NEW = "FROM scratch\nCOPY g /etc/release\nCOPY g /more\nENV PATH=/bin:/usr/bin TZ=UTC\nUSER new\nLABEL a=2 c=2\n"


def built(bench: Bench, dockerfile: str, base: Image | None = None) -> Image:
    contexts = {"base": f"oci-layout:{bench.root}@{base.digest}"} if base else {}
    image = bench.build(dockerfile, source_date_epoch=0, named_contexts=contexts).image
    assert isinstance(image, Image)
    return image


def told(bench: Bench, image: Image, old: Image, new: Image) -> list[str]:
    with Store.at(bench.root) as store:
        return list(risks(image, old, new, store))


def test_an_image_rebased_is_the_image_built_upon_the_new_base(bench: Bench) -> None:
    old, new = built(bench, OLD), built(bench, NEW)
    image, wanted = built(bench, APP, old), built(bench, APP, new)
    assert told(bench, image, old, new) == []
    assert rebased(image, old, new).id == wanted.id


def test_it_is_so_too_where_the_history_was_told_otherwise(bench: Bench) -> None:
    old, new = built(bench, OLD), built(bench, NEW)
    image = built(bench, APP, old)
    lines = [replace(line, created="2020-01-01T00:00:00Z") for line in image.config.history if not line.empty_layer]
    image = Image.compose(replace(image.config, history=tuple(lines)), image.layers)
    assert rebased(image, old, new).config.history == (*new.config.history, lines[-1])


@pytest.mark.parametrize(
    ("steps", "risk"),
    [
        ("COPY f /etc/release", "hides what the new base changed: etc/release"),
        ("COPY f /lib/f", "has files below what is no directory in the new base: lib"),
        ("ENV PATH=/app:/bin", "sets variables that the new base changed: PATH"),
    ],
)
def test_what_may_go_wrong_is_told(bench: Bench, steps: str, risk: str) -> None:
    old = built(bench, OLD)
    (bench.context / "tree").mkdir()
    (bench.context / "tree/lib").symlink_to("usr/lib")
    new = built(bench, NEW + "COPY tree /\n")
    assert told(bench, built(bench, f"FROM base\n{steps}\n", old), old, new) == [risk]


def test_a_deletion_of_what_the_new_base_has_not_is_told(store: Store) -> None:
    gone, kept = [other(path, Kind.WHITEOUT, mode=0, mtime=0) for path in ("gone", "kept")]
    old = image_of(store, [file("gone", b"1"), file("kept", b"1")])
    new = image_of(store, [file("kept", b"2")])
    image = image_of(store, [file("gone", b"1"), file("kept", b"1")], [gone, kept])
    assert list(risks(image, old, new, store)) == ["deletes what the new base hasn't: gone"]


def test_new_triggers_of_a_base_are_told(bench: Bench) -> None:
    old = built(bench, OLD)
    new = built(bench, f"{OLD}ONBUILD COPY f /f\n")
    assert told(bench, old, old, new) == ["was built without the ONBUILD instructions of the new base"]


BASE = ContainerConfig(user="old", directory="/old", entrypoint=("e",), command=("c",), exposed_ports=("80/tcp",))
NEXT = ContainerConfig(user="new", directory="/new", entrypoint=("f",), command=("d",), exposed_ports=("81/tcp",))


@pytest.mark.parametrize(
    ("own", "result"),
    [
        ({}, {}),
        ({"user": "own"}, {"user": "own"}),
        ({"command": ("x",)}, {"command": ("x",)}),
        ({"entrypoint": ("x",), "command": None}, {"entrypoint": ("x",), "command": None}),
        ({"exposed_ports": ("80/tcp", "82/tcp")}, {"exposed_ports": ("81/tcp", "82/tcp")}),
        ({"exposed_ports": ()}, {}),
        ({"on_build": ("RUN x",)}, {"on_build": ("RUN x",)}),
    ],
    ids=str,
)
def test_an_image_keeps_what_it_said_and_takes_the_rest(own: dict[str, object], result: dict[str, object]) -> None:
    assert merged(replace(BASE, **own), BASE, NEXT) == replace(NEXT, **result)  # type: ignore[arg-type]


def test_labels_and_variables_are_told_apart_by_their_names() -> None:
    def of(**words: str) -> ContainerConfig:
        return ContainerConfig(environment=tuple(words.items()), labels=MappingProxyType(words))

    own, old, new = of(a="1", b="own", c="own", d="1"), of(a="1", b="1", d="1", e="1"), of(f="2", b="2", a="2", e="2")
    assert merged(own, old, new) == of(f="2", b="own", a="2", c="own")
