"""Stages: which are needed, what they begin with, whom ``lookup`` is asked for."""

from __future__ import annotations

import pytest

from minibuild.dockerfile import parse
from minibuild.errors import DockerfileError, ImageError, UsageError
from minibuild.instructions.base import DEFAULT_PATH
from minibuild.instructions.effects import FromImage, FromStage
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Lookup, Options, Plan, plan
from minibuild.source import Source, Span

AMD64 = Platform("linux", "amd64")


class Images:
    """A lookup that has every image, all with one configuration, and remembers what it was asked for."""

    def __init__(self, config: ContainerConfig | None = None, author: str = "") -> None:
        self.config = config or ContainerConfig()
        self.author = author
        self.asked: list[tuple[str, str, str]] = []

    def __call__(self, name: str, platform: Platform, span: Span) -> Image:
        self.asked.append((name, str(platform), span.text))
        return Image.compose(ImageConfig(platform, self.config, author=self.author), ())


def planned(text: str, images: Lookup | None = None, **options: object) -> Plan:
    """The plan of a text, for amd64 unless said otherwise."""
    asked = Options(**{"platform": AMD64, "build_platform": AMD64, **options})  # type: ignore[arg-type]
    return plan(parse(Source("Dockerfile", text)), images or Images(), asked)


def test_only_bases_of_needed_stages_are_looked_up_each_once_in_order() -> None:
    images = Images()
    text = "FROM a AS x\nFROM b\nFROM c AS y\nCOPY --from=x f f\nFROM d\nCOPY --from=y f f\nCOPY --from=img f f\n"
    assert planned(text, images).order == (0, 2, 3)
    assert [name for name, _, _ in images.asked] == ["a", "c", "d"]


def test_lookup_gets_the_name_expanded_the_platform_and_the_place() -> None:
    images = Images()
    planned("ARG V=1\nFROM --platform=linux/arm64 node:$V\n", images)
    assert images.asked == [("node:1", "linux/arm64", "node:$V")]


def test_an_unneeded_stage_has_a_base_but_no_steps() -> None:
    outline = planned("FROM a AS one\nFROM one\nFROM b\n").stages[1]
    assert (outline.base, outline.steps, outline.image) == (FromStage(0), (), None)


@pytest.mark.parametrize(("base", "directory"), [("a", ""), ("scratch", "/")])
def test_a_base_gets_a_path_where_it_says_none_and_scratch_a_directory_too(base: str, directory: str) -> None:
    config = planned(f"FROM {base}\n").stages[0].result.config
    assert (config.environment, config.directory) == ((("PATH", DEFAULT_PATH),), directory)


def test_a_base_keeps_what_it_says_but_its_triggers_and_args_escaped() -> None:
    base = ContainerConfig(
        environment=(("PATH", "/bin"),), directory="/w", on_build=("RUN x",), args_escaped=True, extra={"Other": 1}
    )
    config = planned("FROM a\n", Images(base)).stages[0].result.config
    assert config == ContainerConfig(environment=(("PATH", "/bin"),), directory="/w", extra={"Other": 1})


def test_the_author_of_the_base_stays() -> None:
    assert planned("FROM a\n", Images(author="Anna")).stages[0].result.author == "Anna"


def test_triggers_are_steps_right_after_from_and_gone_afterwards() -> None:
    images = Images(ContainerConfig(on_build=("WORKDIR /t", "RUN made")))
    stage = planned("FROM a\nRUN own\n", images).stages[0]
    assert [(step.number, step.statement.keyword) for step in stage.steps] == [
        (1, "FROM"),
        (2, "WORKDIR"),
        (3, "RUN"),
        (4, "RUN"),
    ]
    assert stage.result.config.on_build == ()


def test_triggers_do_not_reach_grandchildren() -> None:
    text = "FROM a AS one\nONBUILD RUN t\nFROM one AS two\nFROM two\n"
    stages = planned(text).stages
    assert [len(stage.steps) for stage in stages] == [2, 2, 1]


def test_a_trigger_that_copies_from_a_stage_makes_it_needed() -> None:
    images = Images(ContainerConfig(on_build=("COPY --from=two f f",)))
    result = planned("FROM scratch AS one\nFROM one AS two\nFROM a\n", images)
    assert (result.order, result.stages[2].needs) == ((0, 1, 2), frozenset({1}))


def test_a_stage_on_a_stage_has_its_platform() -> None:
    stages = planned("FROM --platform=linux/arm64 a AS one\nFROM one\n").stages
    assert str(stages[1].platform) == "linux/arm64"


def test_a_name_in_lower_case_is_found_however_it_is_written() -> None:
    assert planned("FROM a AS Base\nFROM BASE\n").stages[1].base == FromStage(0)


def test_a_number_in_from_is_an_image() -> None:
    assert planned("FROM a\nFROM 0\n").stages[1].base == FromImage("0")


def test_a_stage_named_like_its_image_is_based_on_the_image() -> None:
    assert planned("FROM node AS node\n").stages[0].base == FromImage("node")


def test_a_named_context_wins_over_a_stage() -> None:
    result = planned("FROM a AS base\nFROM Base\n", contexts=frozenset({"base"}))
    assert (result.stages[1].base, result.order) == (FromImage("base"), (1,))


def test_three_hundred_stages_on_each_other_are_planned() -> None:
    chain = "".join(f"FROM s{n} AS s{n + 1}\nENV A{n}=1\n" for n in range(300))
    assert len(planned(f"FROM scratch AS s0\n{chain}").order) == 301


def test_a_failed_lookup_blames_from() -> None:
    def nothing(name: str, platform: Platform, _span: Span) -> Image:
        raise ImageError(f"no {name} for {platform}")

    with pytest.raises(ImageError) as caught:
        planned("FROM a\n", nothing)
    assert caught.value.span is not None and caught.value.span.text == "a"


def test_errors_of_all_statements_come_together_before_any_lookup() -> None:
    images = Images()
    with pytest.raises(DockerfileError) as caught:
        planned("FROM a\nUSER\nRUN ok\nWORKDIR\n", images)
    lines = [error.span.line for error in (caught.value, *caught.value.others) if error.span]
    assert (lines, images.asked) == ([2, 4], [])


def test_an_instruction_that_fails_does_not_hide_the_next() -> None:
    with pytest.raises(DockerfileError) as caught:
        planned("FROM a\nENV A=${B:?x}\nEXPOSE http\n")
    assert [error.message for error in caught.value.others] == ["EXPOSE wants a port from 0 to 65535, got 'http'"]


def test_a_target_that_is_not_there_is_a_wrong_command_line() -> None:
    with pytest.raises(UsageError, match="no stage has the name 'biuld'") as caught:
        planned("FROM a AS build\n", target="biuld")
    assert caught.value.hint == "did you mean build (line 1)?"


def test_the_history_of_from_and_onbuild_has_no_line() -> None:
    stage = planned("FROM a\nONBUILD RUN x\nENV A=1\n").stages[0]
    assert [step.history for step in stage.steps] == ["", "", "ENV A=1"]


def test_a_build_argument_that_a_trigger_declares_is_used() -> None:
    images = Images(ContainerConfig(on_build=("ARG T",)))
    assert planned("FROM a\n", images, build_arguments={"T": "1"}).findings == ()


def test_a_build_argument_of_an_unneeded_stage_is_used() -> None:
    assert planned("FROM a\nARG X\nFROM a\n", build_arguments={"X": "1"}).findings == ()


def test_build_arguments_override_the_platform() -> None:
    text = "FROM --platform=$TARGETPLATFORM a\nARG TARGETARCH\n"
    stage = planned(text, build_arguments={"TARGETPLATFORM": "linux/s390x", "TARGETARCH": "own"}).stages[0]
    assert (str(stage.platform), stage.result.variables["TARGETARCH"]) == ("linux/s390x", "own")


def test_the_same_text_gives_the_same_plan() -> None:
    text = "FROM a AS b\nENV A=$X\nFROM b\nCOPY --from=b f f\n"
    assert planned(text) == planned(text)


SEVERAL = "FROM a AS one\nFROM b AS two\nFROM one AS three\nFROM c AS four\n"


def test_several_targets_need_the_stages_of_all_of_them_each_once() -> None:
    images = Images()
    result = planned(SEVERAL, images, target="three,Two,1")
    assert (result.targets, result.target, result.order) == ((2, 1), 1, (0, 1, 2))
    assert [name for name, _, _ in images.asked] == ["a", "b"]


def test_all_stages_are_planned_where_that_is_asked_and_the_target_stays_the_last() -> None:
    result = planned(SEVERAL, all_stages=True)
    assert (result.targets, result.order) == ((3,), (0, 1, 2, 3))
    assert all(stage.steps for stage in result.stages)


@pytest.mark.parametrize("target", [",", "one,", "one,,two"])
def test_an_empty_name_among_several_targets_is_a_wrong_command_line(target: str) -> None:
    with pytest.raises(UsageError, match="has a name too few"):
        planned(SEVERAL, target=target)


@pytest.mark.parametrize(
    ("text", "target", "stage"),
    [
        ("FROM a AS one\nFROM a\nARG TARGETSTAGE\n", "", "default"),
        ("FROM a AS one\nFROM a\nARG TARGETSTAGE\n", "1", "1"),
        (SEVERAL + "ARG TARGETSTAGE\n", "", "four"),
        (SEVERAL + "ARG TARGETSTAGE\n", "Four", "Four"),
    ],
)
def test_the_stage_that_is_the_result_is_known_as_it_was_asked_for(text: str, target: str, stage: str) -> None:
    assert planned(text, target=target).stages[-1].result.variables["TARGETSTAGE"] == stage


NAMED = "FROM scratch AS base\n{}FROM base AS one\nARG TARGETSTAGE\nFROM base AS two\nARG TARGETSTAGE\n"


def test_each_of_several_targets_is_called_by_its_own_name() -> None:
    stages = planned(NAMED.format(""), target="one,two").stages
    assert [stage.result.variables.get("TARGETSTAGE") for stage in stages] == [None, "one", "two"]


@pytest.mark.parametrize("line", ["ARG TARGETSTAGE\nLABEL of=$TARGETSTAGE\n", "ARG TARGETSTAGE\nRUN x\n"])
def test_a_stage_that_is_another_for_each_of_several_targets_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match="stage base depends on TARGETSTAGE: for target two it is not") as caught:
        planned(NAMED.format(line), target="one,two")
    assert caught.value.span is not None and caught.value.span.line == 1


def test_a_target_that_another_target_is_based_on_is_refused_where_it_wants_to_know_which_is_built() -> None:
    text = "ARG SUFFIX=-$TARGETSTAGE\nFROM scratch AS one\nARG SUFFIX\nLABEL of=$SUFFIX\nFROM one AS two\n"
    assert planned(text, target="two").stages[0].result.config.labels == {"of": "-two"}
    with pytest.raises(UsageError, match="stage one depends on TARGETSTAGE"):
        planned(text, target="one,two")


def test_a_base_that_the_name_of_the_target_chooses_is_chosen_for_each_target() -> None:
    text = "FROM a AS for-one\nFROM b AS for-two\nFROM for-$TARGETSTAGE AS one\nFROM for-$TARGETSTAGE AS two\n"
    assert [planned(text, target=target).order for target in ("one", "two", "one,two")] == [
        (0, 2),
        (1, 3),
        (0, 1, 2, 3),
    ]


def test_one_mistake_above_the_first_from_is_told_once_for_several_targets() -> None:
    with pytest.raises(DockerfileError) as caught:
        planned("ARG A=${B:?x}\n" + SEVERAL, target="one,two")
    assert (caught.value.message, caught.value.others) == ("B is not set: x", ())


def test_all_arguments_of_the_platform_are_there_without_a_global_arg_and_in_a_stage_by_their_name() -> None:
    names = [f"{whose}{what}" for whose in ("TARGET", "BUILD") for what in ("PLATFORM", "OS", "OSVERSION", "ARCH")]
    text = f"FROM --platform=$TARGETPLATFORM a\nRUN one\nARG {' '.join([*names, 'TARGETVARIANT', 'BUILDVARIANT'])}\n"
    stage = planned(text, platform=Platform("linux", "arm", "v7")).stages[0]
    assert "TARGETARCH" not in stage.steps[1].before.variables
    values = {name: value for name, value in stage.result.variables.items() if name != "PATH"}
    assert values == {
        "TARGETPLATFORM": "linux/arm/v7",
        "TARGETOS": "linux",
        "TARGETOSVERSION": "",
        "TARGETARCH": "arm",
        "BUILDPLATFORM": "linux/amd64",
        "BUILDOS": "linux",
        "BUILDOSVERSION": "",
        "BUILDARCH": "amd64",
        "TARGETVARIANT": "v7",
        "BUILDVARIANT": "",
    }


def test_a_stage_on_a_stage_inherits_its_arguments_and_another_does_not() -> None:
    text = "ARG G=global\nFROM a AS one\nARG G\nARG L=local\nFROM one AS heir\nFROM a AS stranger\nARG G=own\n"
    stages = planned(text, all_stages=True).stages
    seen = [{name: value for name, value in stage.result.variables.items() if name != "PATH"} for stage in stages]
    assert seen == [{"G": "global", "L": "local"}, {"G": "global", "L": "local"}, {"G": "own"}]


@pytest.mark.parametrize(
    ("name", "value", "message", "hint"),
    [
        ("BUILDKIT_INLINE_CACHE", "1", "--build-arg BUILDKIT_INLINE_CACHE has no effect", "the store is the cache"),
        ("BUILDKIT_MULTI_PLATFORM", "1", "--build-arg BUILDKIT_MULTI_PLATFORM has no effect", "the result is one"),
        ("BUILDKIT_SYNTAX", "docker/dockerfile:1", "--build-arg BUILDKIT_SYNTAX has no effect", "minibuild reads"),
        ("BUILDKIT_SYNTAX", "a/b", "BUILDKIT_SYNTAX a/b is not docker/dockerfile: the file is read as a plain", ""),
        ("BUILDKIT_SANDBOX_HOST", "1", "no ARG takes --build-arg BUILDKIT_SANDBOX_HOST", "did you mean BUILDKIT_SANDB"),
    ],
)
def test_an_argument_of_buildkit_that_steers_nothing_here_is_warned_of_once(
    name: str, value: str, message: str, hint: str
) -> None:
    [finding] = planned("FROM a AS b\nFROM b\n", build_arguments={name: value}).findings
    assert (finding.message[: len(message)], finding.hint[: len(hint)]) == (message, hint)


@pytest.mark.parametrize("name", ["CACHE_MOUNT_NS", "CONTEXT_KEEP_GIT_DIR", "DOCKERFILE_CHECK", "SANDBOX_HOSTNAME"])
def test_an_argument_of_buildkit_that_steers_this_build_needs_no_arg(name: str) -> None:
    assert planned("FROM a\n", build_arguments={f"BUILDKIT_{name}": ""}).findings == ()
