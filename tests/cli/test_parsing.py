"""Command lines as Docker reads them."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from minibuild.build.request import BuildRequest
from minibuild.cli.build import outputs_of, request_of
from minibuild.cli.build_options import build_parser
from minibuild.cli.main import Call, call_of
from minibuild.cli.outputs import Output
from minibuild.cli.run import parser as run_parser
from minibuild.errors import ContextError, MinibuildError, UsageError
from minibuild.layers.compressing import Compression
from minibuild.oci import Platform, Reference

CALLS = {
    ".": Call("build", (".",)),
    "-t x .": Call("build", ("-t", "x", ".")),
    "--root D .": Call("build", (".",), "D"),
    "--root=D build .": Call("build", (".",), "D"),
    "-D images -q": Call("images", ("-q",), None, True),
    "images --root D": Call("images", ("--root", "D")),
    "--version": Call("version", ()),
    "version": Call("version", ()),
    "./images": Call("build", ("./images",)),
    "": Call("", ()),
    "help run": Call("run", ("--help",)),
}


@pytest.mark.parametrize(("words", "call"), CALLS.items(), ids=CALLS)
def test_a_command_line_is_cut_at_its_command_which_is_build_unless_said(words: str, call: Call) -> None:
    assert call_of(words.split()) == call


def request(*words: str, environment: Mapping[str, str] | None = None) -> BuildRequest:
    """The request that words of ``build`` make."""
    environment = environment or {}
    return request_of(build_parser(environment).read(words), environment)


BUILDS: Mapping[str, tuple[tuple[str, ...], str, object]] = {
    "the context is here unless said": ((), "context", "."),
    "options may follow the context": ((".", "--no-cache"), "no_cache", True),
    "a value may be glued": (("-fOther",), "dockerfile", "Other"),
    "a value may follow an equals sign": (("-f=Other",), "dockerfile", "Other"),
    "a long value may follow an equals sign": (("--file=Other",), "dockerfile", "Other"),
    "a dash is a value": (("-f", "-"), "dockerfile", "-"),
    "the last of several counts": (("-f", "a", "-f", "b"), "dockerfile", "b"),
    "targets add up": (("--target", "a", "--target", "b,c"), "target", "a,b,c"),
    "a switch may be set": (("--pull=true",), "pull", True),
    "a switch may be unset": (("--pull", "--pull=false"), "pull", False),
    "tags add up, each once": (
        ("-t", "a", "--tag=b:1", "-t", "a:latest"),
        "tags",
        (Reference.parse("a"), Reference.parse("b:1")),
    ),
    "an argument may hold an equals sign": (("--build-arg", "A=b=c"), "build_arguments", {"A": "b=c"}),
    "an argument may be empty": (("--build-arg", "A="), "build_arguments", {"A": ""}),
    "a value may look like an option": (("--build-arg", "A=--pull"), "build_arguments", {"A": "--pull"}),
    "a label without a value is empty": (("--label", "a", "--label", "b=c"), "labels", {"a": "", "b": "c"}),
    "stages may be listed": (("--no-cache-filter", "a,b", "--no-cache-filter=c"), "no_cache_stages", frozenset("abc")),
    "named contexts": (("--build-context", "n=oci-layout://d"), "named_contexts", {"n": "oci-layout://d"}),
    "mirrors": (("--registry-mirror", "docker.io=http://a"), "mirrors", ("docker.io=http://a",)),
    "a platform": (("--platform", "linux/arm64"), "platform", Platform("linux", "arm64")),
    "the local platform": (("--platform", "local"), "platform", Platform.of_this_machine()),
    "several platforms, each once": (
        ("--platform", "linux/amd64,arm64", "--platform=linux/arm64/v8,linux/s390x"),
        "platforms",
        (Platform("linux", "amd64"), Platform("linux", "arm64"), Platform("linux", "s390x")),
    ),
    "one platform makes no index": (("--platform", "linux/arm64,arm64"), "platforms", ()),
    "runtime and snapshotter": (("--runtime", "runc", "--snapshotter", "native"), "runtime", "runc"),
    "what follows two dashes is no option": (("--", "."), "context", "."),
    "attestations may be declined": (("--provenance=false", "--sbom=false"), "tags", ()),
    "the host's network may be asked for": (("--network", "host", "--network=default"), "tags", ()),
}


@pytest.mark.parametrize(("words", "field", "value"), BUILDS.values(), ids=BUILDS)
def test_words_of_build_become_a_request(words: tuple[str, ...], field: str, value: object) -> None:
    assert getattr(request(*words), field) == value


ENVIRONMENTS: Mapping[str, tuple[tuple[str, ...], Mapping[str, str], str, object]] = {
    "a bare argument takes the environment's": (("--build-arg", "A"), {"A": "1"}, "build_arguments", {"A": "1"}),
    "a bare argument that isn't set is left out": (("--build-arg", "A"), {}, "build_arguments", {}),
    "the default platform": (
        (),
        {"DOCKER_DEFAULT_PLATFORM": "linux/arm/v7"},
        "platform",
        Platform("linux", "arm", "v7"),
    ),
    "a platform beats the default": (
        ("--platform", "linux/s390x"),
        {"DOCKER_DEFAULT_PLATFORM": "linux/arm64"},
        "platform",
        Platform("linux", "s390x"),
    ),
    "mirrors follow those of the command line": (
        ("--registry-mirror", "a.io=http://1"),
        {"MINIBUILD_REGISTRY_MIRROR": " b.io=http://2  c.io=http://3 "},
        "mirrors",
        ("a.io=http://1", "b.io=http://2", "c.io=http://3"),
    ),
    "the epoch has an option": (
        ("--source-date-epoch", "context", "--build-arg", "SOURCE_DATE_EPOCH=8"),
        {"SOURCE_DATE_EPOCH": "7"},
        "build_arguments",
        {"SOURCE_DATE_EPOCH": "context"},
    ),
    "the epoch is an argument": ((), {"SOURCE_DATE_EPOCH": "7"}, "build_arguments", {"SOURCE_DATE_EPOCH": "7"}),
    "an argument beats the environment's epoch": (
        ("--build-arg", "SOURCE_DATE_EPOCH=8"),
        {"SOURCE_DATE_EPOCH": "7"},
        "build_arguments",
        {"SOURCE_DATE_EPOCH": "8"},
    ),
}


@pytest.mark.parametrize(("words", "environment", "field", "value"), ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_the_environment_gives_what_docker_takes_from_it(
    words: tuple[str, ...], environment: Mapping[str, str], field: str, value: object
) -> None:
    assert getattr(request(*words, environment=environment), field) == value


REFUSED = {
    "--tga x": ("--tga is no option of minibuild build", "did you mean --tag?"),
    "--no-cach .": ("--no-cach is no option of minibuild build", "did you mean --no-cache?"),
    "-x": ("-x is no option of minibuild build", "see minibuild build --help"),
    "-t": ("-t wants a value: [STAGE=]NAME[:TAG]", "see minibuild build --help"),
    "a b": ("build wants [CONTEXT], got 'a' 'b'", "see minibuild build --help"),
    "--pull=perhaps": (
        "--pull=perhaps is not supported",
        "always asks the registry, missing if the store has none",
    ),
    "--registry-mirror mirror.example": (
        "the registry mirror 'mirror.example' has no '='",
        "write REGISTRY=URL, such as docker.io=http://127.0.0.1:5000",
    ),
    "--build-context assets": ("--build-context wants NAME=PLACE, got 'assets'", ""),
    "--build-arg =x": ("--build-arg wants KEY[=VALUE], got '=x'", ""),
    "-t Upper": ("'Upper' is no image reference", "repositories are lower case: upper"),
    "--platform a,b": (
        "'a' is no platform",
        "write os/architecture[/variant], such as linux/amd64",
    ),
    "--network bridge": (
        "--network=bridge is not supported",
        "host is this machine's, private one of its own, none has loopback alone",
    ),
    "--provenance=max": (
        "--attest 'type=provenance,max' has 'max', wanted key=value",
        "such as type=sbom, or type=provenance,mode=max",
    ),
}


@pytest.mark.parametrize(("words", "said"), REFUSED.items(), ids=REFUSED)
def test_what_cannot_be_taken_is_refused_with_a_remedy(words: str, said: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        request(*words.split())
    assert (caught.value.message, caught.value.hint) == said


@pytest.mark.parametrize(
    ("words", "kinds"), [("--load", ["docker"]), ("--load=podman", ["podman"]), ("--load=no", None)]
)
def test_load_names_the_program(words: str, kinds: list[str] | None) -> None:
    if kinds is None:
        with pytest.raises(UsageError, match="--load wants docker, podman, nerdctl, got 'no'"):
            build_parser({}).read([words])
        return
    assert [output.type for output in outputs_of(build_parser({}).read([words]))] == kinds


@pytest.mark.parametrize(
    ("words", "manner"), [("", ""), ("--squash", "base"), ("--squash=stage", "stage"), ("--squash=false --pull", "")]
)
def test_squash_keeps_the_base_unless_it_says_more(words: str, manner: str) -> None:
    assert request(*words.split()).squash == manner


def test_a_manner_of_squashing_that_there_is_none_of_is_refused() -> None:
    with pytest.raises(UsageError, match="--squash wants base, stage, all, got 'most'"):
        request("--squash=most")


def test_an_image_cannot_carry_the_cache_of_layers_that_it_has_not() -> None:
    with pytest.raises(UsageError, match="type=inline tells of the image's layers, which --squash makes one of"):
        request("--squash", "--cache-to", "type=inline")


@pytest.mark.parametrize(
    "words",
    [
        *("--policy x", "--cgroup-parent x"),
        *("--resource x", "--memory-swap 1g", "-c 5", "--cpu-period 5"),
        *("--cpu-quota 5", "--cpuset-cpus 0", "--cpuset-mems 0"),
    ],
)
def test_dockers_options_of_later_days_are_refused_and_an_alternative_named(words: str) -> None:
    with pytest.raises(UsageError, match=r"^-\S+ is not supported yet$") as caught:
        request(*words.split())
    assert caught.value.hint


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("--rm", "--rm"),
        ("--rm=true", "--rm"),
        ("--force-rm", "--force-rm"),
        ("--compress", "--compress"),
        ("--builder x", "--builder"),
        ("--isolation x", "--isolation"),
    ],
)
def test_options_without_effect_are_taken_and_said_to_have_none(words: str, option: str) -> None:
    arguments = build_parser({}).read(words.split())
    [note] = arguments.notes
    assert note.startswith(f"{option} has no effect: ")


def test_an_option_without_effect_that_is_unset_is_not_worth_a_word() -> None:
    assert not hasattr(build_parser({}).read(["--rm=false"]), "notes")


def test_a_missing_context_is_named_and_a_command_like_it_proposed() -> None:
    with pytest.raises(ContextError) as caught:
        request("imgaes")
    assert (caught.value.message, caught.value.hint) == (
        "imgaes doesn't exist, wanted the build context",
        "did you mean images?",
    )


OUTPUTS: Mapping[str, Output] = {
    "out": Output("local", "out"),
    "-": Output("tar", "-"),
    "type=local,dest=out": Output("local", "out"),
    "type=docker": Output("docker"),
    "type=docker,dest=a.tar": Output("docker", "a.tar"),
    "type=docker,dest=-": Output("docker", "-"),
    "type=oci,dest=a.tar": Output("oci", "a.tar"),
    "type=oci,dest=d,tar=false": Output("oci", "d", directory=True),
    "type=oci": Output("oci", "-"),
    "type=tar,dest=a.tar": Output("tar", "a.tar"),
    "dest=a.tar,type=tar": Output("tar", "a.tar"),
    'type=image,"name=a,b:1",push=false': Output("image", names=("a", "b:1")),
    "type=image,name=a,push-by-digest=true,name-canonical=true,push=true": Output(
        "registry", names=("a",), compression=Compression("gzip"), by_digest=True, is_canonical=True
    ),
    "type=image,name=a,oci-mediatypes=true,store=true,unpack=false": Output("image", names=("a",)),
    'type=tar,"dest=with,comma"': Output("tar", "with,comma"),
}


@pytest.mark.parametrize(("word", "output"), OUTPUTS.items(), ids=OUTPUTS)
def test_an_output_is_read_as_docker_reads_it(word: str, output: Output) -> None:
    assert outputs_of(build_parser({}).read(["-o", word])) == (output,)


def test_outputs_add_up_and_load_is_one_of_them() -> None:
    arguments = build_parser({}).read(["-o", "a", "--output=type=tar,dest=b", "--load", "-o", "type=docker"])
    assert outputs_of(arguments) == (Output("local", "a"), Output("tar", "b"), Output("docker"))


BAD_OUTPUTS = {
    "": ("--output wants a directory, '-' or type=…, got ''", ""),
    "type=dokcer": ("--output 'type=dokcer' has 'dokcer' for a type", "did you mean docker?"),
    "dest=x": (
        "--output 'dest=x' has no type",
        "choose from docker, image, local, nerdctl, oci, podman, registry, tar",
    ),
    "type=local": ("--output 'type=local' wants a directory: dest=DIR", ""),
    "type=oci,tar=false": ("--output 'type=oci,tar=false' wants a directory: dest=DIR", ""),
    "type=oci,tar=x,dest=y": ("--output 'type=oci,tar=x,dest=y' has 'x' for tar, wanted true or false", ""),
    "type=tar,dset=x": (
        "--output 'type=tar,dset=x' has the attribute 'dset', which type=tar doesn't take",
        "did you mean dest?",
    ),
    "type=tar,dest": ("--output 'type=tar,dest' has 'dest', wanted key=value", ""),
    "type=oci,compression=zst,dest=x": (
        "--output 'type=oci,compression=zst,dest=x' has 'zst' for a compression",
        "did you mean zstd?",
    ),
    "type=registry,compression-level=10": (
        "--output 'type=registry,compression-level=10' has '10' for a level, gzip has 0 to 9",
        "",
    ),
    "type=oci,oci-mediatypes=false": (
        "--output 'type=oci,oci-mediatypes=false': oci-mediatypes is not supported yet",
        "leave it out",
    ),
    "type=image,push=x": ("--output 'type=image,push=x' has 'x' for push, wanted true or false", ""),
    "type=image,push-by-digest=true": (
        "--output 'type=image,push-by-digest=true' pushes nothing",
        "say push=true, or leave push-by-digest out",
    ),
}


@pytest.mark.parametrize(("word", "said"), BAD_OUTPUTS.items(), ids=[word or "empty" for word in BAD_OUTPUTS])
def test_an_output_that_cannot_be_is_refused(word: str, said: tuple[str, str]) -> None:
    with pytest.raises(UsageError) as caught:
        outputs_of(build_parser({}).read(["-o", word]))
    assert (caught.value.message, caught.value.hint) == said


def test_what_follows_the_image_of_run_belongs_to_the_container() -> None:
    arguments = run_parser({"A": "1"}).read(
        ["-it", "-e", "A", "-e", "B=2", "--rm", "img", "ls", "-l", "--", "--rm=false"]
    )
    assert arguments.operands == ("img", "ls", "-l", "--", "--rm=false")
    assert (arguments.interactive, arguments.tty, arguments.env) == (True, True, {"A": "1", "B": "2"})


@pytest.mark.parametrize("words", ["-d img", "--privileged img", "--mount x img"])
def test_run_refuses_what_needs_a_daemon(words: str) -> None:
    with pytest.raises(MinibuildError, match="is not supported yet"):
        run_parser({}).read(words.split())
