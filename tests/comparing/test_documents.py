"""Configurations, histories and annotations are compared field by field, by the names that the specification gives."""

from __future__ import annotations

from dataclasses import replace

from minibuild.comparing.difference import Difference
from minibuild.comparing.documents import annotated, configurations, histories
from minibuild.comparing.images import paired
from minibuild.oci import ContainerConfig, History, Image, ImageConfig, ImageIndex, Platform

AMD64, ARM64 = Platform("linux", "amd64"), Platform("linux", "arm64")
BARE = ImageConfig(AMD64, created="2024-01-01T00:00:00Z")


def image(config: ContainerConfig = BARE.config, platform: Platform = AMD64, **fields: object) -> Image:
    return Image.compose(replace(BARE, config=config, platform=platform, **fields), ())  # type: ignore[arg-type]


def test_fields_are_told_by_their_names_variables_one_by_one_and_the_time_last() -> None:
    left = image(ContainerConfig(environment=(("A", "1"), ("B", "2")), command=("a",)))
    right = image(ContainerConfig(environment=(("B", "3"),), labels={"x.y": "z"}, command=("b", "c")), created="x")
    assert list(configurations(left, right)) == [
        Difference("", "config.Env.A", "1", None),
        Difference("", "config.Env.B", "2", "3"),
        Difference("", "config.Cmd", ["a"], ["b", "c"]),
        Difference("", "config.Labels.x.y", None, "z"),
        Difference("", "created", "2024-01-01T00:00:00Z", "x"),
    ]


def test_what_nobody_of_us_knows_is_compared_too() -> None:
    assert list(configurations(image(), image(extra={"moby": {"strange": [1]}}))) == [
        Difference("", "moby.strange", None, [1])
    ]


def test_an_empty_field_is_as_good_as_none() -> None:
    assert list(configurations(image(), image(ContainerConfig(extra={"OnBuild": None, "Volumes": {}})))) == []


def test_the_historys_lines_are_told_by_their_numbers() -> None:
    one, other = History(created="then", created_by="RUN a"), History(created="now", created_by="RUN b")
    left, right = image(history=(one,)), image(history=(other, other))
    assert list(histories(left, right)) == [
        Difference("1", "created_by", "RUN a", "RUN b"),
        Difference("1", "created", "then", "now"),
        Difference("2", "presence", None, "RUN b"),
    ]


def test_annotations_are_compared() -> None:
    assert list(annotated(image(), image().annotated({"a": "b"}))) == [Difference("", "a", None, "b")]


def test_indices_are_compared_platform_by_platform() -> None:
    here, there, other = image(), image(platform=ARM64), image(ContainerConfig(user="x"))
    both, alone = ImageIndex.of([here, there]), ImageIndex.of([other])
    assert list(paired(both, alone)) == [("linux/amd64", here, other), ("linux/arm64", there, None)]
    assert list(paired(there, both)) == [("linux/arm64", there, there)]
    assert list(paired(there, other)) == [("linux/arm64", there, other)]
