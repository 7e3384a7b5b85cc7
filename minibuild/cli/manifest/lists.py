"""What the words of ``manifest`` mean: an index of the store, and images wherever they are."""

from __future__ import annotations

import argparse
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from minibuild.cli.finding import find_any, reference_of
from minibuild.cli.options import mirrors_of
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.errors import ImageError, UsageError
from minibuild.oci import AnyImage, ImageIndex, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from minibuild.values import dataclass

if TYPE_CHECKING:
    from minibuild.transports.registry import Registry

PLACES = "a name or an ID in the store, else a name in a registry; docker://NAME is always the registry's"
"""What an image's word may be, for help texts."""

_REGISTRY = re.compile(r"^docker(-image)?://")
ID = re.compile(r"(sha256:)?[0-9a-f]{6,64}")
"""What is a digest, or enough of one, before it is a name."""


@dataclass(frozen=True)
class Sources:
    """Finds images, in an open store first; what a registry has comes into it, but for the layers."""

    store: Store
    arguments: argparse.Namespace
    session: Session
    cancellation: Cancellation

    def find(self, word: str) -> AnyImage:
        """The image or the index that a word means; raises MinibuildError where there is none."""
        from minibuild.build.bringing import bring_whole

        if self._is_here(word):
            return find_any(self.store, word)
        with self._registry() as registry:
            return bring_whole(_reference(word), self.store, registry)

    def document(self, word: str) -> bytes:
        """The index or the manifest that a word means; nothing else is fetched, and nothing kept."""
        if not self._is_here(word):
            with self._registry() as registry:
                return registry.document(_reference(word))
        found = find_any(self.store, word)
        return found.raw if isinstance(found, ImageIndex) else found.raw_manifest

    def _is_here(self, word: str) -> bool:
        """It is in the store, or should be: an ID means nothing to registries."""
        if _REGISTRY.match(word):
            return False
        reference = reference_of(word)
        return reference is None or bool(ID.fullmatch(word) or self.store.images.find_any(reference))

    @contextmanager
    def _registry(self) -> Iterator[Registry]:
        from minibuild.registry.endpoints import parse_mirrors
        from minibuild.transports.registry import Registry

        environment = self.session.environment
        with (
            Registry(parse_mirrors(mirrors_of(self.arguments, environment)), environment) as registry,
            self.cancellation.telling(registry.cancel),
        ):
            yield registry


@contextmanager
def sources(arguments: argparse.Namespace, session: Session) -> Iterator[Sources]:
    """What finds the images of a command, and the store."""
    with session.store() as store, interruptible() as cancellation:
        yield Sources(store, arguments, session, cancellation)


def index_of(store: Store, name: Reference) -> ImageIndex:
    """The index of that name; raises ImageError where there is none."""
    found = find_any(store, name.familiar())
    if not isinstance(found, ImageIndex):
        what = f"{name.familiar()} is an image, wanted an index"
        raise ImageError(what, hint="minibuild manifest create LIST IMAGE… makes one")
    return found


def name_of(word: str) -> Reference:
    """The name that an index is to have; raises UsageError for one with a digest."""
    reference = Reference.parse(word)
    if reference.is_pinned:
        raise UsageError(f"{word} has a digest, which only the bytes can give", hint="leave @sha256:… out")
    return reference


def _reference(word: str) -> Reference:
    return Reference.parse(_REGISTRY.sub("", word))
