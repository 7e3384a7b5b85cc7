"""``minibuild plan``: what is shown of a build before it is one."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from minibuild.cli.drawing.text import paint
from tests.cli.conftest import Shell
from tests.store.test_reading import files_of

GOLDEN = Path(__file__).parent / "plan.txt"
DOCKERFILE = """\
ARG LEVEL=1
FROM scratch AS base
WORKDIR /app
FROM base AS files
COPY f "g<&>.txt" /app/
FROM scratch AS unneeded
FROM base AS app
ARG LEVEL
COPY --from=files /app /app
LABEL level=$LEVEL
CMD ["a command that is much longer than what a line of a drawing has room for, so that it is cut short", "x"]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "Dockerfile").write_text(DOCKERFILE)
    (tmp_path / "f").write_text("1")
    (tmp_path / "g<&>.txt").write_text("2")
    return tmp_path


def test_text_shows_what_needs_what_and_what_becomes_of_each_step(shell: Shell, place: Path) -> None:
    shell("build", "-q", str(place))
    (place / "f").write_text("changed")
    shown = re.sub(r"\b[0-9a-f]{12}\b", "k" * 12, shell("plan", "--platform=linux/amd64", str(place)).out)
    if os.environ.get("MINIBUILD_UPDATE_GOLDEN") == "1":
        GOLDEN.write_text(shown)
    assert shown == GOLDEN.read_text()


def test_a_terminal_shows_in_colour_what_becomes_of_steps() -> None:
    text = "  runs     0123    2  RUN a\n           run it\n  perhaps          3  runs\n"
    yellow, magenta = "\x1b[33mruns\x1b[0m", "\x1b[35mperhaps\x1b[0m"
    assert paint(text) == f"  {yellow}     0123    2  RUN a\n           run it\n  {magenta}          3  runs\n"


def test_nothing_is_written(shell: Shell, place: Path) -> None:
    shell("build", "-q", str(place))
    before = files_of(shell.root)
    assert shell("plan", str(place)).status == 0
    assert files_of(shell.root) == before


def test_no_store_is_made(shell: Shell, place: Path, tmp_path: Path) -> None:
    done = shell("--root", str(tmp_path / "none"), "plan", str(place))
    assert (done.status, (tmp_path / "none").exists()) == (0, False)


def test_json_tells_stages_steps_and_images(shell: Shell, place: Path) -> None:
    shell("build", "-q", str(place))
    document = json.loads(shell("plan", "--format=json", "--platform=linux/amd64", str(place)).out)
    assert (document["target"], document["platform"]) == ("app", "linux/amd64")
    assert [(stage["name"], stage["needed"], stage["built"]) for stage in document["stages"]] == [
        ("base", True, True),
        ("files", True, False),
        ("unneeded", False, False),
        ("app", True, True),
    ]
    app = document["stages"][3]
    assert app["base"] == {"kind": "stage", "stage": 0}
    assert app["needs"] == [{"stage": 0, "kind": "from", "step": 1}, {"stage": 1, "kind": "copy", "step": 3}]
    assert app["image"]["config"]["Labels"] == {"level": "1"}


def test_json_tells_of_a_step_all_that_is_known(shell: Shell, place: Path) -> None:
    shell("build", "-q", str(place))
    step = json.loads(shell("plan", "--format=json", str(place)).out)["stages"][3]["steps"][2]
    assert re.fullmatch("sha256:[0-9a-f]{64}", step.pop("key"))
    assert step == {
        "number": 3,
        "line": 9,
        "instruction": "COPY",
        "text": "COPY --from=files /app /app",
        "effect": {
            "kind": "copy",
            "destination": "/app",
            "origin": {"kind": "stage", "stage": 1},
            "inline": [],
            "sources": [{"kind": "path", "pattern": "app", "pivot": "", "is_clamped": False}],
            "owner": None,
            "mode": None,
            "unpacks": False,
            "keeps_parents": False,
            "excluded": [],
            "stands_alone": False,
        },
        "outcome": "cached",
        "cached": True,
        "reason": "",
    }


def test_json_says_why_a_step_is_not_cached(shell: Shell, place: Path) -> None:
    shell("build", "-q", str(place))
    (place / "f").write_text("changed")
    stages = json.loads(shell("plan", "--format=json", str(place)).out)["stages"]
    told = {step["text"][:11]: (step["cached"], step["reason"]) for stage in stages for step in stage["steps"][1:]}
    assert told['COPY f "g<&'] == (False, "f changed")
    assert told["COPY --from"] == (None, "depends on what stage files comes to")


def test_svg_is_a_document_that_shows_every_needed_step_once(shell: Shell, place: Path) -> None:
    drawn = ElementTree.fromstring(shell("plan", "--format=svg", str(place)).out)
    texts = ["".join(text.itertext()) for text in drawn.iter("{http://www.w3.org/2000/svg}text")]
    assert texts.count('COPY f "g<&>.txt" /app/') == 1
    assert any(text.startswith("CMD [") and text.endswith("…") and len(text) <= 52 for text in texts)
    assert not any("unneeded" in text for text in texts)


def test_a_name_from_a_dockerfile_stays_text_in_svg(shell: Shell, place: Path) -> None:
    (place / "Dockerfile").write_text('FROM scratch\nLABEL a="</text><script>alert(1)</script>"\n')
    out = shell("plan", "--format=svg", str(place)).out
    assert "<script" not in out
    ElementTree.fromstring(out)


def test_an_unknown_format_is_refused(shell: Shell, place: Path) -> None:
    done = shell("plan", "--format=jsn", str(place))
    assert (done.status, done.err) == (2, "error: --format knows no 'jsn'\nhint: did you mean json?\n")


def test_an_error_of_the_dockerfile_is_that_of_a_build(shell: Shell, place: Path) -> None:
    (place / "Dockerfile").write_text("FROM scratch\nCPY f /\n")
    planned, built = shell("plan", str(place)), shell("build", str(place))
    assert (planned.status, planned.err) == (built.status, built.err)


@pytest.mark.parametrize("form", ["text", "json", "dot", "svg"])
def test_a_token_is_not_repeated(shell: Shell, place: Path, form: str) -> None:
    token = "ghp_" + "a1B2" * 9
    (place / "Dockerfile").write_text(f"FROM scratch\nENV GITHUB_TOKEN={token}\n")
    out = shell("plan", f"--format={form}", str(place)).out
    assert (token in out, "GITHUB_TOKEN" in out) == (False, True)


def test_no_arrow_of_a_drawing_runs_through_a_box(shell: Shell, place: Path) -> None:
    froms = "".join(f"FROM s{number // 2} AS s{number + 1}\nCOPY f /{number}\n" for number in range(8))
    copies = "".join(f"COPY --from=s{number} /f /{number}\n" for number in range(9))
    (place / "Dockerfile").write_text(f"FROM scratch AS s0\nCOPY f /f\n{froms}FROM s8\n{copies}")
    out = shell("plan", "--format=svg", str(place)).out
    boxes = [
        tuple(map(float, found))
        for found in re.findall(r'<rect class="box[^"]*" x="(.+?)" y="(.+?)" width="(.+?)" height="(.+?)"', out)
    ]
    lanes = [tuple(map(float, found)) for found in re.findall(r" ([0-9.]+) ([0-9.]+)H([0-9.]+)C", out)]
    assert len(lanes) > 3
    assert len({y for _, y, _ in lanes}) == len(lanes)
    for start, y, end in lanes:
        crossed = [box for box in boxes if box[0] < end and start < box[0] + box[2] and box[1] <= y <= box[1] + box[3]]
        assert crossed == []
