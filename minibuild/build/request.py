"""What a build is asked for, and what it answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType

from minibuild.build.surroundings import Surroundings
from minibuild.errors import Finding
from minibuild.oci import Image, Platform, Reference

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class BuildRequest:
    """One build.

    ``dockerfile`` is a path as the caller's shell sees it, ``-`` for standard input, "" for ``Dockerfile`` in the
    context. ``environment`` is the caller's: proxies are taken from it. ``named_contexts`` maps names to
    ``docker-archive:PATH``, ``oci-layout://PATH`` or ``docker-image://REFERENCE``. ``no_cache_stages`` are stage
    names or numbers. ``pull`` asks the registry even for bases the store has. ``runtime`` and ``snapshotter``: ""
    is the first that works. ``mirrors`` are ``registry=URL`` words. ``source_date_epoch``: seconds, for all times
    the build itself makes up; None is now. ``surroundings`` are what all RUNs have around them.
    """

    context: Path
    dockerfile: str = ""
    build_arguments: Mapping[str, str] = field(default_factory=lambda: _NONE)
    environment: Mapping[str, str] = field(default_factory=lambda: _NONE)
    labels: Mapping[str, str] = field(default_factory=lambda: _NONE)
    target: str = ""
    platform: Platform = field(default_factory=Platform.of_this_machine)
    tags: tuple[Reference, ...] = ()
    named_contexts: Mapping[str, str] = field(default_factory=lambda: _NONE)
    no_cache: bool = False
    no_cache_stages: frozenset[str] = frozenset()
    pull: bool = False
    runtime: str = ""
    snapshotter: str = ""
    mirrors: tuple[str, ...] = ()
    source_date_epoch: int | None = None
    surroundings: Surroundings = field(default_factory=Surroundings)


@dataclass(frozen=True, slots=True)
class BuildResult:
    """The image, in the store under the tags asked for; of how many steps how many were cached; what was warned
    of.
    """

    image: Image
    steps: int
    cached: int
    findings: tuple[Finding, ...] = ()
