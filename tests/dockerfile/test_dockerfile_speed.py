"""Reading costs in proportion to the text. Processor time is measured, which other processes don't add to."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from minibuild.dockerfile import parse
from minibuild.errors import DockerfileError
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Options, plan, read
from minibuild.source import Source, Span

MEGABYTE = 1 << 20
LINES = {
    "commands": "RUN apt-get update && apt-get install -y package{i}\n",
    "flags": "COPY --chown=app:app source/{i} /destination/{i}\n",
    "here-documents": "RUN <<EOF{i}\nline one\nline two\nEOF{i}\n",
    "variables": 'ENV NAME{i}="value $OTHER ${{NAME:-{i}}}"\n',
    "one here-document": "",
}
MIXTURE = (
    "ARG A{i}=x\nENV B{i}=$A{i} C{i}=${{B:-none}}\nRUN echo $A{i} && \\\n    echo two\nCOPY --chown=1 a{i} b{i} /dst/\n"
    'LABEL l{i}="v {i}"\nWORKDIR /w{i}\nUSER u{i}\nEXPOSE {i}\nVOLUME /v{i}\nCMD ["a", "{i}"]\n'
)


def text_of(kind: str) -> str:
    if not LINES[kind]:
        return "FROM a\nRUN <<EOF\n" + "a line of text\n" * (MEGABYTE // 15) + "EOF\n"
    parts, size = ["FROM a\n"], 0
    while size < MEGABYTE:
        parts.append(LINES[kind].format(i=len(parts)))
        size += len(parts[-1])
    return "".join(parts)


def least_time_of(work: Callable[[], object]) -> float:
    """Of three tries, in seconds."""
    times = []
    for _ in range(3):
        begin = time.process_time()
        work()
        times.append(time.process_time() - begin)
    return min(times)


def bare(_name: str, platform: Platform, _span: Span) -> Image:
    return Image.compose(ImageConfig(platform, ContainerConfig()), ())


@pytest.mark.parametrize("kind", LINES)
def test_a_megabyte_is_parsed_within_a_second(kind: str) -> None:
    text = text_of(kind)
    begin = time.process_time()
    assert parse(Source("Dockerfile", text)).statements
    assert time.process_time() - begin < 1


def test_a_thousand_instructions_are_read_and_planned_within_a_tenth_of_a_second() -> None:
    source = Source("Dockerfile", "FROM a\n" + "".join(MIXTURE.format(i=i) for i in range(100)))
    assert least_time_of(lambda: plan(read(source), bare, Options())) < 0.1


def test_variables_that_double_forty_times_are_an_error_with_a_place() -> None:
    source = Source("Dockerfile", "FROM a\nARG a=xx\n" + "ARG a=$a$a\n" * 40)
    with pytest.raises(DockerfileError, match="expansion gives more than 1048576 characters") as caught:
        plan(read(source), bare, Options())
    assert caught.value.span is not None and caught.value.span.text == "$a"


def test_a_variable_that_doubles_above_the_first_from_is_an_error_too() -> None:
    source = Source("Dockerfile", "ARG a=xx\n" + "ARG a=$a$a\n" * 40 + "FROM $a\n")
    with pytest.raises(DockerfileError, match="expansion gives more than 1048576 characters"):
        plan(read(source), bare, Options())
