"""Networks, name servers and certificates of RUN and of containers, as root and as a plain user."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from minibuild.runtimes.table import ISOLATING
from tests.accounts import open_directory
from tests.command import Minibuild
from tests.end_to_end.conftest import Project
from tests.end_to_end.test_stopping import wait_for
from tests.isolation import isolated
from tests.machine import require
from tests.servers.certificates import Authority
from tests.servers.files import FileServer
from tests.world import world

pytestmark = pytest.mark.e2e

FETCH = "wget -q -O - http://{} | cut -c 1-5"
# Programs of this machine, and what they go by.
PROGRAMS = {
    "curl": "curl -sS {url}",
    "python3": "python3 -c 'import urllib.request as r; print(r.urlopen(\"{url}\").read().decode())'",
    "node": 'node -e \'require("https").get("{url}", r => r.on("data", d => console.log(String(d))))\'',
}


@pytest.fixture
def tmp_path() -> Iterator[Path]:
    """In place of pytest's: a directory that all users can reach."""
    with open_directory() as path:
        yield path


@pytest.fixture
def offline(anybody: Minibuild) -> Minibuild:
    """minibuild that has its base already, since in a world of its own no registry is."""
    require("ip", "slirp4netns", "pasta", root=True)
    anybody.succeed("pull", "busybox")
    return anybody


def said(done: subprocess.CompletedProcess[str]) -> list[str]:
    """What the commands of a successful build printed, in a plain log."""
    assert done.returncode == 0, done.stderr
    lines = [line.split(" ", 2) for line in done.stderr.splitlines()]
    return [words[2] for words in lines if len(words) == 3 and words[1].replace(".", "").isdigit()]


WAYS = [("slirp4netns", runtime) for runtime in ISOLATING]
WAYS += [("pasta", "crun"), ("pasta", "unshare")]


@pytest.mark.parametrize(("carrier", "runtime"), WAYS, ids=["-".join(way) for way in WAYS])
@isolated
def test_a_private_network_knows_names_and_leaves_nothing(
    offline: Minibuild, project: Project, tmp_path: Path, carrier: str, runtime: str
) -> None:
    out = offline.root.parent / "out"
    with world(tmp_path) as there:
        fetch = FETCH.format("a.example:" + there.beyond.partition(":")[2])
        root = project({"Dockerfile": f"FROM busybox\nRUN {fetch}\nRUN cat /etc/resolv.conf\n"})

        done = offline("build", "--progress=plain", f"--network={carrier}", "--runtime", runtime, "-o", out, root)

        assert said(done) == ["hello", "nameserver 10.0.2.3", "search world.example"]
        assert there.carriers() == []
    assert not (out / "etc/resolv.conf").exists()


@isolated
def test_run_has_this_machines_network_where_it_is_permitted(
    offline: Minibuild, project: Project, tmp_path: Path
) -> None:
    with world(tmp_path) as there:
        fetch = FETCH.format(f"127.0.0.1:{there.port}")
        root = project({"Dockerfile": f"FROM busybox\nRUN --network=host {fetch}\nRUN ! {fetch} | grep hello\n"})

        refused = offline("build", "--network=private", root)
        done = offline("build", "--progress=plain", "--network=private", "--allow=network.host", root)

    assert (
        "Dockerfile:2:1: error: RUN --network=host is not permitted: this build's network is private" in refused.stderr
    )
    assert refused.returncode == 2
    assert said(done)[0] == "hello"


@isolated
def test_a_device_that_is_closed_to_its_user_is_named(
    plain: Minibuild, offline_plain: None, project: Project, tmp_path: Path
) -> None:
    del offline_plain
    with world(tmp_path, tun_mode=0o600):
        done = plain("build", "--network=private", project({"Dockerfile": "FROM busybox\nRUN true\n"}))
        told = plain.succeed("info")

    message = "/dev/net/tun can't be opened, which a private network takes: permission denied"
    assert (done.returncode, f"error: {message}\n" in done.stderr) == (6, True), done.stderr
    assert "hint: as root: chmod 666 /dev/net/tun" in done.stderr
    assert f"networks      slirp4netns    no: {message}\n" in told


@pytest.fixture
def offline_plain(plain: Minibuild) -> None:
    """The plain user has its base already."""
    require("ip", "slirp4netns", root=True)
    plain.succeed("pull", "busybox")


@pytest.mark.parametrize("carrier", ["slirp4netns", "pasta"])
@isolated
def test_a_killed_build_takes_its_private_network_along(
    builder: Minibuild, project: Project, tmp_path: Path, carrier: str
) -> None:
    require("ip", carrier, root=True)
    builder.succeed("pull", "busybox")
    root = project({"Dockerfile": "FROM busybox\nRUN sleep 1000\n"})
    with world(tmp_path) as there:
        build = builder.start("build", f"--network={carrier}", root)
        try:
            wait_for(lambda: there.carriers() == [carrier], "nothing carries packets")
        finally:
            build.kill()
            build.communicate()

        wait_for(lambda: not there.carriers(), "packets are still carried")


def test_name_servers_are_those_that_were_given(offline: Minibuild, project: Project) -> None:
    root = project({"Dockerfile": "FROM busybox\nRUN cat /etc/resolv.conf | grep -v '^#'\n"})
    words = ("--dns=192.0.2.1,2001:db8::1", "--dns-search=x.example", "--dns-option=ndots:2", "--dns-option=rotate")

    built = offline("build", "--progress=plain", *words, root)
    ran = offline.succeed("run", *words, "busybox", "grep", "-v", "^#", "/etc/resolv.conf").splitlines()

    expected = ["nameserver 192.0.2.1", "nameserver 2001:db8::1", "search x.example", "options ndots:2 rotate"]
    assert (said(built)[:4], ran[:4]) == (expected, expected)


@isolated
def test_a_container_of_an_image_has_a_private_network(offline: Minibuild, tmp_path: Path) -> None:
    with world(tmp_path) as there:
        fetch = FETCH.format("a.example:" + there.beyond.partition(":")[2])

        assert offline.succeed("run", "--network=private", "busybox", "sh", "-c", fetch) == "hello\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    require("openssl", *PROGRAMS)
    return Authority.founded(tmp_path / "authority")


@pytest.mark.parametrize("program", PROGRAMS)
def test_programs_trust_a_bundle_that_no_image_has(
    offline: Minibuild, project: Project, tmp_path: Path, authority: Authority, program: str
) -> None:
    bundle, out = tmp_path / "bundle.pem", offline.root.parent / "out"
    bundle.write_bytes(authority.own.path.read_bytes())
    bundle.chmod(0o600)  # the user of a RUN need not be one who may read it
    volumes = [f"--volume={path}:{path}:ro" for path in ("/usr", "/lib", "/lib64")]
    with FileServer({"/": b"trusted\n"}, certificate=authority.signed("localhost").together()) as server:
        asking = PROGRAMS[program].format(url=f"{server.url}/")
        root = project({"Dockerfile": f"FROM busybox\nUSER 1000\nENV PATH=/usr/bin:/bin\nRUN {asking}\n"})
        if offline.prefix:
            subprocess.run(["chown", "--reference", str(offline.root.parent), str(bundle)], check=True)

        refused = offline("build", *volumes, root)
        done = offline("build", "--progress=plain", *volumes, f"--ca-bundle={bundle}", "-o", out, root)

    assert (refused.returncode, said(done)[:1]) == (5, ["trusted"])
    assert not [path for path in out.rglob("*") if path.name in ("ca.pem", ".minibuild")]
    inspected = offline("build", "-q", "-t", "built", *volumes, root)  # without the bundle: it isn't in the key
    assert inspected.returncode == 0
    assert "SSL_CERT_FILE" not in offline.succeed("inspect", "built")


def test_what_the_dockerfile_says_of_certificates_counts(
    offline: Minibuild, project: Project, authority: Authority
) -> None:
    lines = "FROM busybox\nENV SSL_CERT_FILE=/own.pem\nRUN echo $SSL_CERT_FILE $PIP_CERT\n"

    done = offline("build", "--progress=plain", f"--ca-bundle={authority.own.path}", project({"Dockerfile": lines}))

    assert said(done) == ["/own.pem /dev/.minibuild/ca.pem"]
