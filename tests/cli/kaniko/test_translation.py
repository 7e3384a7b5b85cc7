"""Kaniko's words as ``minibuild build``'s: a table, and what doesn't fit into one."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import pytest

from minibuild.cli.build_options import build_parser
from minibuild.cli.kaniko.flags import kaniko_parser
from minibuild.cli.kaniko.translation import Certificate, Translation, translate
from minibuild.errors import UsageError

NOTHING: Mapping[str, str] = MappingProxyType({})
HERE = "/here/Dockerfile"


def translated(words: str, environment: Mapping[str, str] = NOTHING, *, there: str = "") -> Translation:
    """What a command line means where these paths exist."""
    arguments = kaniko_parser(environment).read(shlex.split(words))
    return translate(arguments, environment, located=lambda path: f"/here/{path}" if path in there.split() else "")


def read(words: Sequence[str]) -> Mapping[str, object]:
    """What minibuild build makes of words."""
    return vars(build_parser({}).read(words))


USUAL = "-f ctx/Dockerfile --no-cache ctx"


@pytest.mark.parametrize(
    ("kaniko", "ours"),
    [
        ("--no-push", "-f /workspace/Dockerfile --no-cache /workspace/"),
        ("--no-push -c ctx", USUAL),
        ("--no-push -c dir://ctx", USUAL),
        ("--no-push -c ctx --force --cleanup --cache-ttl=24h --snapshot-mode redo --push-retry 3", USUAL),
        ("--no-push -c ctx --context-sub-path a/b", "-f ctx/a/b/Dockerfile --no-cache ctx/a/b"),
        ("--no-push -c ctx -f docker/Prod", "-f ctx/docker/Prod --no-cache ctx"),
        ("--no-push -c ctx -f https://h/D", "-f https://h/D --no-cache ctx"),
        ("--no-push -c tar://c.tgz", "--no-cache c.tgz"),
        ("--no-push -c tar://stdin -f D", "-f D --no-cache -"),
        ("--no-push -c https://h/c.tar.gz", "--no-cache https://h/c.tar.gz"),
        ("--no-push -c git://h/a/b", "--no-cache https://h/a/b.git"),
        ("--no-push -c git://h/a/b.git#refs/heads/main", "--no-cache https://h/a/b.git#refs/heads/main"),
        ("--no-push -c git://h/a/b#refs/heads/main#0a1b", "--no-cache https://h/a/b.git#0a1b"),
        ("--no-push -c https://h/a/b.git#v1 --context-sub-path /x/", "--no-cache https://h/a/b.git#v1:x"),
        ("--no-push -c git://h/a/b --git branch=dev,depth=1", "--no-cache https://h/a/b.git#dev"),
        ("--no-push -c ctx --build-arg A=1 --build-arg B", f"--build-arg A=1 --build-arg B=  {USUAL}"),
        ("--no-push -c ctx --label a=b --annotation c=d", f"--label a=b --annotation c=d {USUAL}"),
        ("--no-push -c ctx --target x --customPlatform linux/arm64", f"--target x --platform linux/arm64 {USUAL}"),
        ("--no-push -c ctx --skip-unused-stages", USUAL),
        ("--no-push -c ctx --skip-unused-stages=false", f"--all-stages {USUAL}"),
        ("--no-push -c ctx --secret id=a,src=b", f"--secret id=a,src=b {USUAL}"),
        ("--no-push -c ctx --single-snapshot=false", USUAL),
        ("--no-push -c ctx --single-snapshot", f"--squash=base {USUAL}"),
        ("--no-push -c ctx --tarPath i.tar -d a/b", f"--tag a/b --output type=docker,dest=i.tar {USUAL}"),
        ("--no-push -c ctx --oci-layout-path o", f"--output type=oci,dest=o,tar=false {USUAL}"),
        ("-c ctx -d r/a:1 -d r/b", f"--tag r/a:1 --tag r/b --output type=registry,compression=gzip {USUAL}"),
        (
            "-c ctx -d r/a --compression zstd --compression-level 9 --tar-path x,y",
            (
                "--tag r/a --output type=registry,compression=zstd,compression-level=9 "
                f"""--output 'type=docker,"dest=x,y",compression=zstd,compression-level=9' {USUAL}"""
            ),
        ),
        (
            "--no-push -c ctx --reproducible --tar-path t",
            f"--source-date-epoch 0 --output type=docker,dest=t,rewrite-timestamp=true {USUAL}",
        ),
        ("--no-push -c ctx --cache", "-f ctx/Dockerfile ctx"),
        (
            "-c ctx -d r.io/a:1 --cache=true",
            (
                "-f ctx/Dockerfile --tag r.io/a:1 --output type=registry,compression=gzip "
                "--cache-from type=registry,ref=r.io/a/cache "
                "--cache-to type=registry,ref=r.io/a/cache,mode=max,ignore-error=true ctx"
            ),
        ),
        (
            "--no-push -c ctx --cache --cache-repo r.io/c --no-push-cache",
            "-f ctx/Dockerfile --cache-from type=registry,ref=r.io/c ctx",
        ),
        (
            "--no-push -c ctx --cache --cache-repo oci:/c",
            (
                "-f ctx/Dockerfile --cache-from type=local,src=/c "
                "--cache-to type=local,dest=/c,mode=max,ignore-error=true ctx"
            ),
        ),
        ("--no-push -c ctx --registry-mirror m.corp", f"--registry-mirror docker.io=m.corp {USUAL}"),
        ("--no-push -c ctx --registry-map 'a=b;c=d'", f"--registry-mirror a=b --registry-mirror c=d {USUAL}"),
        (
            "--no-push -c ctx --registry-mirror m:1/hub --insecure-registry m:1",
            f"--registry-mirror docker.io=https://m:1/hub --registry-mirror docker.io=http://m:1/hub {USUAL}",
        ),
        ("--no-push -c ctx -v debug --log-format=text", f"--progress plain --debug {USUAL}"),
        ("--no-push -c ctx -v warn --log-format=json", f"--progress quiet {USUAL}"),
        ("--no-push -c ctx --log-format=json", f"--progress rawjson {USUAL}"),
    ],
)
def test_the_words_of_kaniko_are_those_of_build(kaniko: str, ours: str) -> None:
    assert read(translated(kaniko).words) == read(shlex.split(ours))


def test_a_dockerfile_is_looked_for_where_kaniko_stands_first() -> None:
    assert translated("--no-push -c ctx", there="Dockerfile").words[:2] == ("-f", HERE)
    assert translated("--no-push -c tar://c", there="Dockerfile").words == ("--no-cache", "c")
    assert translated("--no-push -c tar://c -f Dockerfile", there="Dockerfile").words[:2] == ("-f", HERE)


@pytest.mark.parametrize(
    ("words", "opened"),
    [
        ("-d r.io:1/a --insecure", "r.io:1"),
        ("-d r.io/a -d r.io/b --skip-tls-verify --cache-repo c.io/x", "r.io c.io"),
        ("--no-push --insecure-registry a --skip-tls-verify-registry b", "a b"),
        ("--no-push --skip-tls-verify-pull", "*"),
    ],
)
def test_registries_are_opened_by_a_variable(words: str, opened: str) -> None:
    assert translated(words).environment == {"MINIBUILD_INSECURE_REGISTRY": opened}


def test_certificates_are_named_by_their_hosts() -> None:
    found = translated("--no-push --registry-certificate r:1=ca.pem --registry-client-cert r:1=me.pem,me.key")
    assert found.certificates == (
        Certificate("--registry-certificate", "r:1", "ca.crt", "ca.pem"),
        Certificate("--registry-client-cert", "r:1", "client.cert", "me.pem"),
        Certificate("--registry-client-cert", "r:1", "client.key", "me.key"),
    )


def test_variables_of_kaniko_are_heeded() -> None:
    environment = {"KANIKO_NO_PUSH": "true", "KANIKO_REGISTRY_MIRROR": "m", "KANIKO_REGISTRY_MAP": "a=b", "V": "1"}
    found = translated("-c ctx -d a/b --build-arg V", environment)
    mirrors = "--registry-mirror a=b --registry-mirror docker.io=m"
    assert read(found.words) == read(shlex.split(f"--tag a/b --build-arg V=1 {mirrors} {USUAL}"))


@pytest.mark.parametrize(
    ("environment", "header"),
    [({"GIT_TOKEN": "t"}, "Basic dDo="), ({"GIT_USERNAME": "u", "GIT_PASSWORD": "p"}, "Basic dTpw")],
)
def test_gits_password_is_a_secret_of_the_contexts_host(environment: Mapping[str, str], header: str) -> None:
    found = translated("--no-push -c git://h:1/a/b", environment)
    assert found.words[:2] == ("--secret", "id=GIT_AUTH_HEADER.h:1,env=GIT_AUTH_HEADER.h:1")
    assert found.environment["GIT_AUTH_HEADER.h:1"] == header
    assert translated("--no-push -c dir://a", environment).environment == environment


@pytest.mark.parametrize(
    ("words", "environment", "there", "place"),
    [
        ("", {}, "/kaniko/.docker/config.json", "/kaniko/.docker"),
        ("", {"DOCKER_CONFIG": "/d"}, "/kaniko/.docker/config.json", "/d"),
        ("", {"KANIKO_DIR": "/k"}, "/k/.docker/config.json", "/k/.docker"),
        ("--kaniko-dir /k/", {"DOCKER_CONFIG": "/d"}, "/k/.docker/config.json", "/k/.docker"),
        ("", {}, "", None),
    ],
)
def test_passwords_are_where_kaniko_has_them(
    words: str, environment: Mapping[str, str], there: str, place: str | None
) -> None:
    found = translated(f"--no-push {words}", environment, there=there)
    assert found.environment.get("DOCKER_CONFIG") == place


@pytest.mark.parametrize(
    ("words", "message", "hint"),
    [
        ("", "nothing says where to push to", "--no-push"),
        ("--no-push -c s3://b/c.tgz", "a cloud's own storage", "aws s3 cp s3://b/c.tgz - | minibuild kaniko"),
        ("--no-push -c gs://b/c.tgz", "a cloud's own storage", "gsutil cp gs://b/c.tgz - |"),
        ("--no-push -c https://a.blob.core.windows.net/b/c", "a cloud's own storage", "curl -fsS"),
        ("--no-push -c gti://h/a", "of no kind that kaniko has", "did you mean git://?"),
        ("--no-push -c tar://c --context-sub-path x", "is in an archive", "dir://"),
        ("--no-push -c git://h/a --git brunch=x", "--git has no 'brunch'", "did you mean branch?"),
        ("--no-push -c git://h/a --git insecure-skip-tls=true", "not supported", "SSL_CERT_FILE"),
        ("--no-push --bucket b", "--bucket is not supported", "gsutil"),
        ("--no-push --digest-file https://h/x", "is no file", "curl -T"),
        ("--no-push --image-name-with-digest-file x", "wants a name", ""),
        ("--no-push --verbosity lous", "is no level", ""),
        ("--no-push --log-format xml", "is no format", "text, color, json"),
        ("--no-push --registry-map a", "wants HOST=MIRROR", ""),
        ("--no-push --registry-client-cert a=b", "wants HOST=FILE,KEY", ""),
        ("--no-push --dokerfile x", "--dokerfile is no option", "did you mean --dockerfile?"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_to_do(words: str, message: str, hint: str) -> None:
    with pytest.raises(UsageError) as caught:
        translated(words)
    assert message in caught.value.message
    assert hint in (caught.value.hint or "")


def test_what_has_no_effect_is_said_once() -> None:
    arguments = kaniko_parser({}).read(["--use-new-run=true", "--ignore-path=/a", "--ignore-path", "/b", "--force"])
    assert [note.partition(":")[0] for note in arguments.notes] == [
        "--use-new-run has no effect",
        "--ignore-path has no effect",
        "--force has no effect",
    ]
