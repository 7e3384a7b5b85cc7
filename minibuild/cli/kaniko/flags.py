"""The flags of kaniko's executor: each is done, or taken and said to have no effect, or refused with what to do."""

from __future__ import annotations

from collections.abc import Mapping

from minibuild.cli.parser import Noted, Pairs, Parser, Refused, RefusedUnless

_SNAPSHOT = "layers are taken from what a RUN wrote, not by looking through all files"
_OWN_ROOT = "each RUN has a root of its own, and nothing of this machine's or container's gets into an image"
_PATIENCE = "registries are asked five times, with growing pauses"
_ALL_STEPS = "every step is cached"
_STORE = "images are kept in the store, which MINIBUILD_ROOT names"
_NOT_HERE = "minibuild unpacks nothing over the files that it runs among"

# Taken, with no effect: those with a value, then the switches.
NOTED: Mapping[str, str] = {
    "--cache-dir": _STORE,
    "--cache-ttl": "a cache holds what its last build used; without --cache every step is run",
    "--ignore-path": f"{_OWN_ROOT}; what a RUN itself must not leave there goes into RUN --mount=type=cache",
    "--image-download-retry": _PATIENCE,
    "--image-fs-extract-retry": "layers are verified as they come, and unpacked once",
    "--push-retry": _PATIENCE,
    "--snapshot-mode": _SNAPSHOT,
}
NOTED_SWITCHES: Mapping[str, str] = {
    "--cache-copy-layers": _ALL_STEPS,
    "--cache-run-layers": _ALL_STEPS,
    "--cleanup": _NOT_HERE,
    "--compressed-caching": "layers are compressed as they are read, whatever their size",
    "--force": _NOT_HERE,
    "--force-build-metadata": "metadata never makes a layer",
    "--ignore-var-run": _OWN_ROOT,
    "--log-timestamp": "--log-format=json has times",
    "--materialize": _NOT_HERE,
    "--pre-cleanup": _NOT_HERE,
    "--preserve-context": _NOT_HERE,
    "--skip-push-permission-check": "a registry is asked when there is something to push",
    "--use-new-run": _SNAPSHOT,
    "--whitelist-var-run": _OWN_ROOT,
}
_TWIN_SPELLINGS: Mapping[str, str] = {"--snapshot-mode": "--snapshotMode"}
REFUSED: Mapping[str, str] = {
    "--azure-container-registry-config": "name the helper in docker's config.json: credHelpers, with acr-env",
    "--bucket": "fetch it: gsutil cp gs://BUCKET/context.tar.gz - | minibuild kaniko --context tar://stdin …",
    "--credential-helpers": "name them in docker's config.json: credHelpers, or credsStore",
}
REFUSED_SWITCHES: Mapping[str, str] = {
    "--push-ignore-immutable-tag-errors": "push under a tag that isn't there yet",
    "--skip-default-registry-fallback": "write it into registries.conf: prefix = docker.io, location = the mirror",
}


def kaniko_parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of ``minibuild kaniko``."""
    parser = Parser(
        "kaniko",
        "Builds an image and pushes it, as kaniko's executor does, by that program's options. Those that mean nothing "
        "here are taken, and said to have no effect; those that would be missed are refused, with what to do instead.",
    )
    _add_input(parser, environment)
    _add_result(parser)
    _add_caches(parser)
    _add_registries(parser)
    _add_others(parser)
    return parser


def _add_input(parser: Parser, environment: Mapping[str, str]) -> None:
    add = parser.add_argument_group("what to build").add_argument
    words = "a directory, dir://DIR, tar://FILE, tar://stdin, git://HOST/REPOSITORY[#REF[#COMMIT]] or a URL"
    add("-c", "--context", metavar="PLACE", default="/workspace/", help=f"{words} (default: /workspace/)")
    add("--context-sub-path", metavar="DIR", default="", help="the directory in it that is meant")
    words = "the Dockerfile (default: Dockerfile), here or in the context"
    add("-f", "--dockerfile", metavar="FILE", default="", help=words)
    words = "of a git context: branch=NAME; single-branch, depth and recurse-submodules are as they are"
    add("--git", metavar="KEY=VALUE,…", default="", help=words)
    words = "value of an ARG; a bare KEY takes the environment's; repeatable"
    missing = environment.get
    add("--build-arg", action=Pairs, missing=lambda key: missing(key, ""), metavar="KEY[=VALUE]", help=words)
    add("--label", action=Pairs, metavar="KEY=VALUE", help="label of the result; repeatable")
    add("--annotation", action=Pairs, metavar="KEY=VALUE", help="annotation of its manifest; repeatable")
    add("--target", metavar="STAGE", default="", help="the stage to build (default: the last)")
    words = "what to build for (default: this machine)"
    add("--custom-platform", "--customPlatform", metavar="OS/ARCH", default="", help=words)
    words = "build no stage that the target doesn't need (default: true)"
    add("--skip-unused-stages", metavar="true|false", nargs="?", const="true", default="true", help=words)
    words = "what RUN --mount=type=secret,id=ID sees; repeatable"
    add("--secret", action="append", default=[], metavar="id=ID[,src=FILE|,env=NAME]", help=words)


def _add_result(parser: Parser) -> None:
    add = parser.add_argument_group("what comes out").add_argument
    words = "where to push to; repeatable"
    add("-d", "--destination", action="append", default=[], metavar="NAME[:TAG]", help=words)
    add("--no-push", action="store_true", help="push nothing (also KANIKO_NO_PUSH=true)")
    add("--tar-path", "--tarPath", metavar="FILE", default="", help="write an archive for `docker load`")
    add("--oci-layout-path", metavar="DIR", default="", help="write an OCI image layout")
    add("--digest-file", metavar="FILE", default="", help="write the digest there")
    add("--image-name-with-digest-file", metavar="FILE", default="", help="write NAME@DIGEST lines there")
    add("--image-name-tag-with-digest-file", metavar="FILE", default="", help="write NAME:TAG@DIGEST lines there")
    add("--compression", metavar="gzip|zstd", default="", help="what new layers are pushed as (default: gzip)")
    add("--compression-level", metavar="NUMBER", default="", help="how hard to compress")
    add("--single-snapshot", action="store_true", help="make one layer of all new ones")
    add("--reproducible", action="store_true", help="date everything 1970, or by SOURCE_DATE_EPOCH")


def _add_caches(parser: Parser) -> None:
    add = parser.add_argument_group("caches").add_argument
    add("--cache", action="store_true", help="use what is cached, in the store and in the cache's repository")
    words = "where caches travel by (default: the first destination's repository and /cache); oci:DIR is a directory"
    add("--cache-repo", metavar="NAME", default="", help=words)
    add("--no-push-cache", action="store_true", help="write nothing there")


def _add_registries(parser: Parser) -> None:
    add = parser.add_argument_group("registries").add_argument
    for name, who in (("", "destinations"), ("-pull", "every registry")):
        add(f"--insecure{name}", action="store_true", help=f"{who} may have no TLS")
        add(f"--skip-tls-verify{name}", action="store_true", help=f"{who} may have any certificate, or no TLS")
    for name in ("--insecure-registry", "--skip-tls-verify-registry"):
        add(name, action="append", default=[], metavar="HOST", help="the same of one registry; repeatable")
    add("--registry-certificate", action=Pairs, metavar="HOST=FILE", help="the authority to believe; repeatable")
    words = "the certificate to show, and its key; repeatable"
    add("--registry-client-cert", action=Pairs, metavar="HOST=FILE,KEY", help=words)
    words = "asked before docker.io; repeatable (also KANIKO_REGISTRY_MIRROR)"
    add("--registry-mirror", action="append", default=[], metavar="HOST[/PATH]", help=words)
    words = "asked before other registries; repeatable (also KANIKO_REGISTRY_MAP)"
    add("--registry-map", action="append", default=[], metavar="HOST=MIRROR[;…]", help=words)


def _add_others(parser: Parser) -> None:
    add = parser.add_argument_group("how to tell").add_argument
    add("-v", "--verbosity", metavar="LEVEL", default="info", help="trace, debug, info, warn, error, fatal or panic")
    add("--log-format", metavar="text|color|json", default="color", help="how to show what happens")
    words = "docker's config.json is in DIR/.docker (default: KANIKO_DIR, else /kaniko); nothing else is there"
    add("--kaniko-dir", metavar="DIR", default="", help=words)
    for name, reason in NOTED.items():
        names = (name, _TWIN_SPELLINGS[name]) if name in _TWIN_SPELLINGS else (name,)
        parser.add_argument(*names, action=Noted, reason=reason)
    for name, reason in NOTED_SWITCHES.items():
        parser.add_argument(name, action=Noted, nargs="?", reason=reason)
    for name, instead in REFUSED.items():
        parser.add_argument(name, action=Refused, instead=instead)
    for name, instead in REFUSED_SWITCHES.items():
        parser.add_argument(name, action=RefusedUnless, nargs="?", fine=("false",), instead=instead)
