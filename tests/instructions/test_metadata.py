"""LABEL, MAINTAINER, EXPOSE, VOLUME, STOPSIGNAL."""

import pytest

from minibuild.oci import ContainerConfig
from tests.instructions.reading import after, config, error, findings, history, state


def test_labels_keep_their_order_and_take_the_later_value() -> None:
    base = state(ContainerConfig(labels={"z": "1", "a": "2"}))
    assert list(config('LABEL z=3 "b c"=4', base).labels.items()) == [("z", "3"), ("a", "2"), ("b c", "4")]


def test_a_maintainer_is_the_author_and_deprecated() -> None:
    assert after('MAINTAINER "Anna" $A', state(A="x")).author == '"Anna" $A'
    assert [finding.rule for finding in findings("MAINTAINER x")] == ["MaintainerDeprecated"]


def test_ports_have_protocols_and_ranges_and_come_once() -> None:
    assert config("EXPOSE 80 80/TCP 81-82/udp 9/sctp").exposed_ports == ("80/tcp", "81/udp", "82/udp", "9/sctp")


def test_one_variable_may_hold_several_ports() -> None:
    assert config("EXPOSE $P", state(P="1 2/udp")).exposed_ports == ("1/tcp", "2/udp")


def test_ports_of_the_host_are_left_out_and_warned_of() -> None:
    assert config("EXPOSE 127.0.0.1:8080:80").exposed_ports == ("80/tcp",)
    assert [finding.rule for finding in findings("EXPOSE 8080:80")] == ["ExposeInvalidFormat"]


@pytest.mark.parametrize("port", ["http", "65536", "-1", "1-", "2-1", "1-2-3", "80/", "80/icmp", "/tcp", "٣"])
def test_what_is_no_port(port: str) -> None:
    span = error(f"EXPOSE 1 {port}").span
    assert span is not None and span.text == port


def test_quotes_do_not_protect_blanks_in_volumes() -> None:
    assert config("VOLUME /a /b").volumes == ("/a", "/b")
    assert config('VOLUME ["/a b", "$D"]', state(D="/d")).volumes == ("/a b", "/d")


@pytest.mark.parametrize("signal", ["SIGTERM", "TERM", "term", "15", "SIGRTMIN+3", "RTMAX-1", "64"])
def test_signals_are_names_and_numbers(signal: str) -> None:
    assert config(f"STOPSIGNAL {signal}").stop_signal == signal


@pytest.mark.parametrize("signal", ["FOO", "0", "65", "-9", "SIG", "SIGRTMIN+16", "TERM KILL"])
def test_what_is_no_signal(signal: str) -> None:
    assert error(f"STOPSIGNAL {signal}").message == f"STOPSIGNAL wants a signal, got '{signal}'"


def test_a_misspelt_signal_is_guessed() -> None:
    assert error("STOPSIGNAL SIGTREM").hint == "did you mean SIGTERM?"


def test_the_history_says_what_came_out() -> None:
    assert history("EXPOSE 80 81-82/UDP") == "EXPOSE [80/tcp 81/udp 82/udp]"
    assert history("VOLUME /a $D", state(D="/d")) == "VOLUME [/a /d]"
    assert history('LABEL a="b c" d=e') == "LABEL a=b c d=e"
    assert history("MAINTAINER Anna") == "MAINTAINER Anna"
    assert history("STOPSIGNAL $S", state(S="TERM")) == "STOPSIGNAL TERM"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("STOPSIGNAL {}", "STOPSIGNAL wants a signal"),
        ("EXPOSE {}", "EXPOSE wants a port"),
        ("HEALTHCHECK --retries={} CMD x", "--retries wants a number"),
        ("HEALTHCHECK --interval={}s CMD x", "--interval wants a duration"),
        ("RUN --mount=type=tmpfs,target=/x,size={}g x", "--mount's size wants a size"),
        ("RUN --mount=type=cache,target=/x,mode={} x", "--mount's mode wants an octal mode"),
        ("COPY --chown={} a b", "--chown wants names or numbers"),
        ("COPY --chmod=7{} a b", "--chmod wants an octal or symbolic mode"),
    ],
)
def test_a_number_of_five_thousand_digits_is_refused_like_any_other(text: str, message: str) -> None:
    assert error(text.format("9" * 5000)).message.startswith(message)


def test_expose_takes_no_more_ports_than_there_are() -> None:
    assert error("EXPOSE " + "0-65535 " * 4).message == "EXPOSE names more ports than there are"
    assert len(config("EXPOSE 0-65535/tcp 0-65535/udp 0-65535/sctp").exposed_ports) == 3 * 65536
