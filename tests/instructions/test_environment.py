"""ENV, USER, WORKDIR."""

from dataclasses import replace

import pytest

from minibuild.instructions.effects import MakeDirectory
from minibuild.oci import ContainerConfig
from tests.instructions.reading import after, config, error, findings, history, read, state


def test_values_of_one_env_are_worked_out_with_those_before_it() -> None:
    assert config("ENV abc=bye def=$abc", state(abc="hello")).environment == (("abc", "bye"), ("def", "hello"))


def test_a_variable_keeps_its_place_when_it_is_set_again() -> None:
    base = ContainerConfig(environment=(("A", "1"), ("B", "2")))
    assert config("ENV A=3 C=4", state(base)).environment == (("A", "3"), ("B", "2"), ("C", "4"))


def test_env_hides_an_argument_of_that_name() -> None:
    assert after("ENV A=env", state(A="arg")).variables["A"] == "env"


def test_the_old_form_takes_the_rest_of_the_line_and_is_warned_of() -> None:
    assert config('ENV A b  "c"=d $X', state(X="x")).environment == (("A", "b  c=d x"),)
    (finding,) = findings("ENV A b")
    assert (finding.rule, finding.hint) == ("LegacyKeyValueFormat", "write ENV A=b")


def test_env_stands_in_the_history_with_its_values() -> None:
    assert history('ENV A="x y" B=$C', state(C="c")) == "ENV A=x y B=c"


def test_an_undefined_variable_is_reported_where_it_stands_with_the_nearest_name() -> None:
    (finding,) = findings('LABEL "maintainer"=$email', state(emali="x"))
    assert (finding.rule, finding.hint) == ("UndefinedVar", "did you mean emali?")
    assert finding.span is not None and finding.span.column == 21


def test_a_variable_above_from_is_told_to_be_declared_again() -> None:
    before = replace(state(), global_arguments={"V": "1"})
    (finding,) = findings("ENV A=$V", before)
    assert finding.hint == "ARG V above the first FROM is for FROM lines: say ARG V in this stage too"


def test_what_only_a_shell_knows_is_not_reported() -> None:
    assert findings("ENV A=$1$@$?") == []


def test_user_is_kept_as_it_is_said() -> None:
    assert config("USER $U:staff", state(U="app")).user == "app:staff"


@pytest.mark.parametrize(
    ("before", "path", "directory"),
    [
        ("", "a", "/a"),
        ("/a", "b", "/a/b"),
        ("/a", "/b", "/b"),
        ("/a/b", "..", "/a"),
        ("/a", "../../..", "/"),
        ("/a", ".", "/a"),
        ("/", "//x//y/", "/x/y"),
        ("/a", "~", "/a/~"),
    ],
)
def test_directories_go_on_from_each_other(before: str, path: str, directory: str) -> None:
    assert config(f"WORKDIR {path}", state(ContainerConfig(directory=before))).directory == directory


def test_a_directory_is_made_for_the_user() -> None:
    before = state(ContainerConfig(user="app:staff", directory="/srv"))
    assert read("WORKDIR x").effect(before) == MakeDirectory("/srv/x", "app:staff")


def test_the_root_is_not_made() -> None:
    assert read("WORKDIR /").effect(state()) is None


def test_only_the_first_relative_directory_of_a_stage_is_warned_of() -> None:
    assert [finding.rule for finding in findings("WORKDIR a")] == ["WorkdirRelativePath"]
    assert findings("WORKDIR a", replace(state(), own_keywords=frozenset({"WORKDIR"}))) == []
    assert findings("WORKDIR /a") == []


@pytest.mark.parametrize(
    ("text", "at"), [("ENV A", "A"), ("ENV a=1 b", "b"), ("ENV ''=x", "''=x"), ("USER", "USER"), ("WORKDIR", "WORKDIR")]
)
def test_errors_point_at_the_word(text: str, at: str) -> None:
    span = error(text).span
    assert span is not None and span.text == at
