"""Into a real docker daemon and out of it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from minibuild.errors import ImageError, UnavailableError
from minibuild.events import Transferred, silent
from minibuild.layers.entry import Change, Kind
from minibuild.oci import ContainerConfig, Healthcheck, History, Image, Platform, Reference
from minibuild.store import Store
from minibuild.transports import Place, open_exporter, open_source
from minibuild.transports.docker_archive import DockerArchive
from minibuild.transports.docker_daemon import DockerDaemon
from minibuild.transports.tar import TarFile
from tests.daemons import Dockerd
from tests.machine import require
from tests.transports.conftest import APP, LINUX, SECOND, compressed, directory, file, image_of, other

CAPABILITY = bytes.fromhex("0100000200040000000000000000000000000000")
LONG = "x" * 200


@pytest.fixture
def daemon(dockerd: Dockerd) -> DockerDaemon:
    return DockerDaemon({"DOCKER_HOST": dockerd.host})


def every_kind() -> list[list[Change]]:
    """Layers with all that a layer can hold, and all that a later one can take away."""
    lower = [
        directory("d", mode=0o1777, uid=7, gid=8),
        file("d/capable", b"c", mode=0o755, xattrs={"security.capability": CAPABILITY}),
        file("d/first", b"1", uid=3_000_000, gid=1234),
        other("d/second", Kind.HARDLINK, link="d/first"),
        file("d/setuid", b"s", mode=0o4755),
        other("d/soft", Kind.SYMLINK, mode=0o777, link="/nowhere/at all"),
        other("disk", Kind.BLOCK, mode=0o660, device=(7, 0)),
        file("empty", b""),
        directory("gone"),
        file("gone/file", b"x"),
        directory("hidden"),
        file("hidden/file", b"x"),
        other("null", Kind.CHARACTER, mode=0o666, device=(1, 3)),
        file(os.fsdecode(b"not utf-8 \xff"), b"bytes"),
        file("old", b"dated", mtime=1),
        other("pipe", Kind.FIFO, mode=0o600),
        directory(LONG),
        directory(f"{LONG}/{LONG}"),
        file(f"{LONG}/{LONG}/ünïcode", b"deep"),
        file("turns", b"from a file into a directory"),
    ]
    upper = [
        directory("d", mode=0o750),
        file("d/first", b"another file now"),
        other("gone", Kind.WHITEOUT, mode=0, mtime=0),
        directory("hidden"),
        other("hidden", Kind.OPAQUE, mode=0, mtime=0),
        file("hidden/new", b"shown"),
        directory("turns"),
        file("turns/inside", b"y"),
    ]
    return [lower, upper]


EVERY_NAME = {
    *("d", "d/capable", "d/first", "d/second", "d/setuid", "d/soft", "disk", "empty", "hidden", "hidden/new"),
    *("null", "old", "pipe", "turns", "turns/inside", os.fsdecode(b"not utf-8 \xff")),
    *(LONG, f"{LONG}/{LONG}", f"{LONG}/{LONG}/ünïcode"),
}
Facts = dict[str, tuple[object, ...]]


def facts(archive: tarfile.TarFile) -> Facts:
    """What a tar says of each of its files; hard links by the content and the inode's facts they share."""
    found: Facts = {}
    for member in archive.getmembers():
        if member.name.split("/")[0] in (".dockerenv", "dev", "etc", "proc", "sys", "."):
            continue
        content = archive.extractfile(member) if member.isreg() or member.islnk() else None
        owner = archive.getmember(member.linkname) if member.islnk() else member
        found[member.name] = (
            member.linkname if member.issym() else tarfile.REGTYPE if member.islnk() else member.type,
            content.read() if content else None,
            (owner.mode & 0o7777, owner.uid, owner.gid, int(owner.mtime)),
            (member.devmajor, member.devminor) if member.isdev() and not member.isfifo() else None,
            owner.pax_headers.get("SCHILY.xattr.security.capability"),
        )
    return found


def exported(dockerd: Dockerd, name: str) -> Facts:
    """What ``docker export`` gives of a container of the image."""
    container = dockerd.run("create", "--net", "none", name, "/none").stdout.strip()
    environment = os.environ | {"DOCKER_HOST": dockerd.host}
    done = subprocess.run(["docker", "export", container], env=environment, capture_output=True, check=True)
    dockerd.run("rm", container)
    with tarfile.open(fileobj=io.BytesIO(done.stdout), errors="surrogateescape") as archive:
        return facts(archive)


def merged(store: Store, image: Image) -> Facts:
    sink = io.BytesIO()
    TarFile(sink).export(image, [], store, silent)
    sink.seek(0)
    with tarfile.open(fileobj=sink, errors="surrogateescape") as archive:
        return facts(archive)


def bare(store: Store, image: Image) -> Image:
    del store
    return image


@pytest.mark.e2e
@pytest.mark.parametrize("form", [bare, compressed], ids=["bare", "gzip"])
def test_the_tree_in_the_daemon_is_the_tree_we_packed(
    form: Callable[[Store, Image], Image], daemon: DockerDaemon, dockerd: Dockerd, store: Store
) -> None:
    name = Reference.parse(f"kinds:{form.__name__}")
    image = form(store, image_of(store, *every_kind(), labels={"form": form.__name__}))
    daemon.export(image, [name], store, silent)
    assert dockerd.inspect(name.familiar())["Id"] == image.id
    tree = exported(dockerd, name.familiar())
    assert tree == merged(store, image)
    assert set(tree) == EVERY_NAME
    assert (tree["d/first"][1], tree["d/second"][1]) == (b"another file now", b"1")


@pytest.mark.e2e
def test_the_configuration_arrives_whole(daemon: DockerDaemon, dockerd: Dockerd, store: Store) -> None:
    image = image_of(
        store,
        [file("a", b"x")],
        user="1000",
        command=("/a", "b"),
        entrypoint=("/e",),
        environment=(("A", "1"), ("B", "two words")),
        labels={"k": "v"},
        exposed_ports=("80/tcp",),
        volumes=("/data",),
        directory="/w",
        stop_signal="SIGINT",
        healthcheck=Healthcheck(("CMD", "true"), interval=5_000_000_000, retries=3),
        on_build=("RUN x",),
        shell=("/bin/bash", "-c"),
    )
    daemon.export(image, [APP, SECOND], store, silent)
    found = dockerd.inspect("app:1")
    assert found["RepoTags"] == ["app:1", "localhost:5000/team/app:2"]
    config = found["Config"]
    assert isinstance(config, dict)
    expected = json.loads(image.raw_config)["config"]
    assert {key: config[key] for key in expected} == expected


@pytest.mark.e2e
def test_a_nameless_image_goes_by_its_id(daemon: DockerDaemon, dockerd: Dockerd, store: Store) -> None:
    image = image_of(store, [file("nameless", b"x")])
    daemon.export(image, [], store, silent)
    assert dockerd.inspect(image.id)["RepoTags"] == []


def sent(daemon: DockerDaemon, image: Image, name: Reference, store: Store) -> set[str]:
    """The layers whose bytes were sent."""
    events: list[Transferred] = []
    daemon.export(image, [name], store, events.append)  # type: ignore[arg-type]
    return {event.item for event in events}


def on_top(store: Store, image: Image, changes: list[Change]) -> Image:
    layer = store.add_layer(changes)
    image = image.append(layer, ContainerConfig(), History(created_by="COPY more"))
    store.put_image(image)
    return image


@pytest.mark.e2e
def test_layers_that_the_daemon_has_are_not_sent_again(daemon: DockerDaemon, dockerd: Dockerd, store: Store) -> None:
    base = image_of(store, [file("base", os.urandom(3000))], [file("second", b"x")])
    assert sent(daemon, base, Reference.parse("known:base"), store) == {
        layer.descriptor.digest.short for layer in base.layers
    }
    app = on_top(store, base, [file("third", os.urandom(3000))])
    # Not even asked for: the store may not have them.
    for layer in base.layers:
        store.blobs.remove(layer.diff_id)
    assert sent(daemon, app, Reference.parse("known:app"), store) == {app.layers[-1].descriptor.digest.short}
    assert dockerd.inspect("known:app")["Id"] == app.id
    assert set(exported(dockerd, "known:app")) == {"base", "second", "third"}
    assert sent(daemon, app, Reference.parse("known:again"), store) == set()


@pytest.mark.e2e
def test_a_layer_that_comes_again_on_a_known_base_is_sent(daemon: DockerDaemon, dockerd: Dockerd, store: Store) -> None:
    changes = [file("twice", os.urandom(3000))]
    base = image_of(store, changes)
    sent(daemon, base, Reference.parse("twice:base"), store)
    app = on_top(store, on_top(store, base, [file("between", b"x")]), changes)
    sent(daemon, app, Reference.parse("twice:app"), store)
    assert set(exported(dockerd, "twice:app")) == {"twice", "between"}


@pytest.mark.e2e
def test_a_refused_image_is_told_in_the_daemon_s_words(daemon: DockerDaemon, store: Store) -> None:
    image = image_of(store, [file("a", b"x")])
    foreign = Image.compose(Image.scratch(Platform("windows", "amd64")).config, image.layers)
    with pytest.raises(ImageError, match=r"the docker daemon refuses the image: .*windows"):
        daemon.export(foreign, [APP], store, silent)


@pytest.mark.e2e
def test_an_image_of_the_daemon_is_a_base(dockerd: Dockerd, store: Store) -> None:
    image = image_of(store, [file("a", b"x")], user="someone")
    source = open_source("docker-daemon:fetched:1", {"DOCKER_HOST": dockerd.host})
    assert isinstance(source, DockerDaemon)
    source.export(image, [Reference.parse("fetched:1")], store, silent)
    found = source.resolve(Reference.parse("whatever"), LINUX)
    assert (found.id, found.config) == (image.id, image.config)
    with source.open(found.layers[0].descriptor) as stream:
        assert stream.read() == store.blobs.path(image.layers[0].diff_id).read_bytes()


@pytest.mark.e2e
def test_an_image_that_the_daemon_lacks_is_named(dockerd: Dockerd) -> None:
    source = DockerDaemon({"DOCKER_HOST": dockerd.host})
    with pytest.raises(ImageError, match="missing:1 isn't in the docker daemon"):
        source.resolve(Reference.parse("missing:1"), LINUX)


@pytest.mark.e2e
@pytest.mark.parametrize("archive", ["ours", "theirs"])
def test_docker_load_and_save_speak_our_archives(archive: str, dockerd: Dockerd, store: Store, tmp_path: Path) -> None:
    image = image_of(store, [file("a", archive.encode())], [file("b", b"y")])
    name = Reference.parse(f"spoken:{archive}")
    DockerArchive(tmp_path / "ours.tar").export(compressed(store, image), [name], store, silent)
    assert f"Loaded image: spoken:{archive}" in dockerd.run("load", "-i", f"{tmp_path}/ours.tar").stdout
    dockerd.run("save", "-o", f"{tmp_path}/theirs.tar", f"spoken:{archive}")
    source = DockerArchive(tmp_path / f"{archive}.tar")
    found = source.resolve(name, LINUX)
    assert (found.id, found.config.diff_ids) == (image.id, image.config.diff_ids)


class Podman:
    """Podman with images of its own and no mounts."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.command = ["podman", f"--root={place}/root", f"--runroot={place}/run", "--storage-driver=vfs"]

    def run(self, *arguments: str) -> str:
        """``podman ARGUMENTS``; raises AssertionError with its output if it fails."""
        done = subprocess.run([*self.command, *arguments], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stderr
        return done.stdout

    @contextmanager
    def served(self) -> Iterator[str]:
        """The DOCKER_HOST of its service."""
        host = f"unix://{self.place}/socket"
        server = subprocess.Popen([*self.command, "system", "service", "--time=0", host], stderr=subprocess.DEVNULL)
        try:
            deadline = time.monotonic() + 60
            while not (self.place / "socket").exists():
                assert server.poll() is None and time.monotonic() < deadline, "podman's service didn't start"
                time.sleep(0.05)
            yield host
        finally:
            server.terminate()
            server.wait()


@pytest.fixture
def podman() -> Iterator[Podman]:
    require("podman", root=True)
    # Its paths may not be long.
    with tempfile.TemporaryDirectory(prefix="podman") as place:
        yield Podman(Path(place))


@pytest.mark.e2e
def test_podman_load_takes_our_archive_and_its_full_name(podman: Podman, store: Store, tmp_path: Path) -> None:
    image = image_of(store, [file("a", b"x")], user="someone")
    DockerArchive(tmp_path / "a.tar").export(image, [APP], store, silent)
    podman.run("load", "-i", f"{tmp_path}/a.tar")
    [found] = json.loads(podman.run("image", "inspect", image.id.hex))
    assert found["RepoTags"] == [str(APP)]
    assert found["User"] == "someone"


@pytest.mark.e2e
def test_podman_load_takes_several_names_as_it_does_docker_s_own(podman: Podman, store: Store, tmp_path: Path) -> None:
    image = image_of(store, [file("a", b"x")])
    DockerArchive(tmp_path / "a.tar").export(image, [APP, SECOND], store, silent)
    podman.run("load", "-i", f"{tmp_path}/a.tar")
    [found] = json.loads(podman.run("image", "inspect", image.id.hex))
    # It reads an archive of several names as Docker's, where a name without a host is one of localhost to it.
    assert set(found["RepoTags"]) == {"localhost/app:1", str(SECOND)}


@pytest.mark.e2e
def test_a_daemon_that_wants_all_layers_gets_them_all(podman: Podman, store: Store) -> None:
    base = image_of(store, [file("base", os.urandom(3000))])
    app = on_top(store, base, [file("more", b"x")])
    with podman.served() as host:
        daemon = DockerDaemon({"DOCKER_HOST": host})
        daemon.export(base, [Reference.parse("whole:base")], store, silent)
        assert sent(daemon, app, Reference.parse("whole:app"), store) >= {app.layers[-1].descriptor.digest.short}
        [found] = json.loads(podman.run("image", "inspect", "whole:app"))
    assert found["RootFS"]["Layers"] == list(app.config.diff_ids)


def test_a_daemon_that_is_down_is_one_clear_error(store: Store, image: Image, tmp_path: Path) -> None:
    exporter = open_exporter("docker", Place("", {"DOCKER_HOST": f"unix://{tmp_path}/none.sock"}, io.BytesIO()))
    with pytest.raises(UnavailableError, match=r"no docker daemon answers at unix:.*none\.sock") as raised:
        exporter.export(image, [APP], store, silent)
    assert "DOCKER_HOST" in raised.value.hint
    assert "type=docker,dest=FILE" in raised.value.hint


@pytest.mark.parametrize("host", ["tcp://127.0.0.1:1", "nonsense://x", "unix:///etc/passwd"])
def test_a_host_that_is_no_daemon_is_one_clear_error(host: str, store: Store, image: Image) -> None:
    with pytest.raises(UnavailableError, match="no docker daemon answers"):
        DockerDaemon({"DOCKER_HOST": host}).export(image, [APP], store, silent)


def test_a_context_that_does_not_exist_is_named(store: Store, image: Image) -> None:
    with pytest.raises(UnavailableError, match="docker's context nowhere doesn't exist"):
        DockerDaemon({"DOCKER_CONTEXT": "nowhere"}).export(image, [APP], store, silent)
