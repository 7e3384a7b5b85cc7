"""``--cache-from`` and ``--cache-to``: whence caches come, and where this build's goes.

Source: docker buildx build, --cache-from and --cache-to. ``mounts`` and ``tag`` of a directory's are ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from minibuild.build.travelling import TABLE
from minibuild.errors import UsageError, did_you_mean
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.layers.compressing import Compression

INLINE = "inline"
_SHORTEST_KEY = 16
_COMPRESSION = ("compression", "compression-level", "force-compression")
_ANYWHERE = ("mode", *_COMPRESSION, "mounts", "ignore-error")
# What BuildKit can be asked for, and what is done here anyway.
_ALWAYS = {"image-manifest": "true", "oci-mediatypes": "true"}
_ELSEWHERE = "keep it in a registry (type=registry,ref=…), or in a directory that your CI keeps (type=local,dest=…)"


@dataclass(frozen=True, slots=True)
class CacheSource:
    """A cache to take from: its type, and the attributes that say where it is."""

    type: str
    attributes: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class CacheDestination:
    """A place for this build's cache. ``max`` has the steps of all stages, ``min`` those of the targets' own.

    ``mounts`` are ids of cache mounts that go along. ``ignores_errors``: the build goes well where it can't be written.
    """

    type: str
    attributes: Mapping[str, str]
    mode: Literal["min", "max"] = "min"
    compression: Compression | None = None
    forces_compression: bool = False
    mounts: tuple[str, ...] = ()
    ignores_errors: bool = False


@dataclass(frozen=True, slots=True)
class Caches:
    """All that a build is told of caches that travel; with a ``key`` they are signed, and others aren't taken."""

    sources: tuple[CacheSource, ...] = ()
    destinations: tuple[CacheDestination, ...] = ()
    key: bytes = field(default=b"", repr=False)

    @property
    def is_inline(self) -> bool:
        """The image is to tell of its own steps."""
        return any(destination.type == INLINE for destination in self.destinations)

    @property
    def has_all_stages(self) -> bool:
        """Steps of all stages are wanted."""
        return any(destination.mode == "max" for destination in self.destinations)

    @property
    def mounts(self) -> frozenset[str]:
        """The ids of cache mounts that go anywhere."""
        return frozenset(name for destination in self.destinations for name in destination.mounts)


def parse_caches(sources: Sequence[str], destinations: Sequence[str], key_file: str = "") -> Caches:
    """What the words of the command line say; raises UsageError."""
    return Caches(
        tuple(map(parse_source, sources)),
        tuple(map(parse_destination, destinations)),
        _key(key_file) if key_file else b"",
    )


def parse_source(word: str) -> CacheSource:
    """A word of ``--cache-from``: ``type=…,key=value``, or the name of a cache in a registry; raises UsageError."""
    said = _Said.parse("--cache-from", word)
    if not TABLE[said.type].source:
        raise UsageError(f"{said}: type={said.type} is no place", hint="name the image: type=registry,ref=IMAGE")
    said.check(TABLE[said.type].source, ())
    return CacheSource(said.type, said.attributes)


def parse_destination(word: str) -> CacheDestination:
    """A word of ``--cache-to``, as ``parse_source``."""
    from minibuild.layers.compressing import Compression

    said = _Said.parse("--cache-to", word)
    own = TABLE[said.type].destination
    said.check(own, ("mode",) if said.type == INLINE else _ANYWHERE)
    attributes = said.attributes
    mode = attributes.get("mode", "min")
    if mode not in ("min", "max"):
        raise UsageError(f"{said} has {mode!r} for a mode, wanted min or max")
    if said.type == INLINE and mode == "max":
        raise UsageError(f"{said}: an image holds the layers of its own steps only", hint="max wants type=registry")
    return CacheDestination(
        said.type,
        {name: attributes[name] for name in own if name in attributes},
        "max" if mode == "max" else "min",
        Compression.parse(str(said), attributes.get("compression", "gzip"), attributes.get("compression-level", "")),
        said.claim("force-compression"),
        tuple(name.strip() for name in attributes.get("mounts", "").split(",") if name.strip()),
        said.claim("ignore-error"),
    )


@dataclass(frozen=True, slots=True)
class _Said:
    """An option and its attributes, those of one name joined by commas."""

    option: str
    word: str
    type: str
    attributes: Mapping[str, str]

    def __str__(self) -> str:
        return f"{self.option} {self.word!r}"

    @classmethod
    def parse(cls, option: str, word: str) -> _Said:
        fields = _fields(option, word)
        if len(fields) == 1 and "=" not in fields[0]:
            return cls(option, word, "registry", {"ref": fields[0]})
        attributes: dict[str, str] = {}
        for text in fields:
            key, equals, value = text.partition("=")
            name = key.strip().lower()
            if not equals:
                raise UsageError(f"{option} {word!r} has {text!r}, wanted key=value")
            attributes[name] = f"{attributes[name]},{value}" if name == "mounts" and name in attributes else value
        kind = attributes.pop("type", "")
        if kind not in TABLE:
            near = did_you_mean(kind, list(TABLE))
            found = f"has {kind!r} for a type, which is not supported" if kind else "has no type"
            raise UsageError(f"{option} {word!r} {found}", hint=near or _ELSEWHERE)
        return cls(option, word, kind, attributes)

    def check(self, own: Sequence[str], others: Sequence[str]) -> None:
        """Raises UsageError for attributes that the type doesn't take, and where there is no place."""
        known = (*own, *others)
        for name, value in self.attributes.items():
            if name in known or _ALWAYS.get(name) == value:
                continue
            if name in _ALWAYS:
                raise UsageError(f"{self}: {name}={value} is not supported", hint="leave it out")
            hint = did_you_mean(name, known) or f"type={self.type} takes {', '.join(known)}"
            raise UsageError(f"{self} has {name!r}, which type={self.type} doesn't take", hint=hint)
        if own and not self.attributes.get(own[0]):
            raise UsageError(f"{self} doesn't say where the cache is", hint=f"add {own[0]}=…")

    def claim(self, name: str) -> bool:
        """Whether something is said to be so."""
        value = self.attributes.get(name, "false").lower()
        if value not in ("true", "false", "1", "0"):
            raise UsageError(f"{self} has {value!r} for {name}, wanted true or false")
        return value in ("true", "1")


def _fields(option: str, word: str) -> list[str]:
    import csv

    try:
        fields = next(csv.reader([word], strict=True), [])
    except csv.Error as error:
        raise UsageError(f"{option} {word!r} is no list of key=value ({error})") from error
    if not fields or not fields[0]:
        raise UsageError(f"{option} wants a name in a registry or type=…, got {word!r}")
    return fields


def _key(file: str) -> bytes:
    try:
        key = Path(file).read_bytes().strip()
    except OSError as error:
        raise UsageError(f"--cache-key-file {file} can't be read: {(error.strerror or '').lower()}") from error
    if len(key) < _SHORTEST_KEY:
        hint = f"openssl rand -hex 32 > {file}"
        raise UsageError(f"--cache-key-file {file} has a key of {len(key)} bytes, wanted {_SHORTEST_KEY}", hint=hint)
    return key
