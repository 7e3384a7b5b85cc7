"""Where the images that a Dockerfile names come from: named contexts, the store, registries — asked in this order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Self

from minibuild.build.credentials import NO_CREDENTIALS, Credentials
from minibuild.build.journal import Activity, Journal
from minibuild.build.locking.lock import Pins
from minibuild.build.supplying import REGISTRY, bring
from minibuild.errors import ImageError, MinibuildError, UsageError, blame
from minibuild.oci import AnyImage, Image, Platform, Reference
from minibuild.oci.index import runs_on
from minibuild.registry.offline import is_offline
from minibuild.source import Span
from minibuild.store import Store
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.build.context import DirectoryContext
    from minibuild.build.inputs import Access
    from minibuild.build.request import BuildRequest
    from minibuild.runtimes.base import Cancellation
    from minibuild.transports.base import ImageSource


@dataclass
class Bases:
    """Looks images up and brings them into the store, each once a build.

    ``named`` maps names of ``--build-context`` to their words; ``files`` are those of them that hold files and are
    used; ``credentials`` open what ADD fetches. ``pull``: the registry is asked even where the store has the name
    already. ``pins`` say by which digests registries are asked. Unless ``brings``, images are only looked at: neither
    is a layer fetched nor anything kept.
    """

    store: Store
    journal: Journal
    cancellation: Cancellation
    mirrors: Sequence[str] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    named: Mapping[str, str] = field(default_factory=dict)
    pull: bool = False
    brings: bool = True
    credentials: Credentials = NO_CREDENTIALS
    files: Mapping[str, DirectoryContext] = field(default_factory=dict)
    pins: Pins = field(default_factory=Pins)
    _known: dict[tuple[str, Platform], Image] = field(default_factory=dict)

    @classmethod
    def of(cls, request: BuildRequest, store: Store, access: Access) -> Self:
        """Those that a build asks for."""
        return cls(
            store,
            access.journal,
            access.cancellation,
            mirrors=request.mirrors,
            environment=request.environment,
            named=request.named_contexts,
            pull=request.pull,
            credentials=access.credentials,
            pins=access.pins,
        )

    def lookup(self, words: str, platform: Platform, span: Span | None = None) -> Image:
        """The image that FROM or ``--from`` means by its words, in the store but for layers that its registry is to
        give when they are wanted; raises ImageError where there is none.
        """
        with blame(span):
            image = self._known.get((words, platform))
            if image is None:
                image = self._named(words, platform) or self._by_reference(_reference(words), platform)
                self._known[words, platform] = image
            return image

    def files_of(self, words: str) -> DirectoryContext | None:
        """The files that a name stands for; None where it is that of an image."""
        if not self.files:
            return None
        from minibuild.build.named import name_of

        return self.files.get(name_of(words))

    def _named(self, words: str, platform: Platform) -> Image | None:
        if not self.named:
            return None
        from minibuild.build.named import DOCKER_IMAGE, is_image, name_of

        value = {name_of(name): value for name, value in self.named.items()}.get(name_of(words))
        if value is None:
            return None
        if not is_image(value):
            raise UsageError(
                f"--build-context {words}={value} holds files, and FROM wants an image",
                hint=f"take files of it by COPY --from={words}; an image is docker-image://NAME or oci-layout://DIRECTORY",
            )
        scheme, _, rest = value.partition(":")
        if scheme == DOCKER_IMAGE:
            rest = rest.removeprefix("//")
            return Image.scratch(platform) if rest == "scratch" else self._by_reference(_reference(rest), platform)
        from minibuild.transports import open_source

        source = open_source(value, self.environment)
        assert source is not None
        with self.journal.activity(f"FROM {words} ({value})") as activity:
            image = source.resolve(_reference(words), platform)
            self._bring(image, source, activity)
            return image

    def _by_reference(self, reference: Reference, platform: Platform) -> Image:
        if not reference.is_pinned and (digest := self.pins.wanted("images", str(reference))):
            try:
                return self._by_reference(reference.with_digest(digest), platform)
            except ImageError as error:
                message = f"{self.pins.place} has {reference.familiar()} at {digest}: {error.message}"
                hint = (
                    error.hint if is_offline(self.environment) else "minibuild lock asks what the name stands for now"
                )
                raise ImageError(message, hint=hint) from error
        stored = None if self.pull and not reference.is_pinned else self.store.images.find(reference, platform)
        if stored is not None and runs_on(stored.config.platform, platform):
            return stored
        if is_offline(self.environment):
            wanted = reference.familiar()
            hint = f"minibuild pull --platform {platform} {wanted}"
            raise ImageError(f"{wanted} for {platform} isn't in the store, and --offline asks no registry", hint=hint)
        from minibuild.registry.endpoints import parse_mirrors
        from minibuild.transports.registry import Registry

        with (
            Registry(parse_mirrors(self.mirrors), self.environment) as registry,
            self.cancellation.telling(registry.cancel),
            self.journal.activity(f"FROM {reference}"),
        ):
            image = registry.resolve(reference, platform)
            if not reference.is_pinned:
                self.pins.note("images", str(reference), registry.pinned(reference).digest)
            if not self.brings:
                return image
            self.store.promises.add((layer.descriptor for layer in image.layers), f"{REGISTRY}{reference.name}")
            self.store.put_image(image)
            named = self._with_siblings(image, registry.index(reference))
            for name in (reference, registry.pinned(reference)):
                self.store.images.tag(name, named)
            return image

    def _with_siblings(self, image: Image, raw: bytes | None) -> AnyImage:
        """What the image's name is to stand for: the index that it is one of, where the store has others of that,
        lest one platform's image takes the name from another's.
        """
        index = self.store.images.known_of(raw) if raw else None
        if index is None or len(index.images) == 1:
            return image
        self.store.put_image(index)
        return index

    def _bring(self, image: Image, source: ImageSource, activity: Activity) -> None:
        if not self.brings:
            return
        bring(self.store, source, image.blobs, activity)
        self.store.put_image(image)


def _reference(words: str) -> Reference:
    try:
        return Reference.parse(words)
    except MinibuildError as error:
        raise ImageError(error.message, hint=error.hint) from error
