"""FROM, ARG, ONBUILD, and what all instructions share: flags, the table."""

from dataclasses import replace

import pytest

from minibuild.dockerfile.parse import KEYWORDS
from minibuild.instructions import INSTRUCTIONS, From
from tests.instructions.reading import after, config, error, history, read, state


def test_every_keyword_of_the_grammar_has_its_class() -> None:
    assert tuple(INSTRUCTIONS) == tuple(sorted(KEYWORDS))
    assert all(instruction.keyword == keyword for keyword, instruction in INSTRUCTIONS.items())


def test_from_has_an_image_a_name_and_a_platform() -> None:
    head = read("FROM --platform=$BUILDPLATFORM node:18 as Build")
    assert isinstance(head, From)
    assert (str(head.image), head.stage_name, str(head.platform)) == ("node:18", "build", "$BUILDPLATFORM")


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("FROM", "FROM"),
        ("FROM a b", "b"),
        ("FROM a b c", "b"),
        ("FROM a AS b c", "c"),
        ("FROM a AS 1x", "1x"),
        ("FROM a AS b/c", "b/c"),
        ("FROM a AS é", "é"),
        ("FROM --platfrom=x a", "--platfrom"),
    ],
)
def test_errors_of_from_point_at_the_word(text: str, at: str) -> None:
    span = error(text).span
    assert span is not None and span.text == at


def test_an_argument_takes_its_default() -> None:
    assert after("ARG A=1 B=$A C").variables == {"A": "1", "B": "1"}


def test_an_argument_takes_what_was_given_before_its_default() -> None:
    before = replace(state(), build_arguments={"A": "given"})
    assert after('ARG A="${X:?never looked at}"', before).variables == {"A": "given"}


def test_an_argument_without_default_takes_the_global_one() -> None:
    before = replace(state(), global_arguments={"A": "global"})
    assert after("ARG A", before).variables == {"A": "global"}
    assert after("ARG A=own", before).variables == {"A": "own"}


def test_an_argument_without_any_value_leaves_a_variable_as_it_is() -> None:
    assert after("ARG A", state(A="env")).variables == {"A": "env"}


def test_an_argument_hides_a_variable_but_not_in_the_configuration() -> None:
    before = after("ENV A=env")
    declared = after("ARG A=arg", before)
    assert (declared.variables["A"], declared.config) == ("arg", before.config)


def test_arguments_stand_in_the_history_with_their_values() -> None:
    assert history('ARG A="1 2" B', replace(state(), global_arguments={"B": "b"})) == "ARG A=1 2 B=b"
    assert history("ARG C") == "ARG C"


def test_a_trigger_is_kept_as_its_text() -> None:
    text = "onbuild COPY --chown=a \\\n  <<-EOF . /x/\n\tone\n\tEOF\n"
    assert config(text).on_build == ("COPY --chown=a   <<-EOF . /x/\none\nEOF",)


def test_a_trigger_is_checked_when_it_is_kept() -> None:
    assert error("ONBUILD COPY --form=x a b").hint == "did you mean --from?"
    assert error("ONBUILD WORKDIR").message == "WORKDIR wants a path"


@pytest.mark.parametrize(
    ("text", "at", "message", "hint"),
    [
        ("USER --x a", "--x", "unknown flag --x for USER", "USER takes no flags"),
        ("COPY --form=a b c", "--form", "unknown flag --form for COPY", "did you mean --from?"),
        ("COPY --CHOWN=a b c", "--CHOWN", "unknown flag --CHOWN for COPY", "did you mean --chown?"),
        ("FROM --zzz a", "--zzz", "unknown flag --zzz for FROM", "FROM takes --platform"),
        ("COPY --chown=a --chown=a b c", "--chown=a", "--chown is given twice", ""),
        ("COPY --chown b c", "--chown", "--chown wants a value", "write --chown=…, without blanks"),
        ("COPY --link=1 b c", "1", "--link wants true or false, got '1'", ""),
    ],
)
def test_flags_are_known_once_and_whole(text: str, at: str, message: str, hint: str) -> None:
    caught = error(text)
    assert (caught.span and caught.span.text, caught.message, caught.hint) == (at, message, hint)
