"""Inside a container as docker starts it by default, without any privilege, minibuild builds what it builds outside."""

from __future__ import annotations

import json
import os
import sys
import sysconfig
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Dockerd, Registry
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_plain_user import FILES
from tests.machine import require
from tests.servers.certificates import Authority

pytestmark = pytest.mark.e2e

HOME = Path(__file__).parent.parent.parent


@dataclass(frozen=True)
class Contained:
    """minibuild in a fresh container of a daemon, with this machine's Python and a directory of the test's."""

    dockerd: Dockerd
    place: Path
    mirror: str
    options: Sequence[str] = ()
    interpreter: str = sys.executable

    def __call__(self, *words: str | Path) -> tuple[int, str]:
        """Runs a command of minibuild; answers its status and all that it said."""
        shown = {
            *map(Path, ("/usr", "/lib", "/lib64")),
            HOME,
            Path(sys.prefix),
            Path(os.path.realpath(sys.base_prefix)),
        }
        options = ["run", "--rm", "--net=host", f"--volume={self.place}:{self.place}", *self.options]
        options += [f"--volume={os.path.realpath(path)}:{path}:ro" for path in shown]
        options += [
            f"--env=PYTHONPATH={HOME}:{sysconfig.get_path('purelib')}",
            f"--env=MINIBUILD_REGISTRY_MIRROR={self.mirror}",
        ]
        options += ["--env=SOURCE_DATE_EPOCH=0", "busybox", self.interpreter, "-m", "minibuild"]
        done = self.dockerd.run(*options, "--root", str(self.place / "store"), *map(str, words), check=False)
        return done.returncode, done.stdout + done.stderr

    def succeed(self, *words: str | Path) -> str:
        """The same for what is to succeed: all that it said."""
        status, said = self(*words)
        assert status == 0, said
        return said


@pytest.fixture
def builder(minibuild: Minibuild, registry: Registry, busybox_base: BaseImage) -> Minibuild:  # noqa: ARG001
    return minibuild.with_mirror(registry).with_variables(SOURCE_DATE_EPOCH="0")


@pytest.fixture
def contained(dockerd: Dockerd, registry: Registry, busybox_base: BaseImage, tmp_path: Path) -> Contained:
    dockerd.run("load", "-i", str(busybox_base.archive))
    (tmp_path / "inside").mkdir()
    return Contained(dockerd, tmp_path / "inside", f"docker.io=http://{registry.host}")


def in_place(contained: Contained, project: Path) -> Path:
    """The project where the container sees it."""
    return project.rename(contained.place / "project")


def layers_in(said: str) -> list[str]:
    [image] = json.loads(said)
    return list(image["RootFS"]["Layers"])


def test_the_image_is_the_one_that_root_makes(contained: Contained, builder: Minibuild, project: Project) -> None:
    files = in_place(contained, project(FILES))
    os.utime(files / "file", (0, 0))

    said = contained.succeed("build", "-t", "owners", "--progress=plain", files)

    builder.succeed("build", "-t", "owners", files)
    assert "nothing can be mounted here: a RUN has no /proc" in said
    assert layers_in(contained.succeed("inspect", "owners")) == layers_in(builder.succeed("inspect", "owners"))


MOUNTS = """\
FROM busybox AS made
RUN mkdir /out && echo made > /out/file
FROM busybox
RUN --mount=type=bind,from=made,source=/out,target=/in --mount=type=cache,target=/cache \\
    --mount=type=secret,id=key --mount=type=tmpfs,target=/tmp \\
    cat /in/file && cat /run/secrets/key && echo first > /cache/f && echo x > /tmp/x && echo y > /etc/hosts
RUN --mount=type=cache,target=/cache echo "kept $(cat /cache/f)" && ls -A / && cat < /dev/null && echo > /kept
RUN <<EOF
sleep 100000 &
id
EOF
"""


def check_mounts(contained: Contained, builder: Minibuild, files: Path) -> None:
    """What is mounted in there is seen, and the image has the paths that it has elsewhere."""
    words = ("build", "-t", "mounts", "--progress=plain", "--secret", f"id=key,src={files}/key", files)

    said = contained.succeed(*words)

    builder.succeed(*words)
    assert "made" in said and "kept first" in said and "a secret" not in said
    listing = ("run", "--rm", "mounts", "find", "/", "-xdev", "-name", "[dps][ery][vos]*", "-prune", "-o", "-print")
    assert sorted(contained.succeed(*listing).split()) == sorted(builder.succeed(*listing).split())


def test_what_is_mounted_elsewhere_is_there_and_leaves_nothing(
    contained: Contained, builder: Minibuild, project: Project
) -> None:
    check_mounts(contained, builder, in_place(contained, project({"Dockerfile": MOUNTS, "key": "a secret"})))


PACKAGES = """\
FROM debian:bookworm
RUN apt-get update && apt-get install --yes --no-install-recommends openssh-client supervisor && \\
    stat -c "%G %a" /usr/bin/ssh-agent && supervisord --version
"""


@pytest.mark.usefixtures("debian_base")
def test_packages_are_installed_with_the_owners_that_they_want(contained: Contained, project: Project) -> None:
    said = contained.succeed("build", "--progress=plain", in_place(contained, project({"Dockerfile": PACKAGES})))

    assert "_ssh 2755" in said and "4.2.5" in said


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        (("--network=none",), "chroot can give a RUN no network of its own"),
        (("--network=private",), "chroot can give a RUN no network of its own"),
        (("--shm-size=1m",), "chroot can give a RUN no /dev/shm of another size"),
        (("--memory=64m",), "runc: a mount namespace can't be made"),
    ],
    ids=["network", "private network", "shm", "memory"],
)
def test_what_takes_namespaces_is_refused(
    contained: Contained, project: Project, words: Sequence[str], complaint: str
) -> None:
    files = in_place(contained, project({"Dockerfile": "FROM busybox\nRUN true\n"}))

    status, said = contained("build", *words, files)

    assert (status, complaint in said) == (6, True), said


def test_certificates_and_name_servers_are_there_as_long_as_run(
    contained: Contained, project: Project, tmp_path: Path
) -> None:
    require("openssl")
    authority, out = Authority.founded(tmp_path / "authority").own, contained.place / "out"
    lines = "RUN head -n 1 $CURL_CA_BUNDLE && grep nameserver /etc/resolv.conf\nRUN touch /made\n"
    files = in_place(contained, project({"Dockerfile": f"FROM busybox\n{lines}"}))
    bundle = authority.path.rename(contained.place / "ca.crt")

    said = contained.succeed("build", "--progress=plain", f"--ca-bundle={bundle}", "--dns=192.0.2.1", "-o", out, files)

    assert "-----BEGIN CERTIFICATE-----" in said and "nameserver 192.0.2.1" in said
    assert [(out / path).exists() for path in ("made", "dev/.minibuild", "etc/resolv.conf")] == [True, False, False]


def test_info_says_what_is_in_the_way(contained: Contained) -> None:
    said = contained.succeed("info")

    assert "chroot" in said and "a mount namespace can't be made: operation not permitted" in said
