"""Secrets in layers: found while these are written, wherever they lie."""

from __future__ import annotations

import base64
import io

import pytest

from minibuild.build.leaks import Leaks, needles_of, report_in_history
from minibuild.build.surroundings import Secret
from minibuild.errors import Finding
from minibuild.layers.entry import Change, Entry, Kind
from minibuild.layers.pack import pack
from minibuild.source import Source
from tests.plan.test_stages import planned

SECRET = b"correct-horse\xffbattery"
SPAN = Source("Dockerfile", "RUN x").span(0, 5)


def file(path: str, content: bytes) -> Change:
    return Entry(path, Kind.FILE, 0o644, size=len(content)), lambda: io.BytesIO(content)


def told(*changes: Change, **secrets: bytes) -> list[Finding]:
    """What is reported of a layer of these changes, which is the same as without being looked at."""
    findings: list[Finding] = []
    watched, plain = io.BytesIO(), io.BytesIO()
    pack(Leaks(secrets or {"token": SECRET}, SPAN, findings.append).watching(lambda: changes)(), watched)
    pack(changes, plain)
    assert watched.getvalue() == plain.getvalue()
    return findings


PLACES = {
    "alone": SECRET,
    "amid text": b"password=" + SECRET + b"\n",
    "across two blocks": bytes((1 << 20) - 5) + SECRET + bytes(1 << 20),
    "at the end of a big file": bytes(3 << 20) + SECRET,
    "in base64": base64.b64encode(SECRET),
    "in base64 with a newline": base64.b64encode(SECRET + b"\n"),
    "in base64 after a user's name": base64.b64encode(b"u:" + SECRET),
    "in base64 after a longer name": base64.b64encode(b"me:" + SECRET),
}


@pytest.mark.parametrize("content", PLACES.values(), ids=PLACES)
def test_a_secret_is_found_wherever_it_lies(content: bytes) -> None:
    [finding] = told(file("a", b"innocent"), file("etc/x", content))
    assert finding.message == "secret token is in the layer of this RUN: /etc/x"
    assert (finding.rule, finding.span) == ("SecretInLayer", SPAN)


def test_each_secret_is_told_once_with_how_many_files_have_it() -> None:
    files = [file(name, SECRET) for name in "ab"]
    messages = [finding.message for finding in told(*files, file("c", b"other-token\n"), a=SECRET, b=b"other-token\n")]
    assert messages == [
        "secret a is in the layer of this RUN: /a and 1 more",
        "secret b is in the layer of this RUN: /c",
    ]


@pytest.mark.parametrize("content", [b"", SECRET[:-1], SECRET[::-1], SECRET[:9] + b"\n" + SECRET[9:]])
def test_what_is_no_secret_is_not_told(content: bytes) -> None:
    assert told(file("a", content), file("b", SECRET[9:])) == []


def test_a_value_is_never_in_what_is_told() -> None:
    assert "correct" not in str(told(file("a", SECRET)))


@pytest.mark.parametrize("secrets", [{}, {"pin": b"1234567\n"}])
def test_changes_stay_as_they_are_where_there_is_nothing_to_look_for(secrets: dict[str, bytes]) -> None:
    def changes() -> list[Change]:
        return [file("a", b"1234567")]

    assert Leaks(secrets, SPAN, lambda _finding: None).watching(changes) is changes


def test_base64_is_looked_for_by_what_surrounds_it_cannot_change() -> None:
    assert list(needles_of(b"12345678\n")) == [b"12345678", b"MTIzNDU2", b"MjM0NTY3", b"MzQ1Njc4"]


@pytest.mark.parametrize(
    ("line", "keyword"),
    [
        ("ARG TOKEN", "ARG"),
        ("ENV TOKEN=in-the-open", "ENV"),
        ("RUN login --token in-the-open", "RUN"),
        (f"LABEL auth={base64.b64encode(b'user:in-the-open').decode()}", "LABEL"),
        ("USER 1", None),
    ],
)
def test_a_secret_in_the_history_is_told_once_at_its_first_place(line: str, keyword: str | None) -> None:
    findings: list[Finding] = []
    plan = planned(f"FROM a\n{line}\nRUN x\n", build_arguments={"TOKEN": "in-the-open"})
    secrets = {"token": Secret(value="in-the-open\n"), "other": Secret(value="something else")}
    report_in_history(plan, secrets, findings.append)
    assert [finding.message for finding in findings] == (
        [] if keyword is None else [f"secret token is in the image's history, by this {keyword}"]
    )
