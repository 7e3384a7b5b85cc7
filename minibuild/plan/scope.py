"""The scope above the first FROM: the platform's ARGs, and the names that need no ARG."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType

from minibuild.dockerfile.lines import DOCKER_SYNTAX
from minibuild.errors import Finding, did_you_mean
from minibuild.instructions.base import StageState
from minibuild.oci import ContainerConfig, Platform
from minibuild.plan.steps import Options

PROXIES = tuple(
    spelling
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for spelling in (name, name.lower())
)
TARGET_STAGE = "TARGETSTAGE"
# What of BuildKit's own arguments steers this build, and why others don't. Source: Dockerfile reference, BuildKit
# built-in build args.
STEERING = (
    "BUILDKIT_CACHE_MOUNT_NS",
    "BUILDKIT_CONTEXT_KEEP_GIT_DIR",
    "BUILDKIT_DOCKERFILE_CHECK",
    "BUILDKIT_SANDBOX_HOSTNAME",
    "SOURCE_DATE_EPOCH",
)
_IDLE: Mapping[str, str] = MappingProxyType(
    {
        "BUILDKIT_BUILD_NAME": "builds have no names here: -t names the image",
        "BUILDKIT_INLINE_CACHE": "the store is the cache: keep --root DIR between builds",
        "BUILDKIT_MULTI_PLATFORM": "the result is one image, for one --platform",
        "BUILDKIT_SBOM_SCAN_CONTEXT": "no bill of materials is made",
        "BUILDKIT_SBOM_SCAN_STAGE": "no bill of materials is made",
        "BUILDKIT_SYNTAX": "minibuild reads Dockerfiles itself: no frontend image is fetched",
    }
)


def is_predefined(name: str) -> bool:
    """A --build-arg that means something without an ARG. Source: Dockerfile reference, Predefined ARGs."""
    return name in PROXIES or name in STEERING or name in _platform_names()


def unused_argument(name: str, value: str, taken: Iterable[str]) -> Finding:
    """What to say of a --build-arg that no ARG takes; ``taken`` are those that some do."""
    if name == "BUILDKIT_SYNTAX" and not DOCKER_SYNTAX.fullmatch(value):
        message = f"BUILDKIT_SYNTAX {value} is not docker/dockerfile: the file is read as a plain Dockerfile"
        return Finding("UnknownSyntax", message)
    ours = [*STEERING, *_IDLE] if name.startswith("BUILDKIT_") else []
    hint = did_you_mean(name, [*sorted(taken), *ours]) or f"say ARG {name} in the stage that wants it"
    if name in _IDLE:
        return Finding("UnusedBuildArg", f"--build-arg {name} has no effect", None, _IDLE[name])
    return Finding("UnusedBuildArg", f"no ARG takes --build-arg {name}", None, hint)


def global_scope(options: Options, target: str) -> StageState:
    """The state that the ARGs above the first FROM begin with; ``target`` is the name of the stage that
    is the result, as it was asked for; maybe "".
    """
    platforms = {
        **_platform_arguments("TARGET", options.platform),
        **_platform_arguments("BUILD", options.build_platform),
        TARGET_STAGE: target or "default",
    }
    given = options.build_arguments
    variables = {name: given.get(name, value) for name, value in platforms.items()}
    return StageState(ContainerConfig(), variables=MappingProxyType(variables), build_arguments=given)


def _platform_arguments(prefix: str, platform: Platform) -> dict[str, str]:
    return {
        f"{prefix}PLATFORM": str(platform),
        f"{prefix}OS": platform.os,
        f"{prefix}OSVERSION": "",
        f"{prefix}ARCH": platform.architecture,
        f"{prefix}VARIANT": platform.variant,
    }


def _platform_names() -> frozenset[str]:
    platform = Platform("", "")
    names = {**_platform_arguments("TARGET", platform), **_platform_arguments("BUILD", platform)}
    return frozenset((*names, TARGET_STAGE))
