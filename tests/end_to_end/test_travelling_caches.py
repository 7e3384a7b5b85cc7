"""Caches that travel: two machines, each with a store of its own, that share a registry or a directory."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.accounts import open_directory
from tests.command import Minibuild
from tests.daemons import Registry
from tests.end_to_end.conftest import Project

pytestmark = pytest.mark.e2e

DOCKERFILE = """\
FROM {base} AS tools
COPY first.txt /
RUN cat /first.txt > /tool

FROM {base}
WORKDIR /app
COPY --from=tools /tool /tool
RUN cat /tool > /made
COPY second.txt /app/
LABEL done=yes
"""
STEPS = {"COPY first.txt /", "RUN cat /first.txt > /tool"}
OWN = {"COPY --from=tools /tool /tool", "RUN cat /tool > /made", "COPY second.txt /app/"}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """A directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def base(registry: Registry) -> str:
    """The base image, by its name in the registry that all caches go to."""
    return f"{registry.host}/library/busybox:latest"


@pytest.fixture
def root(project: Project, base: str) -> Path:
    """A project of two stages."""
    return project({"Dockerfile": DOCKERFILE.format(base=base), "first.txt": "one\n", "second.txt": "two\n"})


@pytest.fixture
def elsewhere(builder: Minibuild, tmp_path: Path) -> Minibuild:
    """Another machine: nothing but an empty store."""
    return builder.at(tmp_path / "elsewhere")


@pytest.fixture
def cache(registry: Registry, tmp_path: Path) -> str:
    """A name in the registry that no other test knows."""
    return f"{registry.host}/caches/{hashlib.sha256(str(tmp_path).encode()).hexdigest()[:12]}:main"


def build(builder: Minibuild, *words: str | Path) -> str:
    """Builds, and answers the log."""
    done = builder("build", "--progress=plain", *words)
    assert done.returncode == 0, done.stderr
    return done.stderr


def ran(log: str) -> set[str]:
    """The instructions of a log that were carried out."""
    titles = dict(re.findall(r"^#(\d+) \[(?:[\w-]+ )?\d+/\d+\] (.+)$", log, re.MULTILINE))
    done = set(re.findall(r"^#(\d+) DONE", log, re.MULTILINE))
    return {title for number, title in titles.items() if number in done and title.startswith(("RUN", "COPY"))}


def image_id(log: str) -> str:
    """The ID that a log ends with."""
    [found] = re.findall(r"^image +(sha256:\w+)$", log, re.MULTILINE)
    return str(found)


def layers_here(builder: Minibuild, digests: Sequence[str]) -> list[str]:
    """Those of these blobs that a store has."""
    return [one for one in digests if (builder.root / "blobs/sha256" / one.removeprefix("sha256:")).exists()]


def test_another_machine_finds_all_steps_and_comes_to_the_same_image(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path
) -> None:
    first = build(builder, "--cache-to", f"type=registry,ref={cache},mode=max", root)
    second = build(elsewhere, "--cache-from", cache, root)
    assert (ran(first), ran(second)) == (STEPS | OWN, set())
    assert image_id(second) == image_id(first)


def test_what_is_cached_elsewhere_is_pushed_without_a_layer_coming_here(
    builder: Minibuild, elsewhere: Minibuild, registry: Registry, cache: str, root: Path
) -> None:
    name = cache.replace("/caches/", "/fresh/")
    build(builder, "--cache-to", f"type=registry,ref={cache},mode=max", root)
    log = build(elsewhere, "--cache-from", cache, "--push", "-t", name, root)
    assert (ran(log), "fetching" in log) == (set(), False)
    pushed = registry.inspect(name)
    assert len(pushed.layers) == 5
    assert layers_here(elsewhere, pushed.layers) == []
    third = elsewhere.at(elsewhere.root.with_name("third"))
    third.succeed("pull", name)
    assert third.succeed("run", "--rm", name, "cat", "/made") == "one\n"


def test_only_what_a_step_stands_on_is_fetched(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path
) -> None:
    build(builder, "--cache-to", f"type=registry,ref={cache},mode=max", root)
    (root / "second.txt").write_text("changed\n")
    log = build(elsewhere, "--cache-from", cache, "-t", "app", root)
    assert ran(log) == {"COPY second.txt /app/"}
    assert elsewhere.succeed("run", "--rm", "app", "cat", "/made", "/app/second.txt") == "one\nchanged\n"


@pytest.mark.parametrize(("mode", "again"), [("min", {"RUN cat /first.txt > /tool"}), ("max", set())])
def test_a_changed_target_finds_the_other_stages_in_a_cache_of_all(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path, mode: str, again: set[str]
) -> None:
    build(builder, "--cache-to", f"type=registry,ref={cache},mode={mode}", root)
    text = (root / "Dockerfile").read_text()
    (root / "Dockerfile").write_text(text.replace("COPY --from=tools /tool /tool", "COPY --from=tools /tool /other"))
    assert (
        ran(build(elsewhere, "--cache-from", cache, "--target", "tools", root)) & {"RUN cat /first.txt > /tool"}
        == again
    )


def test_a_build_that_had_nothing_to_do_hands_all_stages_on(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path
) -> None:
    build(builder, "--cache-to", f"type=registry,ref={cache},mode=max", root)
    build(elsewhere, "--cache-from", cache, "--cache-to", f"type=registry,ref={cache},mode=max", root)
    third = builder.at(builder.root.with_name("third"))
    assert ran(build(third, "--cache-from", cache, "--target", "tools", root)) == set()


def test_a_directory_carries_a_cache_too(builder: Minibuild, elsewhere: Minibuild, root: Path, tmp_path: Path) -> None:
    place = tmp_path / "cache"
    build(builder, "--cache-to", f"type=local,dest={place},mode=max,compression=zstd", root)
    assert ran(build(elsewhere, "--cache-from", f"type=local,src={place}", "-t", "app", root)) == set()
    assert elsewhere.succeed("run", "--rm", "app", "cat", "/made") == "one\n"


def test_an_image_carries_its_own_steps(builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path) -> None:
    first = build(builder, "--push", "-t", cache, "--cache-to", "type=inline", root)
    second = build(elsewhere, "--cache-from", cache, "--cache-to", "type=inline", root)
    assert ran(second) == set()
    assert image_id(second) == image_id(first)


def test_several_caches_are_asked_and_those_that_are_not_there_are_told_of(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path
) -> None:
    build(builder, "--cache-to", cache, root)
    log = build(elsewhere, "--cache-from", f"{cache}-branch", "--cache-from", cache, root)
    assert ran(log) == set()
    assert f"warning: the cache {cache}-branch is not used: " in log


def test_a_cache_that_cannot_be_written_is_an_error_unless_that_is_fine(builder: Minibuild, root: Path) -> None:
    nowhere = "type=registry,ref=localhost:1/cache"
    assert builder("build", "--cache-to", nowhere, root).returncode == 7
    assert "the cache was not written" in build(builder, "--cache-to", f"{nowhere},ignore-error=true", root)


def test_with_a_key_only_what_it_signed_counts(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path, tmp_path: Path
) -> None:
    ours, others = tmp_path / "ours", tmp_path / "others"
    ours.write_text("0123456789abcdef-ours\n")
    others.write_text("0123456789abcdef-others\n")
    build(builder, "--cache-to", cache, "--cache-key-file", ours, root)
    refused = build(elsewhere, "--cache-from", cache, "--cache-key-file", others, root)
    assert f"the cache {cache} is not used: it is signed by another key" in refused
    third = builder.at(builder.root.with_name("third"))
    assert ran(build(third, "--cache-from", cache, "--cache-key-file", ours, root)) == set()


def test_an_unsigned_cache_is_refused_by_who_has_a_key(
    builder: Minibuild, elsewhere: Minibuild, cache: str, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "key").write_text("0123456789abcdef")
    build(builder, "--cache-to", cache, root)
    log = build(elsewhere, "--cache-from", cache, "--cache-key-file", tmp_path / "key", root)
    assert f"the cache {cache} is not used: it isn't signed" in log
    assert ran(log) == STEPS | OWN


def poisoned(place: Path) -> None:
    """Puts another file's layer into the place of one that a cache says is of this content."""
    [entry] = json.loads((place / "index.json").read_text())["manifests"]
    blobs = place / "blobs/sha256"
    manifest = json.loads((blobs / entry["digest"][7:]).read_text())
    document = json.loads((blobs / manifest["config"]["digest"][7:]).read_text())
    for listed in (document["layers"], manifest["layers"]):
        for layer in listed:
            content = gzip.compress(b"evil" * 300, mtime=0)
            layer |= {"digest": put(blobs, content), "size": len(content)}
    raw = json.dumps(document).encode()
    manifest["config"] |= {"digest": put(blobs, raw), "size": len(raw)}
    raw = json.dumps(manifest).encode()
    entry |= {"digest": put(blobs, raw), "size": len(raw)}
    (place / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [entry]}))


def put(blobs: Path, content: bytes) -> str:
    """Keeps a blob, and answers its digest."""
    digest = hashlib.sha256(content).hexdigest()
    (blobs / digest).write_bytes(content)
    return f"sha256:{digest}"


def test_a_layer_that_is_not_what_the_cache_said_is_made_again(
    builder: Minibuild, elsewhere: Minibuild, root: Path, tmp_path: Path
) -> None:
    place = tmp_path / "cache"
    build(builder, "--cache-to", f"type=local,dest={place},mode=max", root)
    poisoned(place)
    (root / "Dockerfile").write_text((root / "Dockerfile").read_text() + "RUN cat /made /app/second.txt\n")
    log = build(elsewhere, "--cache-from", f"type=local,src={place}", "-t", "app", root)
    assert "what is cached can't be had, and is made again: " in log
    assert elsewhere.succeed("run", "--rm", "app", "cat", "/made", "/app/second.txt") == "one\ntwo\n"


def test_layers_that_a_cache_lost_are_made_again(
    builder: Minibuild, elsewhere: Minibuild, root: Path, tmp_path: Path
) -> None:
    place = tmp_path / "cache"
    build(builder, "--cache-to", f"type=local,dest={place},mode=max", root)
    [entry] = json.loads((place / "index.json").read_text())["manifests"]
    manifest = json.loads((place / "blobs/sha256" / entry["digest"][7:]).read_text())
    for layer in manifest["layers"]:
        (place / "blobs/sha256" / layer["digest"][7:]).unlink()
    log = build(elsewhere, "--cache-from", f"type=local,src={place}", "-t", "app", root)
    assert "what is cached can't be had, and is made again" in log
    assert elsewhere.succeed("run", "--rm", "app", "cat", "/made") == "one\n"


MOUNTS = """\
FROM {base}
COPY first.txt /
RUN --mount=type=cache,id=numbers,target=/cache cat /cache/* > /seen 2>/dev/null; \
    mkdir -p /cache/deep; cat /first.txt > "/cache/$(cat /first.txt)"; ln -s deep /cache/link
"""


@pytest.mark.parametrize("kind", ["registry", "local"])
def test_cache_mounts_travel(anybody: Minibuild, cache: str, base: str, project: Project, kind: str) -> None:
    place = f"type=registry,ref={cache}-{anybody.root.parent.name}" if kind == "registry" else "type=local,"
    directory = anybody.root.parent / "cache"
    there, back = (place, place) if kind == "registry" else (f"{place}dest={directory}", f"{place}src={directory}")
    root = project({"Dockerfile": MOUNTS.format(base=base), "first.txt": "1\n"})
    build(anybody, "--cache-to", f"{there},mounts=numbers", root)
    second = anybody.at(anybody.root.with_name("second"))
    build(second, "--cache-from", back, "--cache-to", f"{there},mounts=numbers", root)
    assert not (second.root / "mounts").exists(), "nothing ran, so nothing was wanted"
    (root / "first.txt").write_text("2\n")
    third = anybody.at(anybody.root.with_name("third"))
    build(third, "--cache-from", back, "-t", "app", root)
    assert third.succeed("run", "--rm", "app", "cat", "/seen") == "1\n"


def test_a_mount_that_no_run_has_is_told_of(builder: Minibuild, base: str, project: Project, tmp_path: Path) -> None:
    root = project({"Dockerfile": MOUNTS.format(base=base), "first.txt": "1\n"})
    log = build(builder, "--cache-to", f"type=local,dest={tmp_path}/cache,mounts=number", root)
    assert "no RUN mounts a cache of the id 'number', which is to travel" in log
    assert "hint: did you mean numbers?" in log
