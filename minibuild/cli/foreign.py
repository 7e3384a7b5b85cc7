"""Options that other builders' ``build`` has, and ours hasn't: taken where they ask for nothing that isn't done
anyway, which is said; refused, with what to do instead, where somebody would miss what they ask for.

Source: docker buildx build 0.36, docker build 28, buildah build 1.42, podman build 5.8. What of theirs means what it
means there is no option of these tables.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping

from minibuild.cli.parser import Noted, Parser, Refused, RefusedUnless, truth

_LIMITS = "limit the whole build from outside: systemd-run --scope -p MemoryMax=2G minibuild …"
_PLATFORM = "say all of it at once: --platform linux/arm64/v8"
_FILE = "write it into the Dockerfile"
_NAMESPACES = "RUN has namespaces of its own, but for the network"
_USERS = "root's RUN has root's ids, anybody else's those of /etc/subuid: see minibuild info"
_PATIENCE = "registries are asked five times, with growing pauses"
_CAPABILITIES = "RUN --security=insecure has all capabilities, with --allow security.insecure"
_LOG = "redirect standard error: 2>FILE"

# With a value → what to do instead.
REFUSED: Mapping[str, str] = {
    **dict.fromkeys(("--cgroup-parent", "--resource", "--memory-swap"), _LIMITS),
    **dict.fromkeys(("--cpu-shares", "--cpu-period", "--cpu-quota", "--cpuset-cpus", "--cpuset-mems"), _LIMITS),
    **dict.fromkeys(("--arch", "--os", "--variant"), _PLATFORM),
    **dict.fromkeys(("--cap-add", "--cap-drop"), _CAPABILITIES),
    **dict.fromkeys(("--env", "--unsetenv", "--unsetlabel"), _FILE),
    **dict.fromkeys(("--cgroupns", "--ipc", "--pid", "--uts"), _NAMESPACES),
    **dict.fromkeys(("--userns", "--userns-gid-map", "--userns-gid-map-group"), _USERS),
    **dict.fromkeys(("--userns-uid-map", "--userns-uid-map-user"), _USERS),
    "--build-arg-file": "give them one by one: --build-arg KEY=VALUE",
    "--cache-ttl": "--no-cache runs every step, --no-cache-filter STAGE those of a stage",
    "--cert-dir": "put the files into ~/.config/containers/certs.d/HOST/, or DIR/HOST/ with MINIBUILD_CERTS_D=DIR",
    "--cpp-flag": "run it first: cpp -E -P Dockerfile.in | minibuild build -f - .",
    "--creds": "keep them: minibuild login -u NAME --password-stdin REGISTRY",
    "--decryption-key": "decrypt the image first: skopeo copy --decryption-key",
    "--device": "RUN has none of this machine's; do it outside, and COPY what comes out",
    "--from": "say what the name means: --build-context NAME=docker-image://OTHER",
    "--hooks-dir": "do in a RUN what they do",
    "--ignorefile": "call it <Dockerfile>.dockerignore, beside the Dockerfile",
    "--logfile": _LOG,
    "--manifest": "name the result by -t, then minibuild manifest create LIST NAME",
    "--mount": "say it in the Dockerfile, RUN --mount=…, or bind a directory in every RUN: -v SOURCE:TARGET",
    "--os-feature": "leave it out: an image has what its base has",
    "--os-version": "leave it out: an image has what its base has",
    "--policy": "leave it out",
    "--runtime-flag": "leave it out; minibuild info says what runtimes are asked for",
    "--sign-by": "sign what was pushed: cosign sign NAME@DIGEST, with --digest-file for the digest",
    "--source-policy-file": "--build-context NAME=docker-image://OTHER says what a name means",
    "--timestamp": "--source-date-epoch SECONDS, and -o …,rewrite-timestamp=true for the times of files",
    "--unsetannotation": "--annotation KEY=VALUE says another",
}
# Without one.
REFUSED_SWITCHES: Mapping[str, str] = {
    "--all-platforms": "name them: --platform linux/amd64,linux/arm64",
    "--log-rusage": "time it from outside: /usr/bin/time -v minibuild …",
    "--logsplit": _LOG,
    "--no-hosts": "write a file of your own, and bind it: -v FILE:/etc/hosts:ro",
    "--omit-history": "--squash=all leaves one layer; what made it stays in its history",
    "--rewrite-timestamp": "say it of the output: -o …,rewrite-timestamp=true",
    "--save-stages": "name them as targets: --target STAGE, with -t STAGE=NAME",
    "--squash-all": "--squash=all",
    "--stdin": "give RUN a file: --secret id=input,src=FILE, and RUN --mount=type=secret,id=input",
}
# Of these some values ask for what is done anyway.
REFUSED_UNLESS: Mapping[str, tuple[tuple[str, ...], str]] = {
    "--compat-volumes": (("false",), "copy what must stay before VOLUME names its directory"),
    "--http-proxy": (("true",), "take them out of the environment: env -u HTTP_PROXY -u HTTPS_PROXY minibuild …"),
    "--inherit-labels": (("true",), "LABEL NAME= empties one"),
    "--layers": (("true",), "--squash makes one layer of the new ones"),
    "--skip-unused-stages": (("true",), "--all-stages"),
}
# Asked for by old scripts, or done anyway.
NOTED: Mapping[str, str] = {
    "--builder": "there is no daemon to choose",
    "--compression-format": "layers are compressed on their way out: -o …,compression=zstd",
    "--format": "images are OCI's, and keep HEALTHCHECK and SHELL; docker takes them",
    "--isolation": "--runtime chooses how RUN is isolated",
    "--jobs": "stages that don't wait for one another are built side by side",
    "--retry": _PATIENCE,
    "--retry-delay": _PATIENCE,
}
NOTED_SWITCHES: Mapping[str, str] = {
    "--compress": "the context is read where it is, not sent",
    "--disable-compression": "the store keeps layers as they are; -o …,compression=… says how they leave it",
    "--disable-content-trust": "digests are always verified",
    "--force-rm": "no container outlives its step",
    "--identity-label": "no label is added",
    "--no-hostname": "what RUN is called stays out of layers",
    "--rm": "no container outlives its step",
}
_SHORT = {"--cpu-shares": "-c"}


def add_foreign(parser: Parser) -> None:
    """Adds the options to a parser, unseen by its help."""
    add = parser.add_argument
    add("--authfile", metavar="FILE", default="", help=argparse.SUPPRESS)
    add("--tls-verify", nargs="?", const="true", default="true", metavar="true|false", help=argparse.SUPPRESS)
    for name, instead in REFUSED.items():
        add(*filter(None, (_SHORT.get(name), name)), action=Refused, instead=instead)
    for name, instead in REFUSED_SWITCHES.items():
        add(name, action=Refused, nargs=0, instead=instead)
    for name, (fine, instead) in REFUSED_UNLESS.items():
        add(name, action=RefusedUnless, fine=fine, nargs="?", const="true", instead=instead)
    for name, reason in NOTED.items():
        add(name, action=Noted, reason=reason)
    for name, reason in NOTED_SWITCHES.items():
        add(name, action=Noted, nargs=0, reason=reason)


def environment_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> Mapping[str, str]:
    """The environment, with what podman's options say that are variables here."""
    said = {"REGISTRY_AUTH_FILE": arguments.authfile} if arguments.authfile else {}
    if not truth(arguments.tls_verify):
        said["MINIBUILD_INSECURE_REGISTRY"] = "*"
    return {**environment, **said}


def pull_policy(word: str) -> bool:
    """Whether ``--pull=POLICY`` asks the registry for images that the store has. Source: podman build."""
    from minibuild.errors import UsageError

    match word.lower():
        case "always" | "newer" | "true" | "1":
            return True
        case "missing" | "ifmissing" | "ifnotpresent" | "false" | "0":
            return False
    raise UsageError(f"--pull={word} is not supported", hint="always asks the registry, missing if the store has none")
