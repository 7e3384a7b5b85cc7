"""RUN."""

from dataclasses import replace

import pytest

from minibuild.instructions.effects import InlineFile, RunCommand
from minibuild.oci import ContainerConfig
from tests.instructions.reading import after, error, history, read, state


def run(text: str, **variables: str) -> RunCommand:
    """The effect of a RUN in an empty stage."""
    effect = read(text).effect(state(**variables))
    assert isinstance(effect, RunCommand)
    return effect


def test_a_command_sees_the_state_before_it() -> None:
    config = ContainerConfig(environment=(("A", "1"),), user="app", directory="/w", shell=("sh", "-e"))
    before = replace(state(config, A="1", B="2"), proxies=(("http_proxy", "p"),))
    assert read("RUN make $A").effect(before) == RunCommand(
        ("sh", "-e", "make $A"), (("A", "1"), ("B", "2")), "/w", "app", proxies=(("http_proxy", "p"),)
    )


def test_a_proxy_that_was_declared_is_an_ordinary_variable() -> None:
    before = replace(state(http_proxy="own"), proxies=(("http_proxy", "env"), ("no_proxy", "x")))
    effect = read("RUN x").effect(before)
    assert isinstance(effect, RunCommand)
    assert (effect.environment, effect.proxies) == ((("http_proxy", "own"),), (("no_proxy", "x"),))


def test_an_exec_form_has_no_shell() -> None:
    assert run('RUN ["a", "$B"]', B="1").arguments == ("a", "$B")


def test_a_lone_here_document_is_the_argument_of_the_shell() -> None:
    assert run("RUN <<EOF\nfalse\necho $A\nEOF\n").arguments == ("/bin/sh", "-c", "false\necho $A\n")


def test_tabs_are_gone_from_a_document_that_says_so() -> None:
    assert run("RUN <<-EOF\n\tone\n\t\ttwo\n\tEOF\n").arguments[-1] == "one\ntwo\n"


def test_a_script_is_a_file_that_is_run() -> None:
    effect = run("RUN <<EOF\n#!/usr/bin/env python3\nprint('$A')\nEOF\n", A="1")
    assert effect.arguments == ("/bin/sh", "-c", "/dev/pipes/EOF")
    assert effect.files == (InlineFile("/dev/pipes/EOF", b"#!/usr/bin/env python3\nprint('$A')\n", 0o755),)


def test_a_script_must_have_the_name_of_a_file() -> None:
    caught = error("RUN <<../x\n#!/bin/sh\n../x\n")
    assert caught.message == "a here-document's name becomes a file's, got '../x'"


def test_documents_beside_other_words_are_the_shells() -> None:
    assert run("RUN cat <<A 3<<B\na\nA\nb\nB\n").arguments[-1] == "cat <<A 3<<B\na\nA\nb\nB"


def test_documents_go_with_the_shell_that_was_chosen() -> None:
    chosen = after('SHELL ["python3", "-c"]')
    effect = read("RUN <<EOF\nprint(1)\nEOF\n").effect(chosen)
    assert isinstance(effect, RunCommand) and effect.arguments == ("python3", "-c", "print(1)\n")


@pytest.mark.parametrize("network", ["default", "none", "host"])
def test_networks_there_are(network: str) -> None:
    assert run(f"RUN --network={network} x").network == network


def test_the_history_lists_all_arguments_with_the_values_of_now() -> None:
    before = replace(state(A="1", B="env"), arguments=("A", "B", "C"))
    assert history("RUN x  y", before) == "RUN |3 A=1 B=env C= /bin/sh -c x  y # buildkit"
    assert history('RUN ["a", "b c"]') == "RUN a b c # buildkit"


def test_the_history_lists_an_argument_once_however_often_it_is_declared() -> None:
    assert history("RUN x", after("ARG B=2 A=3", after("ARG A=1"))) == "RUN |2 A=3 B=2 /bin/sh -c x # buildkit"


@pytest.mark.parametrize(
    ("flags", "at", "message"),
    [
        ("--network=x", "x", "--network wants default, none or host, got 'x'"),
        ("--security=x", "x", "--security wants sandbox or insecure, got 'x'"),
        ("--device=x", "--device", "RUN --device is not supported yet"),
        ("--mount=type=tmpfs,target=/x,mode=1", "mode=1", "--mount of type tmpfs has no 'mode'"),
        ("--mount=type=cache,target", "target", "--mount's target wants a value"),
        ("--mount=type=tmpfs", "type=tmpfs", "--mount of type tmpfs wants a target"),
        ("--mount=type=volume", "type=volume", "--mount has the type 'volume', wanted bind, cache, tmpfs, secret, ssh"),
    ],
)
def test_a_flag_that_cannot_be_is_an_error_at_its_word(flags: str, at: str, message: str) -> None:
    caught = error(f"RUN {flags} x")
    assert (caught.message, caught.span and caught.span.text) == (message, at)
