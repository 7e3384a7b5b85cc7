"""CMD, ENTRYPOINT, SHELL, HEALTHCHECK."""

from dataclasses import replace

import pytest

from minibuild.oci import ContainerConfig
from minibuild.oci.config import Healthcheck
from tests.instructions.reading import after, config, error, history, read, state


def test_a_shell_form_is_one_argument_of_the_shell() -> None:
    assert config('CMD echo "a b"  c').command == ("/bin/sh", "-c", 'echo "a b"  c')


def test_an_exec_form_is_not_expanded() -> None:
    assert config('CMD ["echo", "$A"]', state(A="1")).command == ("echo", "$A")


def test_an_empty_command_is_said_to_be_empty() -> None:
    assert config("CMD []", state(ContainerConfig(command=("old",)))).command == ()


def test_an_empty_entrypoint_takes_the_old_one_away() -> None:
    assert config("ENTRYPOINT []", state(ContainerConfig(entrypoint=("old",)))).entrypoint is None


def test_an_entrypoint_forgets_the_command_of_the_base() -> None:
    base = state(ContainerConfig(command=("node",)))
    assert config('ENTRYPOINT ["x"]', base).command is None


def test_an_entrypoint_keeps_the_command_of_its_own_stage() -> None:
    own = replace(state(ContainerConfig(command=("mine",))), own_keywords=frozenset({"CMD"}))
    assert config('ENTRYPOINT ["x"]', own).command == ("mine",)


def test_shell_forms_are_given_to_the_shell_that_was_chosen() -> None:
    chosen = after('SHELL ["/bin/bash", "-ec"]')
    assert chosen.config.shell == ("/bin/bash", "-ec")
    assert config("ENTRYPOINT x", chosen).entrypoint == ("/bin/bash", "-ec", "x")


def test_commands_stand_in_the_history_in_quotes_of_go() -> None:
    assert history('CMD ["a", "b\\"c"]') == r'CMD ["a" "b\"c"]'
    assert history("ENTRYPOINT x") == 'ENTRYPOINT ["/bin/sh" "-c" "x"]'
    assert history('SHELL ["/bin/bash", "-c"]') == "SHELL [/bin/bash -c]"


def test_a_healthcheck_keeps_nanoseconds() -> None:
    check = config("HEALTHCHECK --interval=1m30s --timeout=500ms --retries=3 CMD curl -f x || exit 1").healthcheck
    assert check == Healthcheck(("CMD-SHELL", "curl -f x || exit 1"), 90 * 10**9, 5 * 10**8, retries=3)


def test_a_healthcheck_has_an_exec_form_of_its_own() -> None:
    assert config('HEALTHCHECK CMD [ "probe", "a b" ]').healthcheck == Healthcheck(("CMD", "probe", "a b"))


def test_a_healthcheck_may_be_switched_off() -> None:
    assert config("HEALTHCHECK none").healthcheck == Healthcheck(("NONE",))


def test_a_healthcheck_stands_in_the_history_as_go_prints_the_struct() -> None:
    line = history("HEALTHCHECK --interval=30s --start-interval=1s --retries=200 CMD x")
    assert line == 'HEALTHCHECK &{["CMD-SHELL" "x"] "30s" "0s" "0s" "1s" \'È\'}'


@pytest.mark.parametrize(
    ("text", "at", "message"),
    [
        ("CMD", "CMD", "CMD wants a command"),
        ("SHELL /bin/sh", "/bin/sh", "SHELL wants a JSON array of strings, got '/bin/sh'"),
        ("HEALTHCHECK --interval=999us CMD x", "999us", "--interval wants at least 1ms, or 0 to inherit, got '999us'"),
        ("HEALTHCHECK --retries=x CMD x", "x", "--retries wants a number from 0 on, got 'x'"),
        (
            "HEALTHCHECK --retries=2147483648 CMD x",
            "2147483648",
            "--retries wants a number from 0 on, got '2147483648'",
        ),
        ("HEALTHCHECK CMD []", "CMD", "HEALTHCHECK CMD wants a command"),
        ("HEALTHCHECK CDM x", "CDM", "HEALTHCHECK wants CMD or NONE, got 'CDM'"),
    ],
)
def test_errors_point_at_the_word(text: str, at: str, message: str) -> None:
    caught = error(text)
    assert (caught.span.text if caught.span else "", caught.message) == (at, message)


def test_instructions_compare_by_what_they_mean() -> None:
    assert read("CMD x") == read("\n\n  cmd   x")
