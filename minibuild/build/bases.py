"""Where the images that a Dockerfile names come from: named contexts, the store, registries — asked in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from minibuild.build.journal import Activity, Journal
from minibuild.errors import ImageError, MinibuildError, UsageError, blame
from minibuild.events import Transferred
from minibuild.oci import Image, Platform, Reference
from minibuild.runtimes.base import Cancellation
from minibuild.source import Span
from minibuild.store import Store
from minibuild.transports.base import ImageSource

_BLOCK = 1 << 20


@dataclass
class Bases:
    """Looks images up and brings them into the store, each once a build.

    ``named`` maps names of ``--build-context`` to their words. ``pull``: the registry is asked even where the store
    has the name already.
    """

    store: Store
    journal: Journal
    cancellation: Cancellation
    mirrors: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    pull: bool = False
    _known: dict[tuple[str, Platform], Image] = field(default_factory=dict)

    def lookup(self, words: str, platform: Platform, span: Span | None = None) -> Image:
        """The image that FROM or ``--from`` means by its words, whole in the store; raises ImageError where there
        is none.
        """
        with blame(span):
            image = self._known.get((words, platform))
            if image is None:
                image = self._named(words, platform) or self._by_reference(_reference(words), platform)
                self._known[words, platform] = image
            return image

    def _named(self, words: str, platform: Platform) -> Image | None:
        by_name = {name.lower(): value for name, value in self.named.items()}
        value = by_name.get(words.lower())
        if value is None and words.endswith(":latest"):
            value = by_name.get(words.lower().removesuffix(":latest"))
        if value is None:
            return None
        scheme, _, rest = value.partition(":")
        if scheme == "docker-image":
            return self._by_reference(_reference(rest.removeprefix("//")), platform)
        from minibuild.transports import SOURCES, open_source

        source = open_source(value, self.environment)
        if source is None:
            schemes = ", ".join(f"{scheme}:…" for scheme in SOURCES)
            raise UsageError(
                f"--build-context {words}={value} names no image; directories and URLs aren't supported yet",
                hint=f"choose from docker-image://…, {schemes}",
            )
        with self.journal.activity(f"FROM {words} ({value})") as activity:
            image = source.resolve(_reference(words), platform)
            self._bring(image, source, activity)
            return image

    def _by_reference(self, reference: Reference, platform: Platform) -> Image:
        stored = None if self.pull and not reference.is_pinned else self.store.images.find(reference)
        if stored is not None and _runs_on(stored, platform):
            return stored
        from minibuild.registry.endpoints import parse_mirrors
        from minibuild.transports.registry import Registry

        with (
            Registry(parse_mirrors(self.mirrors), self.environment) as registry,
            self.cancellation.telling(registry.cancel),
            self.journal.activity(f"FROM {reference}") as activity,
        ):
            image = registry.resolve(reference, platform)
            registry.fetch_layers(image, self.store.blobs, activity.progress, activity=activity.number)
            self.store.put_image(image)
            for name in (reference, registry.pinned(reference)):
                self.store.images.tag(name, image)
            return image

    def _bring(self, image: Image, source: ImageSource, activity: Activity) -> None:
        for descriptor in (layer.descriptor for layer in image.layers):
            if descriptor.digest in self.store.blobs:
                continue
            done = 0
            with source.open(descriptor) as blob, self.store.blobs.writer() as writer:
                while block := blob.read(_BLOCK):
                    writer.write(block)
                    done += len(block)
                    activity.progress(Transferred(0, descriptor.digest.short, done, descriptor.size))
                writer.commit(descriptor)
        self.store.put_image(image)


def _runs_on(image: Image, platform: Platform) -> bool:
    own = image.config.platform
    return (own.os, own.architecture) == (platform.os, platform.architecture) and own.variant in ("", platform.variant)


def _reference(words: str) -> Reference:
    try:
        return Reference.parse(words)
    except MinibuildError as error:
        raise ImageError(error.message, hint=error.hint) from error
