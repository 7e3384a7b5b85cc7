"""Images that a command looks at, wherever they are: in the store, in an archive or a layout, in a registry."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from minibuild.build.bases import Bases
from minibuild.build.journal import Journal
from minibuild.build.named import DOCKER_IMAGE
from minibuild.build.supplying import Supply
from minibuild.cli.finding import find_any, reference_of
from minibuild.events import Progress
from minibuild.oci import AnyImage, Platform, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.store import Store
from minibuild.values import dataclass

PLACES = "a name or an ID in the store, docker-image://NAME, docker-archive:FILE, oci-archive:FILE, oci-layout:DIR"
"""What an operand may be, for help texts."""

# A layout or an archive with one image in it gives that one, whatever it is asked for.
_WHICHEVER = Reference.parse("whichever")
_ID = re.compile(r"(sha256:)?[0-9a-f]{6,64}")


@dataclass(frozen=True)
class Operands:
    """Opens images for those who only look: what isn't in the store comes into one that lasts as long as this does."""

    store: Store
    elsewhere: Store
    platform: Platform
    environment: Mapping[str, str]
    registries: Bases

    def open(self, word: str) -> tuple[AnyImage, Store]:
        """The image that a word means, and the store that gives its layers; of an index that isn't in the store, the
        image for the platform. Raises MinibuildError where there is none.
        """
        from minibuild.transports import open_source

        source = open_source(word, self.environment)
        if source is not None:
            image = source.resolve(_WHICHEVER, self.platform)
            self.elsewhere.put_image(image)
            self.elsewhere.promises.add(image.blobs, word)
            return image, self.elsewhere
        scheme, colon, rest = word.partition("://")
        if colon and scheme == DOCKER_IMAGE:
            return self.registries.lookup(rest, self.platform), self.elsewhere
        if self._is_here(word):
            return find_any(self.store, word), self.store
        return self.registries.lookup(word, self.platform), self.elsewhere

    def open_whole(self, word: str) -> tuple[AnyImage, Store]:
        """As ``open``, but wherever it is, an index with all its images."""
        from minibuild.transports import open_source
        from minibuild.transports.docker_archive import DockerArchive
        from minibuild.transports.oci_layout import OciLayout

        source = open_source(word, self.environment)
        if isinstance(source, DockerArchive | OciLayout):
            found = source.whole()
            self.elsewhere.put_image(found)
            for image in found.images:
                self.elsewhere.promises.add(image.blobs, word)
            return found, self.elsewhere
        name = word.removeprefix(f"{DOCKER_IMAGE}://")
        if source is not None or (name == word and self._is_here(word)):
            return self.open(word)
        from minibuild.build.bringing import bring_whole
        from minibuild.registry.endpoints import parse_mirrors
        from minibuild.transports.registry import Registry

        with Registry(parse_mirrors(self.registries.mirrors), self.environment) as registry:
            return bring_whole(Reference.parse(name), self.elsewhere, registry), self.elsewhere

    def _is_here(self, word: str) -> bool:
        """It is in the store, or should be: an ID means nothing to registries."""
        reference = reference_of(word)
        return reference is None or bool(_ID.fullmatch(word) or self.store.images.find_any(reference))


@contextmanager
def operands(
    store: Store,
    platform: Platform,
    environment: Mapping[str, str],
    mirrors: Sequence[str],
    cancellation: Cancellation,
    display: Progress,
) -> Iterator[Operands]:
    """What opens the operands of a command, for as long as it looks at them."""
    journal = Journal(display)
    store.supplier = Supply(store, journal, cancellation, mirrors, environment)
    with (
        TemporaryDirectory(dir=store.scratch, prefix="elsewhere-") as directory,
        Store.at(Path(directory)) as elsewhere,
    ):
        elsewhere.supplier = Supply(elsewhere, journal, cancellation, mirrors, environment)
        registries = Bases(elsewhere, journal, cancellation, mirrors, environment, pull=True)
        yield Operands(store, elsewhere, platform, environment, registries)
