"""The scope above the first FROM: the platform's ARGs, and the names that need no ARG."""

from __future__ import annotations

from types import MappingProxyType

from minibuild.instructions.base import StageState
from minibuild.oci import ContainerConfig, Platform
from minibuild.plan.steps import Options

PROXIES = tuple(
    spelling
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "FTP_PROXY", "NO_PROXY", "ALL_PROXY")
    for spelling in (name, name.lower())
)


def is_predefined(name: str) -> bool:
    """A --build-arg that means something without an ARG. Source: Dockerfile reference, Predefined ARGs."""
    known = (*PROXIES, "SOURCE_DATE_EPOCH", "BUILDKIT_DOCKERFILE_CHECK")
    return name in known or name in _platform_names()


def global_scope(options: Options, target: str) -> StageState:
    """The state that the ARGs above the first FROM begin with; ``target`` is the name of the stage that
    is the result, maybe "".
    """
    platforms = {
        **_platform_arguments("TARGET", options.platform),
        **_platform_arguments("BUILD", options.build_platform),
        "TARGETSTAGE": target or "default",
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
    return frozenset((*names, "TARGETSTAGE"))
