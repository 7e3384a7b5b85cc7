"""What is pinned, locked or in the store stays what it is, whatever a real registry's tags do, and with no network."""

from __future__ import annotations

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from tests.bases import BaseImage
from tests.build.test_add_url import Site, site
from tests.command import Minibuild
from tests.daemons import Registry
from tests.machine import require

pytestmark = pytest.mark.e2e
__all__ = ["site"]

NO_NETWORK = ("unshare", "--net")


@pytest.fixture
def base(minibuild: Minibuild, registry: Registry, busybox_base: BaseImage, tmp_path: Path) -> str:
    """A tag of the registry's that can be moved."""
    assert busybox_base
    moved(minibuild, registry, tmp_path, "first")
    return f"{registry.host}/pinned/base:1"


def moved(minibuild: Minibuild, registry: Registry, place: Path, content: str) -> None:
    """Puts another image under the tag."""
    context = place / f"base-{content}"
    context.mkdir()
    (context / "Dockerfile").write_text(f"FROM {registry.host}/library/busybox\nRUN echo {content} >/which\n")
    elsewhere = replace(minibuild, root=place / "publisher")
    elsewhere.succeed("build", "-q", "-t", f"{registry.host}/pinned/base:1", "--push", context)


@pytest.fixture
def context(base: str, tmp_path: Path) -> Path:
    place = tmp_path / "context"
    place.mkdir()
    (place / "Dockerfile").write_text(f"FROM {base}\nRUN cat /which >/copied\n")
    return place


def test_a_locked_build_on_another_machine_is_the_same_after_the_tag_moved(
    minibuild: Minibuild, registry: Registry, context: Path, tmp_path: Path
) -> None:
    minibuild.succeed("lock", context)
    words = ("build", "-q", "--locked", "--source-date-epoch=0", "-o", "type=registry,rewrite-timestamp=true")
    name = f"{registry.host}/pinned/app:1"
    first = minibuild.succeed(*words, "-t", name, context)
    moved(minibuild, registry, tmp_path, "second")
    elsewhere = replace(minibuild, root=tmp_path / "elsewhere")
    assert elsewhere.succeed(*words, "-t", name, context) == first
    assert minibuild("lock", "--check", context).returncode == 1


def test_a_pinned_file_builds_what_it_named_when_it_was_pinned(
    minibuild: Minibuild, registry: Registry, context: Path, tmp_path: Path
) -> None:
    minibuild.succeed("pin", context)
    moved(minibuild, registry, tmp_path, "second")
    minibuild.succeed("build", "-q", "-t", "app", context)
    assert minibuild.succeed("run", "--rm", "app", "cat", "/copied") == "first\n"
    minibuild.succeed("pin", "--update", context)
    minibuild.succeed("build", "-q", "-t", "app", context)
    assert minibuild.succeed("run", "--rm", "app", "cat", "/copied") == "second\n"


def test_the_digest_is_the_one_that_another_client_sees(minibuild: Minibuild, base: str, context: Path) -> None:
    minibuild.succeed("lock", context)
    command = ["skopeo", "inspect", "--tls-verify=false", "--format", "{{.Digest}}", f"docker://{base}"]
    seen = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
    assert json.loads((context / "minibuild.lock").read_text())["images"] == {base: seen}


def test_a_digest_that_is_gone_is_told_with_its_place(minibuild: Minibuild, base: str, context: Path) -> None:
    lock = {"version": 1, "images": {base: f"sha256:{'0' * 64}"}}
    (context / "minibuild.lock").write_text(json.dumps(lock))
    done = minibuild("build", "--locked", context)
    assert done.returncode == 7
    assert f"Dockerfile:1:6: error: {context}/minibuild.lock has {base} at sha256:{'0' * 64}: " in done.stderr
    assert "hint: minibuild lock asks what the name stands for now" in done.stderr


def test_what_the_store_has_builds_where_there_is_no_network(minibuild: Minibuild, site: Site, context: Path) -> None:
    require("unshare", root=True)
    site.pages["/f"] = ({"ETag": '"1"'}, b"text")
    with (context / "Dockerfile").open("a") as file:
        file.write(f"ADD {site.url}/f /f\n")
    minibuild.succeed("build", "-q", context)
    with (context / "Dockerfile").open("a") as file:
        file.write("RUN cat /copied /f >/both\n")
    cut_off = replace(minibuild, prefix=NO_NETWORK)
    assert cut_off("build", "-q", context).returncode == 4
    cut_off.succeed("build", "-q", "--offline", "-t", "app", context)
    assert minibuild.succeed("run", "--rm", "app", "cat", "/both") == "first\ntext"


def test_run_has_no_network_without_one(minibuild: Minibuild, context: Path) -> None:
    minibuild.succeed("build", "-q", context)
    with (context / "Dockerfile").open("a") as file:
        file.write("RUN ip -o link | wc -l >/number\n")
    minibuild.succeed("build", "-q", "--offline", "-t", "app", context)
    assert minibuild.succeed("run", "--rm", "app", "cat", "/number") == "1\n"
