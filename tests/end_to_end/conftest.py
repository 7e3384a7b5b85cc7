"""What end-to-end tests start from: minibuild with the registry in Docker Hub's place, and small projects to build."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeAlias

import pytest

from tests import daemons
from tests.accounts import PlainUser, plain_user
from tests.bases import BaseImage
from tests.command import Minibuild
from tests.daemons import Registry
from tests.machine import require

# "pass:word", as htpasswd -B writes it.
HTPASSWD = "me:$2b$04$PZTxwcCuVoj2NEc6obM66uYOHULJOXqg.0AzFa1AM7.xeBUc1hJ76\n"

Project: TypeAlias = Callable[[Mapping[str, str]], Path]


@pytest.fixture
def builder(minibuild: Minibuild, registry: Registry, busybox_base: BaseImage) -> Minibuild:  # noqa: ARG001
    """minibuild with an empty store; Docker Hub's ``busybox`` comes from the registry on loopback."""
    return minibuild.with_mirror(registry)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """Writes files (path → content) into a directory ``project`` and answers it."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / "project"
        for path, content in files.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(content)
        return root

    return write


@pytest.fixture(scope="session")
def private(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    """A registry that lets in nobody but 'me', by the password "pass:word"."""
    require("docker-registry", "skopeo")
    place = tmp_path_factory.mktemp("private")
    (place / "htpasswd").write_text(HTPASSWD)
    with daemons.registry(place, {"htpasswd": {"realm": "tests", "path": str(place / "htpasswd")}}) as server:
        yield server


@pytest.fixture(scope="session")
def account(shared_directory: Path) -> Iterator[PlainUser]:
    """A plain user of this machine, who may have a user namespace of many ids."""
    require("useradd", "usermod", "userdel", "newuidmap", "setpriv", root=True)
    with plain_user(f"minibuild-{os.getpid()}", shared_directory / "accounts.lock") as user:
        yield user


@pytest.fixture(scope="session")
def lone_account(shared_directory: Path) -> Iterator[PlainUser]:
    """A plain user of this machine, who can have a user namespace of a single id."""
    require("useradd", "userdel", "setpriv", root=True)
    with plain_user(f"minibuild-1-{os.getpid()}", shared_directory / "accounts.lock", has_ranges=False) as user:
        yield user


@pytest.fixture
def alone(builder: Minibuild, lone_account: PlainUser, tmp_path: Path) -> Minibuild:
    """minibuild as the user of a single id, with a home and a store of its own."""
    home = lone_account.own_directory(tmp_path / "lone")
    return builder.at(home / "store").as_user(lone_account, home)


@pytest.fixture
def plain(builder: Minibuild, account: PlainUser, tmp_path: Path) -> Minibuild:
    """minibuild as that user, with a home and a store of its own."""
    home = account.own_directory(tmp_path / "home")
    return builder.at(home / "store").as_user(account, home)


@pytest.fixture(params=["root", "plain user"])
def anybody(request: pytest.FixtureRequest) -> Minibuild:
    """minibuild as root, then as a plain user; the test's ``tmp_path`` must be open to both."""
    builder: Minibuild = request.getfixturevalue({"root": "builder", "plain user": "plain"}[request.param])
    return builder
