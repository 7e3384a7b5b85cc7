"""Our parser and expansion against other readers of Dockerfiles, over random and mutated texts.

Where they are known to part from BuildKit, the comparison leaves the case out and says why.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pytest
from dockerfile_parse import DockerfileParser
from e2b_dockerfile_utils import (
    DockerfileInstruction,
    DockerfileSyntaxError,
    ShellLex,
    chomp_heredoc_content,
    parse_dockerfile_ast,
)

from minibuild.dockerfile import Dockerfile, Statement, Text, parse
from minibuild.dockerfile.expand import expand, expand_document, expand_words
from minibuild.dockerfile.words import split_declarations, split_pairs, split_words
from minibuild.errors import DockerfileError
from minibuild.source import Source

VARIABLES = {"A": "abc", "E": "", "B": "x y  z", "P": "a/b/c", "N": "l1\nl2", "Q": "a*b?c", "é": "ü"}
TOKENS = [
    *("$A", "${A", "${", "}", "$E", "$U", "U", "B", "P", "é", "a", "b", " ", "\t", "$", "1", "@", "{", "²"),
    *(":-", "-", ":+", "+", ":?", "?", "#", "##", "%", "%%", "/", "//", "*", "?", ":"),
    *("'", '"', "\\", "\\*", "\\}", "\\/", "\\\\", "`", "<<", "<"),
]
WORDS = ["a", "b", "c", "*", "?", " ", "x", "\\*", "\\}", "\\/", "$A", "${U:-q}", '"a"', "'*'", "l"]
MODIFIERS = [":-", ":+", ":?", "-", "+", "?", "#", "##", "%", "%%", "/", "//"]


def whole(value: str) -> Text:
    return Text.of(Source("Dockerfile", value).span(0, len(value)))


def random_expression(chance: random.Random) -> str:
    if chance.random() < 0.5:
        return "".join(chance.choices(TOKENS, k=chance.randint(1, 9)))

    def word() -> str:
        return "".join(chance.choices(WORDS, k=chance.randint(0, 4)))

    modifier = chance.choice(MODIFIERS)
    replacement = "/" + word() if "/" in modifier else ""
    expression = "${" + chance.choice("ABEPQUN") + modifier + word() + replacement + "}"
    return f'"{expression}" {word()}' if chance.random() < 0.3 else expression


def ours(how: Callable[..., object], expression: str, escape: str) -> object:
    try:
        return how(whole(expression), VARIABLES, escape=escape)
    except DockerfileError:
        return "refused"


def theirs(how: Callable[[ShellLex, str], object], expression: str, escape: str, *, quotes: bool) -> object:
    lex = ShellLex(escape, env=VARIABLES, skip_unset_env=False, skip_process_quotes=not quotes)
    try:
        return how(lex, expression)
    except ValueError:
        return "refused"


def words_of(lex: ShellLex, expression: str) -> tuple[str, ...]:
    # It keeps words that are empty, BuildKit drops them.
    return tuple(word for word in lex.process_words(expression) if word)


def parts_knowingly(expression: str, escape: str) -> bool:
    # Go replaces no empty match right behind another match, Python's re does.
    if re.search(r"//[*'\"]*\*", expression):
        return True
    # It turns the pattern "\/\" round, lone escape first, and so reads an escape that isn't there.
    return escape == "`" and "%" in expression and "\\" in expression


@pytest.mark.parametrize("escape", ["\\", "`"])
def test_expansions_agree(escape: str) -> None:
    chance = random.Random(ord(escape))
    accepted = 0
    for _ in range(6000):
        expression = random_expression(chance)
        if parts_knowingly(expression, escape):
            continue
        word = theirs(ShellLex.process_word, expression, escape, quotes=True)
        assert ours(expand, expression, escape) == word, expression
        words = theirs(words_of, expression, escape, quotes=True)
        assert ours(expand_words, expression, escape) == words, expression
        document = theirs(ShellLex.process_word, expression, escape, quotes=False)
        assert ours(expand_document, expression, escape) == document, expression
        accepted += [word, words, document].count("refused") == 0
    assert accepted > 3000


SEEDS = (
    'FROM a AS b\nARG V=1 W\nENV A=b C="d e"\nENV old form here\nLABEL x=\'y z\' "k"=v\nRUN echo $A \\\n  && b\n',
    "# syntax=docker/dockerfile:1\n# escape=`\n\n# c\nFROM a\nCOPY f C:\\d\\\nRUN dir `\n  # c\n\n  /s\n",
    'FROM a\nRUN ["a", "b\\n"]\nCMD ["x",\n "y"]\nENTRYPOINT [ "e" ]\nVOLUME ["/a b", "/c"]\nSHELL ["/bin/sh", "-c"]\n',
    'FROM a\nRUN <<EOF\na\n  b\nEOF\nCOPY <<-\'B\' <<C /x/\n\tx\n\tB\ny $A\nC\nRUN cat 3<<"X" "<<no"\n1\nX\n',
    "FROM --platform=linux/amd64 a\nCOPY --from=b --chown=1:2 x y /z/\nRUN --mount=type=cache --network=none ls\n",
    'FROM a\nHEALTHCHECK --interval=1s CMD ["a"]\nHEALTHCHECK NONE\nEXPOSE 80 81/udp\nUSER u\nSTOPSIGNAL 9\n',
    "\ufeffFROM a\r\nRUN a \\\r\n  b\r\nCOPY <<E /x\r\ny\r\nE\r\nMAINTAINER me too\r\nADD a b c/\r\n",
    "FROM a\nONBUILD RUN x --y\nONBUILD COPY a b\nRUN echo \\\\\nRUN a \\ \t\nb\\\n\n\nRUN x \\\n",
    "from a\n\tcmd\nRun 'a b' \"c\nArg\nENV a=\\\"b c=d\\ e f='x\\'\n \n#c\nCMD a\\",
)
INSERTIONS = [
    *(
        "\n",
        "\\\n",
        " \\ \n",
        "#",
        "# x\n",
        "\\",
        "`",
        '"',
        "'",
        "[",
        "]",
        ",",
        "=",
        "--",
        "--a=b ",
        "<<E",
        "<<-E ",
        "\nE\n",
    ),
    *(" ", "\t", "\r", "\n\n", "$A", "RUN ", "FROM x\n", "ONBUILD ", "ENV ", "COPY ", "\xa0", "\x0b", "é", "{", "1"),
]


def mutated(chance: random.Random) -> str:
    text = chance.choice(SEEDS)
    for _ in range(chance.randint(0, 4)):
        at = chance.randint(0, len(text))
        cut = chance.choice((0, 0, 1, chance.randint(0, 9)))
        text = text[:at] + chance.choice((*INSERTIONS, "")) + text[at + cut :]
    return text


def described(statement: Statement) -> tuple[object, ...]:
    flags = [f"--{flag.name}" + (f"={flag.value}" if flag.value is not None else "") for flag in statement.flags]
    documents = [(doc.name, doc.content, doc.expands, int(doc.descriptor or 0)) for doc in statement.heredocs]
    return (statement.keyword, flags, arguments_of(statement), documents, statement.span.line)


def arguments_of(statement: Statement) -> list[str]:
    body, escape = statement.body, statement.escape
    if statement.arguments is not None:
        return [argument.value for argument in statement.arguments]
    match statement.keyword:
        case "ENV" | "LABEL":
            pairs = split_pairs(body, escape)
            sign = "" if pairs.is_legacy else "="
            return [part for name, value in pairs.pairs for part in (name.value, value.value, sign)]
        case "ARG":
            pairs_of_arg = split_declarations(body, escape)
            return [name.value if value is None else f"{name}={value}" for name, value in pairs_of_arg]
        case "ADD" | "COPY":
            return body.value.split()
        case "EXPOSE" | "FROM" | "VOLUME":
            return [word.value for word in split_words(body)]
        case "HEALTHCHECK":
            return body.value.split()[:1]
        case "ONBUILD":
            return []
    return [body.value] if body else []


def their_arguments(instruction: DockerfileInstruction) -> list[str]:
    # It splits COPY and ADD at blanks outside quotes, BuildKit at all blanks.
    if instruction.name in ("ADD", "COPY") and not instruction.json:
        return " ".join(instruction.args).split()
    return instruction.args[:1] if instruction.name == "HEALTHCHECK" else instruction.args


def their_description(instruction: DockerfileInstruction) -> tuple[object, ...]:
    documents = [
        (doc.name, chomp_heredoc_content(doc.content) if doc.chomp else doc.content, doc.expand, doc.file_descriptor)
        for doc in instruction.heredocs
    ]
    return (instruction.name, instruction.flags, their_arguments(instruction), documents, instruction.start_line)


def our_reading(text: str) -> list[tuple[object, ...]] | str:
    try:
        return [described(statement) for statement in parse(Source("Dockerfile", text)).statements]
    except DockerfileError:
        return "refused"


def their_reading(text: str) -> list[tuple[object, ...]] | str:
    try:
        instructions = parse_dockerfile_ast(text).instructions
    except DockerfileSyntaxError:
        return "refused"
    # It takes a file with no instructions.
    return [their_description(instruction) for instruction in instructions] or "refused"


def has_a_lone_escape(text: str) -> bool:
    # A statement begins for us where its keyword stands, not at a line before that is nothing but an escape.
    return bool(re.search(r"(?m)^[\s\ufeff]*[\\`]\s*$", text))


def is_read_differently(text: str) -> bool:
    # A directive may have Go's blanks, it looks for Python's.
    if re.search(r"(?m)^#[^\n]*[\xa0\x0b]", text):
        return True
    if has_a_lone_escape(text):
        return True
    # It doesn't read what stands behind ONBUILD, nor the here-documents of that.
    return bool(re.search("onbuild", text, re.IGNORECASE)) and ("<<" in text or our_reading(text) == "refused")


@pytest.mark.parametrize("seed", range(2))
def test_parsers_agree(seed: int) -> None:
    chance = random.Random(seed)
    accepted = 0
    for _ in range(4000):
        text = mutated(chance)
        if is_read_differently(text):
            continue
        expected = their_reading(text)
        assert our_reading(text) == expected, text
        accepted += expected != "refused"
    assert accepted > 1000


FIXTURES = Path(__file__).parent.parent.parent / "fixtures"
# What we mean to read otherwise: the file, and why.
MEANT = {
    "dockerfiles/error-carriage-returns-alone/Dockerfile": "it takes them for blanks, and all for one instruction",
    "dockerfiles/error-nul-bytes/Dockerfile": "it takes them for characters, which no program can be given",
}


def fixture_texts() -> dict[str, str]:
    """All Dockerfiles of the fixtures, by their paths."""
    paths = (path for path in sorted(FIXTURES.rglob("Dockerfile*")) if not path.name.endswith(".dockerignore"))
    return {
        path.relative_to(FIXTURES).as_posix(): path.read_bytes().decode("utf-8", "replace")
        for path in paths
        if path.is_file()
    }


def test_all_fixtures_are_read_alike_but_those_that_are_meant_to_differ() -> None:
    texts = {name: text for name, text in fixture_texts().items() if not is_read_differently(text)}
    assert len(texts) > 300
    assert {name for name, text in texts.items() if our_reading(text) != their_reading(text)} == set(MEANT)


def structure(dockerfile: Dockerfile) -> list[tuple[str, int, int]]:
    return [(part.keyword, part.span.line - 1, part.span.last_line - 1) for part in dockerfile.statements]


def their_structure(text: str) -> list[tuple[str, int, int]]:
    parser = DockerfileParser(fileobj=BytesIO(text.encode()))
    parts = [part for part in parser.structure if part["instruction"] != "COMMENT"]
    return [(part["instruction"].upper(), part["startline"], part["endline"]) for part in parts]


def is_beyond_it(text: str) -> bool:
    # It knows no here-documents, no byte order mark and no other escape than "\".
    if re.search("<<|\ufeff|`", text):
        return True
    # An instruction ends for it at a blank line, at the end of the file, after "\\", and in its own keyword.
    return bool(re.search(r"\\[ \t\r]*\n\s*\n|\\\s*(?:#.*\s*)*\Z|\\\\[ \t\r]*\n|(?m:^\s*[A-Za-z]+\\\s*$)", text))


def test_the_second_opinion_sees_the_same_instructions_on_the_same_lines() -> None:
    chance = random.Random(5)
    compared = 0
    for _ in range(8000):
        text = mutated(chance)
        if is_beyond_it(text) or has_a_lone_escape(text):
            continue
        try:
            ours = structure(parse(Source("Dockerfile", text)))
        except DockerfileError:
            continue  # it takes everything
        assert ours == their_structure(text), text
        compared += 1
    assert compared > 1000


def test_the_second_opinion_sees_the_same_lines_in_all_fixtures() -> None:
    compared = 0
    for name, text in fixture_texts().items():
        if is_beyond_it(text) or has_a_lone_escape(text) or our_reading(text) == "refused":
            continue
        assert structure(parse(Source("Dockerfile", text))) == their_structure(text), name
        compared += 1
    assert compared > 150
