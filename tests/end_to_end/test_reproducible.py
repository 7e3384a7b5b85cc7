"""The same inputs give the same image, to the byte, whoever builds them, where, when and by what."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import pytest

import minibuild
from minibuild.runtimes.table import ISOLATING
from tests.accounts import PlainUser, open_directory
from tests.command import Minibuild
from tests.daemons import Registry
from tests.end_to_end.conftest import Project
from tests.filesystems import SNAPSHOTTERS
from tests.pythons import VERSIONS, python

pytestmark = pytest.mark.e2e

COPIES = """\
FROM busybox AS files
COPY --chown=7:8 . /all/
COPY <<"E" /words/здравствуй
$HOME is ï, not expanded
E
ADD archive.tar /unpacked
FROM busybox
ARG SOURCE_DATE_EPOCH
ENV B=2 A=1 C=ünïcode
LABEL b=2 a=1 epoch=$SOURCE_DATE_EPOCH
COPY --from=files /all /words /got/
COPY --link --chmod=u=rwX,go= tree /linked/
WORKDIR /made/on/the/way
EXPOSE 80 443/udp
VOLUME ["/data"]
HEALTHCHECK --interval=5s CMD true
"""
RUNS = """\
FROM busybox AS build
WORKDIR /src
COPY . .
RUN find . -type f | sort | xargs cat > /all && mkdir -p /a/b && mv tree /a/ && rm /bin/yes && ln -s all /link && \\
    ln /all /twin && mkfifo /pipe && chmod 4755 /all && echo new >> /etc/passwd && rm -r /a/b && mkdir /a/b
RUN env | sort > /env; umask > /umask; date +%Z > /zone; id > /id; pwd > /pwd; ls /bin | wc -l > /number
FROM busybox
COPY --from=build /all /env /umask /zone /id /pwd /number /
COPY --from=build /a /a
USER 9:9
RUN --mount=type=cache,target=/cache --mount=type=tmpfs,target=/tmp touch /cache/x /tmp/y && id > /tmp/id; true
"""
FILES = {
    "tree/a": "a\n",
    "tree/ä/ö.txt": "ö\n",
    "tree/Z": "Z" * 70_000,
    "empty": "",
    ".dockerignore": "*.log\nDockerfile*\n",
    "x.log": "",
    "Copies.dockerfile": COPIES,
    "Runs.dockerfile": RUNS,
    # Podman names the machine in a variable, and gives a program its own group a second time.
    "Podman.dockerfile": RUNS.replace("env |", "env | grep -v ^HOSTNAME= |").replace("id >", "id -u >"),
}
EPOCH = "1234567890"
LATER = "4000000000"
CHECKED_OUT = 1_500_000_000
BOTH = pytest.mark.parametrize("dockerfile", ["Copies.dockerfile", "Runs.dockerfile"])


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that other users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def context(project: Project) -> Path:
    """Files with links, modes, names in several scripts, and times younger than the epoch."""
    root = project(FILES)
    (root / "tree" / "a").chmod(0o4755)
    (root / "tree" / "link").symlink_to("a")
    os.link(root / "tree" / "Z", root / "tree" / "twin")
    shutil.make_archive(str(root / "archive"), "tar", root, "tree")
    for path in (root, *root.rglob("*")):
        os.utime(path, (CHECKED_OUT, CHECKED_OUT), follow_symlinks=False)
    return root


def built(builder: Minibuild, context: Path, dockerfile: str, *words: str) -> tuple[str, str]:
    """The image ID and the manifest's digest of a build without cache, in a store of its own."""
    metadata = builder.root.parent / f"{builder.root.name}.json"
    output = ("-o", "type=image,rewrite-timestamp=true", "--source-date-epoch", EPOCH)
    options = ("-f", str(context / dockerfile), "--metadata-file", str(metadata), *output, *words)
    builder.succeed("build", "--no-cache", "--progress=plain", *options, str(context))
    told = json.loads(metadata.read_text())
    return told["containerimage.config.digest"], told["containerimage.digest"]


def elsewhere(builder: Minibuild) -> Minibuild:
    """The same with another store."""
    return builder.at(builder.root.with_name("another"))


@BOTH
def test_two_stores_and_two_checkouts_at_two_times(builder: Minibuild, context: Path, dockerfile: str) -> None:
    first = built(builder, context, dockerfile)
    checkout = context.with_name("a checkout of its own")
    shutil.copytree(context, checkout, symlinks=True, copy_function=shutil.copy)
    (checkout / "tree" / "twin").unlink()
    os.link(checkout / "tree" / "Z", checkout / "tree" / "twin")
    shutil.copy2(context / "archive.tar", checkout)
    assert built(elsewhere(builder), checkout, dockerfile) == first


@BOTH
@pytest.mark.parametrize("epoch", [EPOCH, LATER])
def test_what_is_cached_gives_what_is_made_anew(builder: Minibuild, context: Path, dockerfile: str, epoch: str) -> None:
    built(builder, context, dockerfile)
    words = ("-f", str(context / dockerfile), "-o", "type=image,rewrite-timestamp=true", "--source-date-epoch", epoch)
    warm = builder.succeed("build", "-q", *words, str(context)).strip()
    cold = elsewhere(builder).succeed("build", "-q", *words, str(context)).strip()
    assert warm == cold


SURROUNDINGS = {
    "umask 000": ({}, 'umask 000; exec "$@"'),
    "umask 077": ({}, 'umask 077; exec "$@"'),
    "Turkish": ({"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"}, 'exec "$@"'),
    "no locale": ({"LC_ALL": "POSIX", "LANG": "", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, 'exec "$@"'),
    "Kathmandu": ({"TZ": "Asia/Kathmandu"}, 'exec "$@"'),
    "St. John's": ({"TZ": "America/St_Johns"}, 'exec "$@"'),
    "another order of sets": ({"PYTHONHASHSEED": "1"}, 'exec "$@"'),
    "another home and directory": ({"HOME": "/nonexistent", "USER": "somebody"}, 'cd /; exec "$@"'),
}


@BOTH
@pytest.mark.parametrize("case", SURROUNDINGS)
def test_what_surrounds_the_build(builder: Minibuild, context: Path, dockerfile: str, case: str) -> None:
    variables, script = SURROUNDINGS[case]
    changed = elsewhere(builder).with_variables(**variables).with_prefix("sh", "-c", script, "sh")
    assert built(changed, context, dockerfile) == built(builder, context, dockerfile)


@BOTH
def test_a_plain_user(builder: Minibuild, plain: Minibuild, context: Path, dockerfile: str) -> None:
    assert built(plain, context, dockerfile) == built(builder, context, dockerfile)


@BOTH
def test_another_owner_of_the_files(builder: Minibuild, account: PlainUser, context: Path, dockerfile: str) -> None:
    first = built(builder, context, dockerfile)
    for path in (context, *context.rglob("*")):
        mode = path.lstat().st_mode
        os.chown(path, account.uid, account.uid, follow_symlinks=False)
        if not path.is_symlink():
            path.chmod(mode)  # which chown has taken set-user-ID from
    assert built(elsewhere(builder), context, dockerfile) == first


@pytest.mark.parametrize("snapshotter", SNAPSHOTTERS)
@pytest.mark.parametrize("runtime", ISOLATING)
def test_a_runtime_and_a_snapshotter(
    builder: Minibuild, context: Path, btrfs: Path, runtime: str, snapshotter: str
) -> None:
    there = builder.at(btrfs / uuid4().hex)
    words = ("--runtime", runtime, "--snapshotter", snapshotter)
    dockerfile = "Podman.dockerfile" if runtime == "podman" else "Runs.dockerfile"
    assert built(there, context, dockerfile, *words) == built(builder, context, dockerfile)


@pytest.mark.parametrize("version", VERSIONS)
def test_a_version_of_python_down_to_what_is_pushed(
    builder: Minibuild, context: Path, registry: Registry, version: str
) -> None:
    other = replace(elsewhere(builder), interpreter=python(version))
    other = other.with_variables(PYTHONPATH=str(Path(minibuild.__file__).parent.parent))
    assert built(other, context, "Runs.dockerfile") == built(builder, context, "Runs.dockerfile")
    for compression in ("gzip", "zstd", "uncompressed"):
        digests = set()
        for one in (builder, other):
            name = f"{registry.host}/{one.root.name}/{compression}-{version}"
            output = f"type=registry,name={name},compression={compression},rewrite-timestamp=true"
            digests.add(built(one, context, "Copies.dockerfile", "-o", output))
        assert len(digests) == 1, compression
