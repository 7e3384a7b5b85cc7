"""Reading costs in proportion to the text. Processor time is measured beside that of a loop, in one run: how fast a
machine is just now changes both.
"""

from __future__ import annotations

from contextlib import suppress

import pytest

from minibuild.dockerfile import parse
from minibuild.errors import DockerfileError
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Options, plan, read
from minibuild.source import Source, Span
from tests.pace import is_done_within

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


# What grows with the square of its length where somebody is careless.
HOSTILE = {
    "braces beside one another": "ENV a=" + "${b:-x}" * 8000,
    "braces inside one another": "ENV a=" + "${b:-" * 9000 + "}" * 9000,
    "stars in a pattern": "ENV a=" + "x" * 30000 + "\nENV b=${a//*" + "?*" * 5000 + "y/z}",
    "stars in a suffix": "ENV a=" + "ab" * 15000 + "\nENV b=${a%%*" + "a*" * 5000 + "c}",
    "stars in a source": "COPY " + "*a" * 20000 + " /x/",
    "brackets in a source": "COPY " + "[a-b]" * 10000 + "[ /x/",
    "brackets in an exclusion": "COPY --exclude=" + "[a" * 20000 + " a /x/",
    "open quotes": "ENV " + "a='" * 20000,
    "open brackets": "CMD " + "[" * 60000,
    "escapes in an exec form": 'CMD ["' + "\\u0041" * 10000 + '"]',
    "commas in a mount": "RUN --mount=" + "," * 60000 + " x",
    "a mount over many lines": "RUN --mount=type=bind,target=/" + ("a" * 60000 + "\\\n") * 20 + " x",
    "here-documents in a line": "RUN " + "<<A " * 10000,
    "lines without the end of a here-document": "RUN <<A\n" + "x\n" * 200000,
    "continuations": "RUN x " + "\\\n" * 200000,
    "triggers of triggers": "ONBUILD " * 8000,
    "the same range of ports": "EXPOSE " + "1-65535 " * 1000,
    "unknown instructions": "x\n" * 100000,
    "an unknown flag": "RUN --" + "a" * 60000 + "=x y",
    "variables that are nearly those there are": "".join(f"ENV NAME{i}=x\n" for i in range(300))
    + "".join(f"LABEL l{i}=$NAEM{i}\n" for i in range(300)),
    "a commit in the address of a repository": "ADD https://x/y.git#" + ".lock/" * 10000 + " /x",
    "parts of a host": "ADD git@" + "a-" * 20000 + ":x /x",
    "changes of a mode": "COPY --chmod=" + "u+x," * 10000 + "z a b",
}


def text_of(kind: str) -> str:
    if not LINES[kind]:
        return "FROM a\nRUN <<EOF\n" + "a line of text\n" * (MEGABYTE // 15) + "EOF\n"
    parts, size = ["FROM a\n"], 0
    while size < MEGABYTE:
        parts.append(LINES[kind].format(i=len(parts)))
        size += len(parts[-1])
    return "".join(parts)


def bare(_name: str, platform: Platform, _span: Span) -> Image:
    return Image.compose(ImageConfig(platform, ContainerConfig()), ())


@pytest.mark.parametrize("kind", LINES)
def test_a_megabyte_is_parsed_within_a_second(kind: str) -> None:
    text = text_of(kind)
    assert is_done_within(1, lambda: parse(Source("Dockerfile", text)))


def test_a_thousand_instructions_are_read_and_planned_within_a_tenth_of_a_second() -> None:
    source = Source("Dockerfile", "FROM a\n" + "".join(MIXTURE.format(i=i) for i in range(100)))
    assert is_done_within(0.1, lambda: plan(read(source), bare, Options()))


def test_variables_that_double_forty_times_are_an_error_with_a_place() -> None:
    source = Source("Dockerfile", "FROM a\nARG a=xx\n" + "ARG a=$a$a\n" * 40)
    with pytest.raises(DockerfileError, match="expansion gives more than 1048576 characters") as caught:
        plan(read(source), bare, Options())
    assert caught.value.span is not None and caught.value.span.text == "$a"


def test_a_variable_that_doubles_above_the_first_from_is_an_error_too() -> None:
    source = Source("Dockerfile", "ARG a=xx\n" + "ARG a=$a$a\n" * 40 + "FROM $a\n")
    with pytest.raises(DockerfileError, match="expansion gives more than 1048576 characters"):
        plan(read(source), bare, Options())


@pytest.mark.parametrize("text", HOSTILE.values(), ids=HOSTILE)
def test_a_text_made_to_take_long_is_read_or_refused_within_two_seconds(text: str) -> None:
    def work() -> None:
        with suppress(DockerfileError):
            plan(read(Source("Dockerfile", f"FROM a\n{text}\n")), bare, Options())

    assert is_done_within(2, work)
