"""What there is to choose in a Dockerfile, as ``--call`` tells it."""

from __future__ import annotations

from minibuild.oci import Image, Platform
from minibuild.plan import Options, plan, read
from minibuild.plan.outline import Outline, outline_of, targets_of
from minibuild.source import Source, Span

DOCKERFILE = """\
# GO which go to build with
ARG GO=1.22
ARG SUFFIX=alpine
ARG VARIANT=-${SUFFIX}
ARG TAG=${GO}${VARIANT}
ARG UNUSED=1
# build compiles the program
# check=skip=all
FROM golang:${TAG} AS build
# LEVEL how much to optimize
ARG LEVEL=2 EXTRA
ARG GO
RUN --mount=type=secret,id=token --mount=type=cache,target=/c make -O$LEVEL
RUN --mount=type=secret,id=token,required --mount=type=ssh make push

# a comment that describes nothing
FROM scratch AS other
ARG OTHER
RUN --mount=type=secret,id=other true
# app is the last
FROM scratch
COPY --from=build /p /p
"""


def nothing_known(_name: str, platform: Platform, _span: Span) -> Image:
    return Image.scratch(platform)


def outline(options: Options) -> Outline:
    dockerfile = read(Source("Dockerfile", DOCKERFILE))
    return outline_of(dockerfile, plan(dockerfile, nothing_known, options), options)


def test_targets_are_the_stages_with_the_comments_that_name_them() -> None:
    targets = targets_of(read(Source("Dockerfile", DOCKERFILE)))
    assert [(target.name, target.description, target.is_default) for target in targets] == [
        ("build", "compiles the program", False),
        ("other", "", False),
        ("", "", True),
    ]
    assert [(target.base, target.span.line) for target in targets] == [
        ("golang:${TAG}", 9),
        ("scratch", 17),
        ("scratch", 21),
    ]


def test_arguments_are_those_that_the_target_depends_on_in_the_order_of_the_file() -> None:
    told = outline(Options(build_arguments={"LEVEL": "3"}))
    assert [(each.name, each.value, each.description, each.span.line) for each in told.arguments] == [
        ("GO", "1.22", "which go to build with", 2),
        ("SUFFIX", "alpine", "", 3),
        ("VARIANT", "-alpine", "", 4),
        ("TAG", "1.22-alpine", "", 5),
        ("LEVEL", "3", "how much to optimize", 11),
        ("EXTRA", "", "", 11),
    ]


def test_a_secret_is_required_where_any_command_requires_it() -> None:
    told = outline(Options())
    assert [(each.id, each.span.line, each.is_required) for each in told.secrets] == [("token", 13, True)]
    assert [(each.id, each.span.line, each.is_required) for each in told.agents] == [("default", 14, False)]
    assert [(each.id, each.span.line) for each in told.caches] == [("/c", 13)]


def test_another_target_takes_other_things() -> None:
    told = outline(Options(target="other"))
    assert (told.name, [each.name for each in told.arguments]) == ("other", ["OTHER"])
    assert [each.id for each in told.secrets] == ["other"]
