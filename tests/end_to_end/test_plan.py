"""``minibuild plan`` keeps its word: what it says is cached the build finds cached, and what it says runs is run."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.accounts import PlainUser, let_in
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_plain_user import sandboxed
from tests.store.test_reading import files_of

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
ARG LEVEL=1
FROM busybox AS tools
WORKDIR /tools
RUN echo tool > tool

FROM tools AS made
ARG LEVEL
COPY src /src
RUN --mount=type=cache,target=/cache cat /src/* > /made && echo $LEVEL >> /made

FROM busybox AS assets
RUN --mount=target=/context cp /context/assets.txt /assets

FROM busybox
ENV STAGE=last
COPY --from=tools /tools/tool /bin/tool
RUN --mount=from=made,source=/made,target=/made wc /made > /count
COPY --link --from=assets /assets /srv/assets
ADD --chown=1:2 late.txt /srv/
LABEL done=yes
"""
FILES = {
    "Dockerfile": DOCKERFILE,
    "src/a": "a\n",
    "src/b": "b\n",
    "assets.txt": "assets\n",
    "late.txt": "late\n",
}
BOUND_STAGE = "RUN --mount=from=made,source=/made,target=/made wc /made > /count"
CHANGES = {
    "nothing": ({}, []),
    "a source": ({"src/a": "changed\n"}, []),
    "a source, with the same result": ({"assets.txt": "assets\n", "unseen.txt": "new\n"}, []),
    "what is mounted": ({"assets.txt": "other assets\n"}, []),
    "a late file": ({"late.txt": "later\n"}, []),
    "an argument": ({}, ["--build-arg", "LEVEL=2"]),
    "the first stage": ({"Dockerfile": DOCKERFILE.replace("echo tool >", "echo another tool >")}, []),
    "a label": ({"Dockerfile": DOCKERFILE.replace("done=yes", "done=no")}, []),
    "the last stage's environment": ({"Dockerfile": DOCKERFILE.replace("STAGE=last", "STAGE=least")}, []),
    "surroundings": ({}, ["--network=none"]),
    "the target": ({"src/a": "changed\n"}, ["--target=made"]),
}


def planned(builder: Minibuild, root: Path, *options: str) -> dict[str, bool | None]:
    """Whether the steps of the stages that are to be built are cached, None where nobody can know."""
    document = json.loads(builder.succeed("plan", "--format=json", *options, root))
    steps = [step for stage in document["stages"] if stage["built"] for step in stage["steps"]]
    return {step["text"]: step["cached"] for step in steps if step["effect"]}


def built(builder: Minibuild, root: Path, *options: str) -> dict[str, bool]:
    """Whether the steps that a build shows were cached."""
    done = builder("build", "--progress=plain", *options, root)
    assert done.returncode == 0, done.stderr
    titles = dict(re.findall(r"^#(\d+) \[(?:[\w-]+ )?\d+/\d+\] (.+)$", done.stderr, re.MULTILINE))
    ends = dict(re.findall(r"^#(\d+) (DONE|CACHED)", done.stderr, re.MULTILINE))
    return {title: ends[number] == "CACHED" for number, title in titles.items()}


@pytest.mark.parametrize(("files", "options"), CHANGES.values(), ids=CHANGES.keys())
def test_a_build_finds_what_was_foretold(
    builder: Minibuild, project: Project, files: dict[str, str], options: list[str]
) -> None:
    built(builder, project(FILES))
    root = project(files)
    foretold = planned(builder, root, *options)
    happened = built(builder, root, *options)
    certain = {step for step, cached in foretold.items() if cached is not None}
    assert foretold.keys() >= happened.keys()
    assert {step: foretold[step] for step in certain} == {step: happened[step] for step in certain}


def test_before_the_first_build_everything_runs(builder: Minibuild, project: Project) -> None:
    root = project(FILES)
    foretold = planned(builder, root)
    assert set(foretold.values()) == {False}
    assert foretold.keys() == built(builder, root).keys()


def test_what_depends_on_a_result_is_left_open_and_may_be_cached(builder: Minibuild, project: Project) -> None:
    built(builder, project(FILES))
    root = project({"Dockerfile": DOCKERFILE.replace("echo tool >", "printf 'tool\\n' >")})
    foretold = planned(builder, root)
    assert foretold["RUN printf 'tool\\n' > tool"] is False
    assert foretold["COPY --from=tools /tools/tool /bin/tool"] is None
    assert built(builder, root)["COPY --from=tools /tools/tool /bin/tool"] is True


def test_a_base_that_the_store_lacks_is_looked_up_and_not_kept(builder: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN true\n"})
    [_, step] = json.loads(builder.succeed("plan", "--format=json", root))["stages"][0]["steps"]
    assert (step["cached"], step["reason"], step["key"][:7]) == (False, "it was not done before", "sha256:")
    assert not builder.root.exists()


def test_the_store_is_left_as_it_is(builder: Minibuild, project: Project) -> None:
    root = project(FILES)
    built(builder, root)
    before = files_of(builder.root / "blobs") | files_of(builder.root / "indices")
    names = sorted(path.name for path in builder.root.iterdir())
    builder.succeed("plan", "--build-arg=LEVEL=3", root)
    assert files_of(builder.root / "blobs") | files_of(builder.root / "indices") == before
    assert sorted(path.name for path in builder.root.iterdir()) == names


def test_a_miss_says_why(builder: Minibuild, project: Project) -> None:
    built(builder, project(FILES))
    shown = builder.succeed("plan", "--build-arg=LEVEL=2", project({"src/a": "changed\n", "assets.txt": "other\n"}))
    assert "because src/a changed" in shown
    assert "because assets.txt changed" in shown
    (line,) = re.findall("because .*LEVEL.*", builder.succeed("plan", "--build-arg=LEVEL=2", project(FILES)))
    assert line == "because ARG LEVEL was '1', is '2'"


def test_a_plain_user_plans_what_takes_a_namespace_to_run(
    plain: Minibuild, account: PlainUser, project: Project
) -> None:
    root = project(FILES)
    let_in(root)
    planner = plain.as_user(account, plain.root.parent, *sandboxed("kill"))
    assert set(planned(planner, root).values()) == {False}


def test_graphviz_draws_the_graph(builder: Minibuild, project: Project) -> None:
    dot = shutil.which("dot")
    if dot is None:
        pytest.skip("dot (Debian: graphviz) isn't installed")
    files = {"Dockerfile": DOCKERFILE + 'LABEL a="quoted \\\\ \\"<b>\\""\n'}
    graph = builder.succeed("plan", "--format=dot", project(FILES | files))
    drawn = subprocess.run([dot, "-Tsvg"], input=graph, capture_output=True, text=True)
    assert (drawn.returncode, drawn.stderr) == (0, "")
    assert len(re.findall('class="node"', drawn.stdout)) == 4
    assert len(re.findall('class="edge"', drawn.stdout)) == 4
