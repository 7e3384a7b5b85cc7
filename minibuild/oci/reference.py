"""``[registry/]repository[:tag][@digest]``: what an image is called, as Docker resolves it."""

from __future__ import annotations

import re

from minibuild.errors import UsageError
from minibuild.oci.digest import Digest
from minibuild.values import dataclass, replace

# Source: distribution/reference, regexp.go.
_COMPONENT = r"[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*"
_REPOSITORY = re.compile(rf"{_COMPONENT}(?:/{_COMPONENT})*")
_REGISTRY = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::[0-9]+)?")
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")
_DOCKER_HUB = "docker.io"


@dataclass(frozen=True, slots=True)
class Reference:
    """The full name of an image; ``tag`` and ``digest`` are "" where not given, and the digest wins over the tag."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """The reference that Docker understands by a text; without tag and digest it means ``latest``.

        Raises UsageError that says which part can't be.
        """
        rest, _, digest = text.partition("@")
        if digest or text.endswith("@"):
            digest = _digest(text, digest)
        registry, repository = _split_registry(rest)
        repository, colon, tag = repository.partition(":")
        if colon and not _TAG.fullmatch(tag):
            raise UsageError(f"{text!r} has {tag!r} for a tag, wanted up to 128 letters, digits, '_', '.' and '-'")
        if registry == _DOCKER_HUB and "/" not in repository:
            repository = f"library/{repository}"
        if not _REPOSITORY.fullmatch(repository):
            raise UsageError(f"{text!r} is no image reference", hint=_repository_hint(repository))
        if not _REGISTRY.fullmatch(registry):
            raise UsageError(f"{text!r} has {registry!r} for a registry, wanted host[:port]")
        if len(repository) + len(registry) > 255:
            raise UsageError(f"{text[:40]!r}… is a longer image name than the 255 characters allowed")
        return cls(registry, repository, tag if tag or digest else "latest", digest)

    @property
    def is_pinned(self) -> bool:
        """It names bytes, not a moving tag."""
        return bool(self.digest)

    @property
    def name(self) -> str:
        """Registry and repository, in full: ``docker.io/library/node``."""
        return f"{self.registry}/{self.repository}"

    def with_tag(self, tag: str) -> Reference:
        """The same repository's other tag, no digest."""
        return replace(self, tag=tag, digest="")

    def with_digest(self, digest: str) -> Reference:
        """The same repository at a digest, no tag."""
        return replace(self, tag="", digest=digest)

    def familiar(self) -> str:
        """As people write it: ``node:18``, not ``docker.io/library/node:18``."""
        full = str(self)
        for prefix in (f"{_DOCKER_HUB}/library/", f"{_DOCKER_HUB}/"):
            if full.startswith(prefix):
                return full.removeprefix(prefix)
        return full

    def __str__(self) -> str:
        return self.name + (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def _digest(text: str, digest: str) -> str:
    if not re.fullmatch(r"sha256:[a-f0-9]{64}", digest):
        raise UsageError(f"{text!r} has {digest!r} for a digest, wanted sha256: and 64 lower-case hexadecimal digits")
    return Digest(digest)


def _split_registry(text: str) -> tuple[str, str]:
    # The first component is a registry only if it looks like a host: Docker's rule, so that "library/node" isn't one.
    first, slash, rest = text.partition("/")
    if slash and (first == "localhost" or any(c in first for c in ".:") or first != first.lower()):
        return (_DOCKER_HUB if first in ("index.docker.io", "registry-1.docker.io") else first), rest
    return _DOCKER_HUB, text


def _repository_hint(repository: str) -> str:
    if repository != repository.lower():
        return f"repositories are lower case: {repository.lower().removeprefix('library/')}"
    if re.fullmatch(r"[a-f0-9]{64}", repository.rpartition("/")[2]):
        return "64 hexadecimal digits are an image ID, not a name"
    return "a name is lower-case letters and digits, with '.', '_', '-' between them and '/' between its parts"
