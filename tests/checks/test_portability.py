"""What other builders would do otherwise: each row of each tool at the word, each feature where it is and where not."""

from __future__ import annotations

import pytest

from minibuild.checks.portability import PORTABILITY, TOOLS
from minibuild.checks.portability.docker import knows
from minibuild.checks.portability.features import FEATURES
from minibuild.checks.subject import Subject, Window
from minibuild.dockerfile import parse
from minibuild.oci import Image, Platform
from minibuild.plan import Options, plan
from minibuild.source import Source

# Feature → a Dockerfile that has it, the words that ask for it, and one that nearly has it.
CASES = {
    "<Dockerfile>.dockerignore": ("FROM a", ["FROM"], ""),
    "ADD --checksum": (
        f"FROM a\nADD --checksum=sha256:{'0' * 64} https://e.org/x /x",
        [f"--checksum=sha256:{'0' * 64}"],
        "",
    ),
    "ADD --chmod": ("FROM a\nADD --chmod=755 x /x", ["--chmod=755"], "FROM a\nCOPY --chmod=755 x /x"),
    "ADD --chmod with letters": ("FROM a\nADD --chmod=a+r x /x", ["a+r"], "FROM a\nADD --chmod=0755 x /x"),
    "ADD --exclude": ("FROM a\nADD --exclude=y x /x", ["--exclude=y"], "FROM a\nCOPY --exclude=y x /x"),
    "ADD --keep-git-dir": ("FROM a\nADD --keep-git-dir https://e.org/a.git /x", ["--keep-git-dir"], ""),
    "ADD --link": ("FROM a\nADD --link x /x", ["--link"], "FROM a\nCOPY --link x /x"),
    "ADD --unpack": ("FROM a\nADD --unpack=true x.tar /x", ["--unpack=true"], "FROM a\nADD x.tar /x"),
    "ADD of a repository": (
        "FROM a\nADD https://e.org/a.git#v1 /x",
        ["https://e.org/a.git#v1"],
        "FROM a\nADD https://e.org/a.git.txt /x",
    ),
    "ARG over ENV": ("FROM a\nENV A=1\nARG A=2", ["A"], "FROM a\nENV A=1\nARG A=1 B=2"),
    "COPY --chmod": ("FROM a\nCOPY --chmod=755 x /x", ["--chmod=755"], "FROM a\nADD --chmod=755 x /x"),
    "COPY --chmod with letters": ("FROM a\nCOPY --chmod=u=rwX x /x", ["u=rwX"], "FROM a\nARG M\nCOPY --chmod=$M x /x"),
    "COPY --exclude": ("FROM a\nCOPY --exclude=y x /x", ["--exclude=y"], "FROM a\nADD --exclude=y x /x"),
    "COPY --link": ("FROM a\nCOPY --link x /x", ["--link"], "FROM a\nADD --link x /x"),
    "COPY --parents": ("FROM a\nCOPY --parents x/y /x", ["--parents"], "FROM a\nCOPY x/y /x"),
    "FROM --platform by a variable of the platform": (
        "FROM --platform=$BUILDPLATFORM a",
        ["$BUILDPLATFORM"],
        "ARG P=linux/amd64\nFROM --platform=$P a",
    ),
    "HEALTHCHECK": ("FROM a\nHEALTHCHECK CMD x", ["HEALTHCHECK"], "FROM a\nRUN HEALTHCHECK"),
    "ONBUILD": ("FROM a\nONBUILD RUN x", ["ONBUILD"], "FROM a\nRUN x"),
    "RUN --mount": (
        "FROM a\nRUN --mount=type=cache,target=/c x",
        ["--mount=type=cache,target=/c"],
        "FROM a\nRUN x --mount=y",
    ),
    "RUN --mount=type=bind,from=…": (
        "FROM a\nRUN --mount=from=b,target=/b x",
        ["from=b,target=/b"],
        "FROM a\nRUN --mount=type=bind,target=/b x\nRUN --mount=type=cache,from=b,target=/b x",
    ),
    "RUN --mount=type=secret,env=…": (
        "FROM a\nRUN --mount=type=secret,id=s,env=S x",
        ["type=secret,id=s,env=S"],
        "FROM a\nRUN --mount=type=secret,id=s x",
    ),
    "RUN --mount=type=ssh": (
        "FROM a\nRUN --mount=type=ssh x",
        ["type=ssh"],
        "FROM a\nRUN --mount=type=secret,id=ssh x",
    ),
    "RUN --mount=type=tmpfs": ("FROM a\nRUN --mount=type=tmpfs,target=/t x", ["type=tmpfs,target=/t"], ""),
    "RUN --network": ("FROM a\nRUN --network=none x", ["--network=none"], "FROM a\nRUN x --network=none"),
    "RUN below a VOLUME": (
        "FROM a\nVOLUME /data\nRUN mkdir /data/x",
        ["/data"],
        "FROM a\nRUN mkdir /data/x\nVOLUME /data\nRUN mkdir /database /x/data",
    ),
    "RUN --security": ("FROM a\nRUN --security=insecure x", ["--security=insecure"], "FROM a\nRUN x"),
    "SHELL": ('FROM a\nSHELL ["b"]', ["SHELL"], "FROM a\nENV SHELL=b"),
    "WORKDIR under USER": ("FROM a\nUSER app\nWORKDIR /w", ["/w"], "FROM a\nWORKDIR /w\nUSER root\nWORKDIR /v"),
    "a shell form of CMD or ENTRYPOINT under SHELL": (
        'FROM a\nSHELL ["b"]\nCMD x',
        ["CMD"],
        'FROM a\nCMD x\nSHELL ["b"]\nENTRYPOINT ["x"]',
    ),
    "a stage that the target doesn't need": ("FROM a AS b\nFROM c", ["a"], "FROM a AS b\nFROM c\nCOPY --from=b x /x"),
    "a variable of the platform": ("FROM a\nARG TARGETARCH", ["TARGETARCH"], "FROM a\nARG TARGETARCH=amd64 TARGET"),
    "here-documents": ("FROM a\nCOPY <<E /x\ny\nE", ["<<E"], "FROM a\nRUN echo '<<E'"),
    "here-documents of RUN with a quoted name": ("FROM a\nRUN <<'E'\ny\nE", ["<<'E'"], "FROM a\nRUN sh <<'E'\ny\nE"),
    "parameters in ${variable-word}": ("FROM a\nENV A=1 B=${A-x}", ["${A-"], "FROM a\nENV A=1 B=${A:-x}\nRUN ${A-x}"),
    "patterns in ${variable#pattern}": (
        "FROM a\nENV A=1 B=${A##x}",
        ["${A#"],
        "FROM a\nENV A=1 B='${A#x}'\nRUN ${A#x}",
    ),
    "replacing in ${variable/pattern/text}": ("FROM a\nENV A=1 B=${A//x/y}", ["${A/"], "FROM a\nENV A=1 B=\\${A/x/y}"),
}


def subject_of(text: str, ignore_file: str = "") -> Subject:
    """A Dockerfile whose bases nobody knows, planned."""
    dockerfile = parse(Source("Dockerfile", text + "\n"))
    planned = plan(dockerfile, lambda _name, platform, _span: Image.scratch(platform), Options(all_stages=True))
    return Subject(dockerfile, planned, window=Window(ignore_file=ignore_file))


def test_every_feature_has_a_case_and_is_in_a_table() -> None:
    assert CASES.keys() == FEATURES.keys() == {row.feature for rows in TOOLS.values() for row in rows}


@pytest.mark.parametrize("feature", CASES)
def test_a_feature_is_found_at_its_words_and_nowhere_else(feature: str) -> None:
    text, words, near_miss = CASES[feature]
    ignore_file = feature.replace("<Dockerfile>", "web.Dockerfile")
    assert [span.text for span in FEATURES[feature](subject_of(text, ignore_file))] == words
    assert not list(FEATURES[feature](subject_of(near_miss or "FROM a\nRUN x", ".dockerignore")))


@pytest.mark.parametrize(("tool", "number"), [(tool, n) for tool, rows in TOOLS.items() for n in range(len(rows))])
def test_a_row_is_told_at_the_words_of_its_feature(tool: str, number: int) -> None:
    row = TOOLS[tool][number]
    text, words, _ = CASES[row.feature]
    subject = subject_of(f"# syntax=docker/dockerfile:1.0\n{text}", "web.dockerignore")
    told = [finding for finding in PORTABILITY[tool].find(subject) if f" {row.feature}" in finding.message]
    told = [finding for finding in told if finding.message.endswith(f": {row.explanation}")]
    assert [(finding.span and finding.span.text, finding.hint) for finding in told] == [(words[0], row.remedy)]


@pytest.mark.parametrize("tool", TOOLS)
def test_a_table_is_in_alphabetical_order_and_names_a_feature_once(tool: str) -> None:
    features = [row.feature for row in TOOLS[tool]]
    assert features == sorted(set(features))


@pytest.mark.parametrize(
    ("syntax", "version", "known"),
    [
        (None, "1.5", True),
        (None, "1.6", False),
        ("docker/dockerfile", "1.20", True),
        ("docker/dockerfile:1", "1.20", True),
        ("docker/dockerfile:1.7", "1.20", False),
        ("docker/dockerfile:1.20.1", "1.20", True),
        ("docker.io/docker/dockerfile:1.4@sha256:12", "1.6", False),
        ("docker/dockerfile:1.7-labs", "1.20", True),
        ("example.com/other:1.0", "1.20", True),
    ],
)
def test_a_frontend_knows_what_its_version_has(syntax: str | None, version: str, known: bool) -> None:
    assert knows(version, syntax) is known


def test_a_trigger_is_looked_into() -> None:
    found = FEATURES["COPY --exclude"](subject_of("FROM a\nONBUILD COPY --exclude=y x /x"))
    assert [span.text for span in found] == ["--exclude=y"]


def test_a_platform_given_by_hand_is_a_variable_like_any_other() -> None:
    dockerfile = parse(Source("Dockerfile", "FROM a\nARG TARGETARCH\n"))
    given = {"TARGETARCH": "amd64"}
    options = Options(given, platform=Platform("linux", "amd64"))
    planned = plan(dockerfile, lambda _name, platform, _span: Image.scratch(platform), options)
    assert not list(FEATURES["a variable of the platform"](Subject(dockerfile, planned, given)))
