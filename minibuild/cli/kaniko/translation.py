"""What kaniko was asked for, as words of ``minibuild build`` and the environment they are meant in: purely."""

from __future__ import annotations

import argparse
import csv
import io
from base64 import b64encode
from collections.abc import Callable, Iterator, Mapping, Sequence

from minibuild.cli.kaniko.contexts import Context, dockerfile_of, parse_context
from minibuild.cli.parser import truth
from minibuild.errors import UsageError, did_you_mean
from minibuild.oci import Reference
from minibuild.values import dataclass

_QUIET = ("warn", "warning", "error", "fatal", "panic")
_LEVELS = ("trace", "debug", "info", *_QUIET)
_DISPLAYS = {"text": ("--progress", "plain"), "color": (), "json": ("--progress", "rawjson")}
_GIT_SECRET = "GIT_AUTH_HEADER"
_LAYOUT = "oci:"
_EVERY_HOST = "*"


@dataclass(frozen=True, slots=True)
class Certificate:
    """A file that is to stand under a name in the directory of a registry's certificates; ``option`` named it."""

    option: str
    host: str
    name: str
    file: str


@dataclass(frozen=True, slots=True)
class Translation:
    """The words of ``minibuild build``, the environment, and certificates to be laid out for it."""

    words: tuple[str, ...]
    environment: Mapping[str, str]
    certificates: tuple[Certificate, ...] = ()


def translate(
    arguments: argparse.Namespace, environment: Mapping[str, str], *, located: Callable[[str], str]
) -> Translation:
    """What the flags mean; ``located`` answers the whole path of what is on this machine, "" where nothing is.

    Raises UsageError.
    """
    context = parse_context(arguments.context, arguments.context_sub_path, arguments.git, environment)
    pushes = _pushes(arguments, environment)
    insecure = tuple(_insecure(arguments))
    git_header = _git_header(context, environment)
    words = (
        *dockerfile_of(arguments.dockerfile, context, located),
        *_input_words(arguments),
        *(("--secret", f"id={name},env={name}") for name in git_header),
        *_output_words(arguments, environment, pushes=pushes),
        *_cache_words(arguments, pushes=pushes),
        *(("--registry-mirror", word) for word in _mirrors(arguments, environment, insecure)),
        *_display_words(arguments),
        context.word,
    )
    flat = tuple(part for word in words for part in ([word] if isinstance(word, str) else word))
    added = {**git_header, **_docker_config(arguments, environment, located), **_opened(environment, insecure)}
    return Translation(flat, {**environment, **added}, tuple(_certificates(arguments)))


def _pushes(arguments: argparse.Namespace, environment: Mapping[str, str]) -> bool:
    word = environment.get("KANIKO_NO_PUSH", "")
    pushes = not (truth(word) if word else arguments.no_push)
    if pushes and not arguments.destination:
        raise UsageError("kaniko wants --destination: nothing says where to push to", hint="or say --no-push")
    named = (arguments.image_name_with_digest_file, arguments.image_name_tag_with_digest_file)
    if any(named) and not arguments.destination:
        raise UsageError("a file of the image's name wants a name: --destination")
    for file in (arguments.digest_file, *named):
        if "://" in file:
            hint = "write a file, then send it: curl -T FILE URL"
            raise UsageError(f"{file} is no file, where a digest is to be written", hint=hint)
    return pushes


def _input_words(arguments: argparse.Namespace) -> Iterator[tuple[str, ...]]:
    options = (("--build-arg", "build_arg"), ("--label", "label"), ("--annotation", "annotation"))
    for option, name in options:
        yield from ((option, f"{key}={value}") for key, value in getattr(arguments, name).items())
    if arguments.target:
        yield "--target", arguments.target
    if arguments.custom_platform:
        yield "--platform", arguments.custom_platform
    if not truth(arguments.skip_unused_stages):
        yield ("--all-stages",)
    yield from (("--secret", word) for word in arguments.secret)


def _output_words(
    arguments: argparse.Namespace, environment: Mapping[str, str], *, pushes: bool
) -> Iterator[tuple[str, ...]]:
    yield from (("--tag", name) for name in arguments.destination)
    compression = arguments.compression or ("gzip" if pushes else "")
    common = {"compression": compression} if compression else {}
    if arguments.compression_level not in ("", "-1"):
        common["compression-level"] = arguments.compression_level
    if arguments.single_snapshot:
        yield ("--squash=base",)
    if arguments.reproducible:
        common["rewrite-timestamp"] = "true"
        yield "--source-date-epoch", environment.get("SOURCE_DATE_EPOCH") or "0"
    if pushes:
        yield "--output", _attributes({"type": "registry", **common})
    if arguments.tar_path:
        yield "--output", _attributes({"type": "docker", "dest": arguments.tar_path, **common})
    if arguments.oci_layout_path:
        yield "--output", _attributes({"type": "oci", "dest": arguments.oci_layout_path, "tar": "false", **common})


def _attributes(pairs: Mapping[str, str]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="").writerow(f"{key}={value}" for key, value in pairs.items())
    return text.getvalue()


def _cache_words(arguments: argparse.Namespace, *, pushes: bool) -> Iterator[tuple[str, ...]]:
    """Kaniko looks at no cache unless it is told to; one that can't be written doesn't stop it."""
    if not arguments.cache:
        yield ("--no-cache",)
        return
    name = arguments.cache_repo or (f"{Reference.parse(arguments.destination[0]).name}/cache" if pushes else "")
    if not name:
        return
    source = destination = {"type": "registry", "ref": name}
    if name.startswith(_LAYOUT):
        directory = name.removeprefix(_LAYOUT)
        source, destination = {"type": "local", "src": directory}, {"type": "local", "dest": directory}
    yield "--cache-from", _attributes(source)
    if not arguments.no_push_cache:
        yield "--cache-to", _attributes({**destination, "mode": "max", "ignore-error": "true"})


def _insecure(arguments: argparse.Namespace) -> Iterator[str]:
    """The registries that may be asked without TLS, or have any certificate."""
    yield from (*arguments.insecure_registry, *arguments.skip_tls_verify_registry)
    if arguments.insecure or arguments.skip_tls_verify:
        cache = [name for name in [arguments.cache_repo] if name and not name.startswith(_LAYOUT)]
        yield from dict.fromkeys(Reference.parse(name).registry for name in (*arguments.destination, *cache))
    if arguments.insecure_pull or arguments.skip_tls_verify_pull:
        yield _EVERY_HOST


def _opened(environment: Mapping[str, str], insecure: Sequence[str]) -> dict[str, str]:
    name = "MINIBUILD_INSECURE_REGISTRY"
    return {name: " ".join([*environment.get(name, "").split(), *insecure])} if insecure else {}


def _mirrors(arguments: argparse.Namespace, environment: Mapping[str, str], insecure: Sequence[str]) -> Iterator[str]:
    """``REGISTRY=URL`` words; a mirror that may be asked without TLS is asked with it first."""
    mirrors = [*arguments.registry_mirror, *filter(None, [environment.get("KANIKO_REGISTRY_MIRROR")])]
    maps = [*arguments.registry_map, *filter(None, [environment.get("KANIKO_REGISTRY_MAP")])]
    pairs = [part for word in maps for part in word.split(";") if part]
    for word in (*pairs, *(f"docker.io={mirror}" for mirror in mirrors)):
        registry, equals, address = word.partition("=")
        if not equals or not registry or not address:
            raise UsageError(f"--registry-map {word!r} wants HOST=MIRROR")
        opened = {_EVERY_HOST, address.partition("/")[0]} & set(insecure) and "://" not in address
        for scheme in ("https://", "http://") if opened else ("",):
            yield f"{registry}={scheme}{address}"


def _certificates(arguments: argparse.Namespace) -> Iterator[Certificate]:
    for host, file in arguments.registry_certificate.items():
        yield Certificate("--registry-certificate", host, "ca.crt", file)
    for host, words in arguments.registry_client_cert.items():
        option = "--registry-client-cert"
        certificate, comma, key = words.partition(",")
        if not comma or not certificate or not key:
            raise UsageError(f"{option} {host}={words} wants HOST=FILE,KEY")
        yield Certificate(option, host, "client.cert", certificate)
        yield Certificate(option, host, "client.key", key)


def _git_header(context: Context, environment: Mapping[str, str]) -> dict[str, str]:
    """What opens the context's repository, by the name of the secret that it is; only its own host is shown it."""
    user, password = environment.get("GIT_USERNAME", ""), environment.get("GIT_PASSWORD", "")
    if token := environment.get("GIT_TOKEN", ""):
        user, password = token, ""
    if not context.git_host or not (user or password):
        return {}
    encoded = b64encode(f"{user}:{password}".encode()).decode()
    return {f"{_GIT_SECRET}.{context.git_host}": f"Basic {encoded}"}


def _docker_config(
    arguments: argparse.Namespace, environment: Mapping[str, str], located: Callable[[str], str]
) -> dict[str, str]:
    """Where kaniko's image keeps names and passwords, unless the environment says where."""
    place = f"{arguments.kaniko_dir or environment.get('KANIKO_DIR') or '/kaniko'}/.docker".replace("//", "/")
    named = environment.get("DOCKER_CONFIG") and not arguments.kaniko_dir
    return {"DOCKER_CONFIG": place} if not named and located(f"{place}/config.json") else {}


def _display_words(arguments: argparse.Namespace) -> Sequence[str]:
    level, form = arguments.verbosity.lower(), arguments.log_format
    if level not in _LEVELS:
        raise UsageError(f"--verbosity {level!r} is no level", hint=did_you_mean(level, _LEVELS))
    if form not in _DISPLAYS:
        raise UsageError(f"--log-format {form!r} is no format", hint=f"choose from {', '.join(_DISPLAYS)}")
    if level in _QUIET:
        return ("--progress", "quiet")
    return (*_DISPLAYS[form], *(("--debug",) if level in ("trace", "debug") else ()))
