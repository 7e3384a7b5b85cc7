"""Plans against a second opinion: the BuildKit inside a real docker daemon builds the same Dockerfiles."""

from __future__ import annotations

import http.client
import io
import json
import socket
import tarfile
from collections.abc import Mapping
from textwrap import dedent

import pytest

from minibuild.dockerfile import parse
from minibuild.instructions.base import StageState
from minibuild.oci import ImageConfig, Platform
from minibuild.plan import Options, plan
from minibuild.source import Source
from tests.daemons import Dockerd

pytestmark = pytest.mark.e2e

DOCKERFILES = {
    "commands": r"""
        CMD x "y"
        ENTRYPOINT ["a", "b\"c"]
        SHELL ["/bin/bash", "-c"]
        CMD z
        ENTRYPOINT []
    """,
    "an entrypoint forgets a command": """
        CMD ["x"]
        FROM base
        ENTRYPOINT ["y"]
    """,
    "variables": r"""
        ENV A=1 B="two words" C=three\ words D='$A' E=
        ENV F=$A$B G=${X:-$A} H=\$A
        ENV A=2
        ENV I=${A:-x} J=${E:-x} K=${A:+x} L=${E:+x} M=$U
    """,
    "old forms": """
        ENV A b  "c" $PATH
        LABEL d "e f" g
        ENV H "quoted"
    """,
    "labels": r"""
        ARG v=1
        LABEL a=$v "b c"='d e' f="g \
          h"
        LABEL a=2
        MAINTAINER "Anna" <a@b>
    """,
    "arguments": """
        ARG A=1
        ARG B=${A}2
        ARG GLOBAL
        ARG N
        ARG L=x
        ENV OUT=$A-$B-$GLOBAL-$N-$L
        ENV A=env
    """,
    "directories": """
        WORKDIR a
        WORKDIR b/../c
        WORKDIR ..
        WORKDIR /x/y
        ENV D=z
        WORKDIR $D
        WORKDIR /
    """,
    "copies": """
        ENV D=/d
        WORKDIR /w
        COPY f ./g
        COPY f $D/
        COPY ["f", "$D/h"]
        ADD f .
        COPY ../f .
    """,
    "the rest": """
        USER u:g
        VOLUME /a /b
        VOLUME ["/c d"]
        STOPSIGNAL term
        EXPOSE 80 80/TCP 81-82/udp
        HEALTHCHECK --interval=90s --timeout=1500ms --retries=3 CMD curl "x"
    """,
    "no healthcheck": "HEALTHCHECK NONE",
    "an exec healthcheck": 'HEALTHCHECK --start-period=1h CMD ["a", "b c"]',
    "triggers": """
        ONBUILD ENV T=1
        ONBUILD COPY f /t/
        ENV U=2
        FROM base
        ENV V=$T$U
    """,
    "stages": """
        COPY f /x/f
        FROM scratch
        COPY --from=base /x /y
        COPY --from=0 /x/f /z
    """,
    "continuations": r"""
        ENV A=1 \
          # a comment
          B=2
        LABEL x=y\
        z
        CMD a \
           b
    """,
    "exec forms that are none": """
        CMD ['a', 'b']
        ENTRYPOINT ["a",]
    """,
}
HEAD = "ARG GLOBAL=g\nFROM scratch AS base\n"
# What the daemon's older BuildKit writes otherwise: ports as a Go map, checks without a start interval, an ARG from
# above the first FROM without its value.
OTHERWISE = ("EXPOSE ", "HEALTHCHECK ", "ARG GLOBAL")


@pytest.mark.parametrize("name", DOCKERFILES)
def test_configuration_and_history_are_those_of_buildkit(dockerd: Dockerd, name: str) -> None:
    text = HEAD + dedent(DOCKERFILES[name]) + "\n"
    image = f"plan-{list(DOCKERFILES).index(name)}"
    build(dockerd, {"Dockerfile": text, "f": "content\n"}, image)
    result, history = planned(text)
    config = json.loads(ImageConfig(Platform("linux", "amd64"), result.config).encode())["config"]
    assert said(config) == said(dockerd.inspect(image)["Config"])
    lines = dockerd.run("history", "--no-trunc", "--format", "{{.CreatedBy}}", image).stdout.splitlines()[::-1]
    assert comparable(history) == comparable(lines)


def planned(text: str) -> tuple[StageState, list[str]]:
    """The last stage's state, and the history lines of it and of the stages it is based on."""
    result = plan(parse(Source("Dockerfile", text)), _no_images, Options())
    stages = [result.stages[result.target]]
    while stages[-1].base is not None:
        stages.append(result.stages[stages[-1].base.stage])  # type: ignore[union-attr]  # nothing but stages here
    return stages[0].result, [step.history for stage in stages[::-1] for step in stage.steps if step.history]


def said(config: object) -> dict[str, object]:
    """A configuration without what it says nothing by."""
    assert isinstance(config, dict)
    return {key: value for key, value in config.items() if value}


def comparable(lines: list[str]) -> list[str]:
    """History lines without those that BuildKit changed since."""
    return [line for line in lines if not line.startswith(OTHERWISE)]


def build(daemon: Dockerd, files: Mapping[str, str], image: str) -> None:
    """A build by the daemon's BuildKit, its context posted as a tar (the docker CLI would need its buildx plug-in)."""
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content.encode()))
    connection = http.client.HTTPConnection("docker")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.connect(daemon.host.removeprefix("unix://"))
    headers = {"Content-Type": "application/x-tar"}
    connection.request("POST", f"/v1.41/build?version=2&t={image}", context.getvalue(), headers)
    answer = connection.getresponse().read().decode()
    connection.close()
    assert "Successfully tagged" in answer, answer


def _no_images(*_asked: object) -> None:  # type: ignore[misc]
    raise AssertionError("all stages are from scratch")
