"""Whatever a Dockerfile says, checking it ends in findings that point into it, and takes time in proportion."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minibuild.checks import Subject, examine
from minibuild.checks.credentials import masked, tokens_in
from minibuild.checks.shell import commands
from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError
from minibuild.plan import Plan, read
from minibuild.source import Source
from tests.checks.subjects import EVERY_CHECK, subject_of

LINES = st.sampled_from(
    [
        "FROM b AS s\n",
        "FROM scratch\n",
        "# check=skip=x,;y=\n",
        "RUN apt-get update\n",
        "RUN apt-get install ",
        "RUN curl -u\n",
        "RUN curl -u a:b -H 'Authorization: Bearer abcdefgh'\n",
        "RUN chown -R a . ",
        "RUN sh -c '",
        "RUN <<E\na &\nE\n",
        "RUN --mount=type=cache,target=/c,from=s ",
        "COPY . .\n",
        "COPY --from=s a b\n",
        "COPY --chmod=a+x <<'E' /x\n$y\nE\n",
        "ADD a b /c/\n",
        "ADD https://a:b@c/d.git /e\n",
        "ENV A=${B#c} D=ghp_0123456789012345678901234567890123456789\n",
        "ARG A=1 TARGETARCH\n",
        "USER 0\n",
        "VOLUME /c\n",
        'SHELL ["x"]\n',
        "CMD service a start && b & \n",
        'ENTRYPOINT ["sh", "-c", "a & b"]\n',
        "ONBUILD RUN --network=none x\n",
        "HEALTHCHECK CMD x\n",
    ]
)
TEXTS = st.lists(LINES | st.text(max_size=4), max_size=12).map("".join)


@settings(deadline=None)
@given(TEXTS)
def test_findings_point_into_the_file(text: str) -> None:
    with suppress(DockerfileError):
        subject = subject_of(f"FROM a\n{text}")
        for finding in examine(subject, EVERY_CHECK):
            assert finding.message and "\n" not in finding.message
            if finding.span is not None and finding.span.source is subject.dockerfile.source:
                assert 0 <= finding.span.start <= finding.span.end <= len(finding.span.source.text)


@settings(deadline=None)
@given(TEXTS)
def test_what_cannot_be_planned_can_be_checked(text: str) -> None:
    with suppress(DockerfileError):
        dockerfile = read(Source("Dockerfile", f"FROM a\n{text}"))
        examine(Subject(dockerfile, Plan((), 0, ())), EVERY_CHECK)


@given(st.text(alphabet="ab \\\n'\"`$(){};&|<>#=-", max_size=60))
def test_words_of_a_shell_slice_to_their_places(script: str) -> None:
    source = Source("x", script)
    for command in commands(Text.of(source.span(0, len(script)))):
        assert command.words
        assert all(word.text.span.text.strip("'\"") in script for word in command.words)


@given(TEXTS)
def test_masking_leaves_no_token_and_every_other_character(text: str) -> None:
    hidden = masked(text)
    assert len(hidden) == len(text)
    assert not [kind for _, _, kind in tokens_in(hidden) if kind == "a GitHub token"]
    assert all(old == new or new == "*" for old, new in zip(text, hidden, strict=True))


PIECES = [
    "a && ",
    "$(",
    "'",
    "${",
    "A=1 ",
    "x\\\n",
    "sh -c '",
    "Authorization: ",
    "eyJ",
    "a://b:",
    "apt-get install a;",
]


@pytest.mark.parametrize("piece", PIECES)
def test_a_long_script_takes_time_in_proportion(piece: str) -> None:
    short, long = (f"FROM a\nRUN x{piece * (size // len(piece))}\n" for size in (15_000, 60_000))
    # One of three tries is enough: what a busy machine adds says nothing of the script.
    assert any(_time_of(long) < 8 * max(_time_of(short), 0.05) for _ in range(3))


def _time_of(text: str) -> float:
    began = time.process_time()
    with suppress(DockerfileError):
        examine(subject_of(text), EVERY_CHECK)
    return time.process_time() - began
