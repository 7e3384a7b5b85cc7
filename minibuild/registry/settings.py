"""What a machine's ``registries.conf`` says of registries: other places, mirrors, and which need no TLS.

Source: containers-registries.conf(5), version 2. Short names and credential helpers there are podman's own business.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from minibuild.errors import RegistryError, UsageError
from minibuild.oci import Reference
from minibuild.registry.endpoints import Endpoint, Mirrors, endpoints
from minibuild.registry.trust import kept_for
from minibuild.values import dataclass, field, replace


@dataclass(frozen=True, slots=True)
class Location:
    """``host[:port][/path]``, and whether it may be asked without TLS, or with any certificate."""

    words: str
    insecure: bool = False

    def endpoints(self, left_out: str) -> Iterator[Endpoint]:
        """The places to ask; ``left_out`` begins repositories' names elsewhere and is replaced by our path."""
        host, _, path = self.words.partition("/")
        for scheme in ("https", "http") if self.insecure else ("",):
            found = Endpoint.parse(f"{scheme}://{host}/{path}" if scheme else f"{host}/{path}")
            yield Endpoint(found.base, found.prefix, left_out)


@dataclass(frozen=True, slots=True)
class Rule:
    """One ``[[registry]]``: what is said of the images whose names begin with ``prefix``, which may be
    ``*.domain`` too.
    """

    prefix: str
    location: Location
    mirrors: tuple[Location, ...] = ()
    blocked: bool = False

    def covers(self, name: str) -> bool:
        """An image of this name (``registry/repository``) is meant."""
        if self.prefix.startswith("*."):
            return name.partition("/")[0].partition(":")[0].endswith(self.prefix[1:])
        return name == self.prefix or name.startswith(f"{self.prefix}/")


@dataclass(frozen=True, slots=True)
class Settings:
    """All rules of a machine; of several that cover a name the longest counts."""

    rules: tuple[Rule, ...] = ()
    source: str = ""
    insecure: frozenset[str] = field(default_factory=frozenset)
    """The ``host[:port]`` whose certificates aren't verified; ``*`` is every one."""
    open: frozenset[str] = field(default_factory=frozenset)
    """Those among them, by MINIBUILD_INSECURE_REGISTRY, that may be asked without TLS too."""
    environment: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Says where certificates are kept: who has some for a registry on this machine means TLS."""

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Settings:
        """Those of the first file that is there, and what variables say besides; raises UsageError that names the file
        and what is wrong in it.
        """
        named = frozenset(environment.get("MINIBUILD_INSECURE_REGISTRY", "").lower().split())
        found = cls._of_file(environment)
        return replace(found, insecure=found.insecure | named, open=named, environment=environment)

    @classmethod
    def _of_file(cls, environment: Mapping[str, str]) -> Settings:
        for path in _files(environment):
            try:
                text = path.read_text()
            except (FileNotFoundError, NotADirectoryError):
                continue
            except (OSError, UnicodeError) as error:
                raise UsageError(f"{path} can't be read: {error}") from error
            import tomllib

            try:
                return _parse(tomllib.loads(text), str(path))
            except ValueError as error:
                raise UsageError(f"{path} is no registries.conf: {error}") from error
        return cls()

    def endpoints(self, reference: Reference, mirrors: Mirrors) -> tuple[Endpoint, ...]:
        """Where to ask for an image: the mirrors of the command line, those of the file, then its own place. Raises
        RegistryError for what the file blocks.
        """
        covering = [rule for rule in self.rules if rule.covers(reference.name)]
        *first, own = endpoints(reference.registry, mirrors)
        if not covering:
            return (*first, *self._ways(own))
        rule = max(covering, key=lambda rule: len(rule.prefix))
        if rule.blocked:
            raise RegistryError(f"{reference.familiar()} is blocked", hint=f"{self.source} says so of {rule.prefix}")
        left_out = "" if rule.prefix.startswith("*.") else rule.prefix.partition("/")[2]
        found = [place for mirror in rule.mirrors for place in mirror.endpoints(left_out)]
        found += rule.location.endpoints(left_out) if rule.location.words else self._ways(own)
        return (*first, *found)

    def _ways(self, own: Endpoint) -> tuple[Endpoint, ...]:
        """A registry's own place, and where it may be asked without TLS, that too."""
        host = own.base.partition("://")[2]
        if kept_for(host.lower(), self.environment):
            own = replace(own, base=f"https://{host}")
        return tuple(Location(host, insecure=True).endpoints("")) if {host.lower(), "*"} & self.open else (own,)


def _files(environment: Mapping[str, str]) -> Iterator[Path]:
    """The file that a variable names, or the user's, or the machine's."""
    if named := environment.get("CONTAINERS_REGISTRIES_CONF"):
        yield Path(named)
        return
    home, config = environment.get("HOME"), environment.get("XDG_CONFIG_HOME")
    if config or home:
        yield (Path(config) if config else Path(home or "") / ".config") / "containers/registries.conf"
    yield Path("/etc/containers/registries.conf")


def _parse(document: Mapping[str, Any], source: str) -> Settings:
    rules = tuple(_rule(table) for table in document.get("registry", []))
    locations = [place for rule in rules for place in (rule.location, *rule.mirrors)]
    insecure = frozenset(place.words.partition("/")[0].lower() for place in locations if place.insecure)
    return Settings(rules, source, insecure)


def _rule(table: object) -> Rule:
    if not isinstance(table, dict):
        raise ValueError("registry is no list of tables, wanted [[registry]]")
    prefix, location = table.get("prefix", ""), table.get("location", "")
    if not isinstance(prefix, str) or not isinstance(location, str) or not (prefix or location):
        raise ValueError("a [[registry]] has neither a prefix nor a location")
    # Without a location, what is said is said of the place that the prefix names; a wildcard names none.
    own = location or ("" if prefix.startswith("*.") or not table.get("insecure") else prefix)
    mirrors = table.get("mirror", [])
    if not isinstance(mirrors, list) or not all(isinstance(each, dict) and each.get("location") for each in mirrors):
        raise ValueError(f"a mirror of {prefix or location} has no location")
    return Rule(
        (prefix or location).rstrip("/"),
        Location(own.rstrip("/"), table.get("insecure") is True),
        tuple(Location(each["location"].rstrip("/"), each.get("insecure") is True) for each in mirrors),
        table.get("blocked") is True,
    )
