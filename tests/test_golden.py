"""Every ``fixtures/dockerfiles/<case>/``: a Dockerfile, maybe options.json, and the plan.txt or error.txt it gives.

``MINIBUILD_UPDATE_GOLDEN=1`` rewrites the texts; read the difference before you commit it.
"""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest

from minibuild.checks import check
from minibuild.errors import ImageError, MinibuildError, render_error
from minibuild.oci import ContainerConfig, Image, ImageConfig, Platform
from minibuild.plan import Options, plan, read, render
from minibuild.source import Source, Span

CASES = sorted(path.parent for path in Path(__file__).parent.parent.glob("fixtures/dockerfiles/*/Dockerfile"))
UPDATE = os.environ.get("MINIBUILD_UPDATE_GOLDEN") == "1"
AMD64 = Platform("linux", "amd64")
PATH = ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")

BASES = {
    "node:18.13.0": ContainerConfig(
        environment=(PATH, ("NODE_VERSION", "18.13.0"), ("YARN_VERSION", "1.22.19")),
        entrypoint=("docker-entrypoint.sh",),
        command=("node",),
    ),
    "busybox": ContainerConfig(environment=(("PATH", "/bin"),), command=("sh",)),
    "bare": ContainerConfig(),
    "triggers": ContainerConfig(
        environment=(PATH,), directory="/src", on_build=("COPY . .", "ARG LEVEL=1", "RUN make -O$LEVEL", "CMD run")
    ),
    "copier": ContainerConfig(environment=(PATH,), on_build=("COPY --from=assets /a /a",)),
    "chained": ContainerConfig(environment=(PATH,), on_build=("RUN ok", "ONBUILD RUN x", "CPY a b")),
    "bash": ContainerConfig(environment=(PATH,), shell=("/bin/bash", "-ec"), user="app", labels={"from": "base"}),
}


def lookup(name: str, platform: Platform, span: Span) -> Image:
    """The images there are, in place of a registry."""
    if name.removeprefix("docker.io/library/") not in BASES:
        raise ImageError(f"{name} is not in the registry", span=span)
    config = ImageConfig(platform, BASES[name.removeprefix("docker.io/library/")], author="Base")
    return Image.compose(config, ())


def options_of(case: Path) -> Options:
    """What options.json asks for; the machine that builds is always the same."""
    file = case / "options.json"
    asked = json.loads(file.read_text()) if file.exists() else {}
    return Options(
        build_arguments=asked.get("build_arguments", {}),
        target=asked.get("target", ""),
        platform=Platform.parse(asked.get("platform", "linux/amd64")),
        labels=asked.get("labels", {}),
        proxies=tuple(asked.get("proxies", {}).items()),
        contexts=frozenset(asked.get("contexts", ())),
        build_platform=AMD64,
    )


def outcome(case: Path) -> tuple[str, str]:
    """The name of the file that a case should have, and its text."""
    source = Source("Dockerfile", (case / "Dockerfile").read_bytes().decode("utf-8", "surrogateescape"))
    try:
        dockerfile = read(source)
        return "plan.txt", render(check(dockerfile, plan(dockerfile, lookup, options_of(case))))
    except MinibuildError as error:
        return "error.txt", render_error(error) + "\n"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_dockerfile_gives_the_plan_or_the_error_beside_it(case: Path) -> None:
    name, text = outcome(case)
    other = case / ("error.txt" if name == "plan.txt" else "plan.txt")
    if UPDATE:
        (case / name).write_text(text, encoding="utf-8")
        other.unlink(missing_ok=True)
    assert not other.exists(), f"{other.name} is there, but the case gives {name}:\n{text}"
    assert text == (case / name).read_text(encoding="utf-8")


def test_half_of_the_cases_are_errors() -> None:
    errors = [case for case in CASES if (case / "error.txt").exists()]
    assert len(CASES) >= 300
    assert len(errors) * 2 >= len(CASES)


ERRORS = sorted(path for path in Path(__file__).parent.parent.glob("fixtures/dockerfiles/*/error.txt"))


@pytest.mark.parametrize("file", ERRORS, ids=lambda file: file.parent.name)
def test_an_error_is_one_sentence_that_starts_with_what_is_at_fault(file: Path) -> None:
    for line in file.read_text().splitlines():
        _, is_error, message = line.partition("error: ")
        if is_error and not line.startswith(("hint: ", " ")) and " | " not in line:
            assert not message.endswith((".", "!"))
            assert not re.match(r"failed|error|invalid|cannot|could not|unable", message, re.IGNORECASE)
            assert not re.match(r"[A-Z][a-z]", message) or message.startswith(("Dockerfile ", "JSON "))
