"""The image configuration: what a container of the image starts with, its layers' diff_ids, and its history.

Every JSON object keeps the keys it doesn't know (``extra``), so that a base image's survive the round trip.
Source: image-spec config.md, and moby's ``dockerspec`` for Healthcheck, Shell, OnBuild and ArgsEscaped.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

from minibuild.errors import ImageError
from minibuild.oci.digest import Digest
from minibuild.oci.platform import Platform
from minibuild.values import dataclass, field

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_NO_CHARACTERS = re.compile("[\ud800-\udfff]")


@dataclass(frozen=True, slots=True)
class Healthcheck:
    """How to ask a container if it is well; durations in nanoseconds, zero (and an empty test) means "inherit"."""

    test: tuple[str, ...] = ()
    interval: int = 0
    timeout: int = 0
    start_period: int = 0
    start_interval: int = 0
    retries: int = 0


@dataclass(frozen=True, slots=True)
class ContainerConfig:
    """The ``config`` object. ``command`` and ``entrypoint``: None is "not said", () is "said to be empty"."""

    user: str = ""
    exposed_ports: tuple[str, ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    entrypoint: tuple[str, ...] | None = None
    command: tuple[str, ...] | None = None
    volumes: tuple[str, ...] = ()
    directory: str = ""
    labels: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    stop_signal: str = ""
    healthcheck: Healthcheck | None = None
    shell: tuple[str, ...] = ()
    on_build: tuple[str, ...] = ()
    args_escaped: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    def variable(self, name: str) -> str | None:
        """The value of an environment variable; None where it isn't set."""
        return dict(self.environment).get(name)

    def with_variable(self, name: str, value: str) -> tuple[tuple[str, str], ...]:
        """The environment with a variable set: in its old place if it had one, else at the end."""
        if self.variable(name) is None:
            return (*self.environment, (name, value))
        return tuple((key, value if key == name else old) for key, old in self.environment)


@dataclass(frozen=True, slots=True)
class History:
    """One line of ``docker history``; ``created`` is RFC 3339 or "". Lines that aren't ``empty_layer`` match the
    layers.
    """

    created: str = ""
    created_by: str = ""
    comment: str = ""
    author: str = ""
    empty_layer: bool = False
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)


@dataclass(frozen=True, slots=True)
class ImageConfig:
    """The whole configuration. ``diff_ids`` and ``history`` are oldest first; ``created`` is RFC 3339 or ""."""

    platform: Platform
    config: ContainerConfig = field(default_factory=ContainerConfig)
    diff_ids: tuple[Digest, ...] = ()
    history: tuple[History, ...] = ()
    created: str = ""
    author: str = ""
    extra: Mapping[str, Any] = field(default_factory=lambda: _NOTHING)

    @classmethod
    def parse(cls, raw: bytes) -> ImageConfig:
        """The configuration that these bytes hold; raises ImageError where they don't hold one."""
        try:
            document = json.loads(raw)
            return _image_config(dict(document))
        except ImageError:
            raise
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            raise ImageError(f"the image configuration doesn't follow its specification ({error!r})") from error

    def encode(self) -> bytes:
        """The configuration as canonical bytes: fixed key order, no blanks, UTF-8."""
        document = {
            "architecture": self.platform.architecture,
            "config": _encode_container(self.config),
            **_present({"created": self.created, "author": self.author}),
            "history": [_encode_history(line) for line in self.history],
            "os": self.platform.os,
            "rootfs": {"type": "layers", "diff_ids": list(self.diff_ids)},
            **_present({"variant": self.platform.variant}),
        }
        return encode_json({**document, **{key: value for key, value in self.extra.items() if key not in document}})


def encode_json(document: Any) -> bytes:
    """JSON as this program writes it everywhere a digest is taken: the order given, no blanks, UTF-8.

    A byte that isn't UTF-8 becomes U+FFFD, as in Go: nobody could read the document otherwise.
    """
    text = json.dumps(document, separators=(",", ":"), ensure_ascii=False)
    try:
        return text.encode()
    except UnicodeEncodeError:
        return _NO_CHARACTERS.sub("\ufffd", text).encode()


def _present(items: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in items.items() if value or value is False}


def _image_config(document: dict[str, Any]) -> ImageConfig:
    rootfs = document.pop("rootfs")
    if rootfs.get("type", "layers") != "layers":
        raise ImageError(f"the image configuration has a rootfs of type {rootfs['type']!r}, wanted 'layers'")
    return ImageConfig(
        platform=Platform(document.pop("os", "linux"), document.pop("architecture", ""), document.pop("variant", "")),
        config=_container(dict(document.pop("config", None) or {})),
        diff_ids=tuple(Digest.parse(digest) for digest in rootfs.get("diff_ids") or ()),
        history=tuple(_history(dict(line)) for line in document.pop("history", None) or ()),
        created=document.pop("created", None) or "",
        author=document.pop("author", None) or "",
        extra=MappingProxyType(document),
    )


def _container(document: dict[str, Any]) -> ContainerConfig:
    check = document.pop("Healthcheck", None)
    pairs = [item.partition("=") for item in document.pop("Env", None) or ()]
    entrypoint, command = document.pop("Entrypoint", None), document.pop("Cmd", None)
    return ContainerConfig(
        user=document.pop("User", "") or "",
        exposed_ports=tuple(document.pop("ExposedPorts", None) or ()),
        environment=tuple({name: value for name, _, value in pairs}.items()),
        entrypoint=None if entrypoint is None else tuple(entrypoint),
        command=None if command is None else tuple(command),
        volumes=tuple(document.pop("Volumes", None) or ()),
        directory=document.pop("WorkingDir", "") or "",
        labels=MappingProxyType(dict(document.pop("Labels", None) or {})),
        stop_signal=document.pop("StopSignal", "") or "",
        healthcheck=None if check is None else _healthcheck(check),
        shell=tuple(document.pop("Shell", None) or ()),
        on_build=tuple(document.pop("OnBuild", None) or ()),
        args_escaped=bool(document.pop("ArgsEscaped", False)),
        extra=MappingProxyType(document),
    )


def _healthcheck(document: Mapping[str, Any]) -> Healthcheck:
    return Healthcheck(
        test=tuple(document.get("Test") or ()),
        interval=document.get("Interval", 0),
        timeout=document.get("Timeout", 0),
        start_period=document.get("StartPeriod", 0),
        start_interval=document.get("StartInterval", 0),
        retries=document.get("Retries", 0),
    )


def _history(document: dict[str, Any]) -> History:
    return History(
        created=document.pop("created", None) or "",
        created_by=document.pop("created_by", None) or "",
        comment=document.pop("comment", None) or "",
        author=document.pop("author", None) or "",
        empty_layer=bool(document.pop("empty_layer", False)),
        extra=MappingProxyType(document),
    )


def _encode_history(line: History) -> dict[str, Any]:
    known = _present(
        {"created": line.created, "created_by": line.created_by, "comment": line.comment, "author": line.author}
    )
    return {**known, **({"empty_layer": True} if line.empty_layer else {}), **line.extra}


def _encode_container(config: ContainerConfig) -> dict[str, Any]:
    check = config.healthcheck
    document = {
        **_present({"User": config.user, "ExposedPorts": {port: {} for port in config.exposed_ports}}),
        **_present({"Env": [f"{name}={value}" for name, value in config.environment]}),
        **({} if config.entrypoint is None else {"Entrypoint": list(config.entrypoint)}),
        **({} if config.command is None else {"Cmd": list(config.command)}),
        **_present({"Volumes": {volume: {} for volume in config.volumes}, "WorkingDir": config.directory}),
        **_present({"Labels": dict(config.labels), "StopSignal": config.stop_signal}),
        **({} if check is None else {"Healthcheck": _encode_healthcheck(check)}),
        **_present({"Shell": list(config.shell), "OnBuild": list(config.on_build)}),
        **({"ArgsEscaped": True} if config.args_escaped else {}),
    }
    return {**document, **config.extra}


def _encode_healthcheck(check: Healthcheck) -> dict[str, Any]:
    return _present(
        {
            "Test": list(check.test),
            "Interval": check.interval,
            "Timeout": check.timeout,
            "StartPeriod": check.start_period,
            "StartInterval": check.start_interval,
            "Retries": check.retries,
        }
    )
