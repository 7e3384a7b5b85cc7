"""Images in registries: found by name and platform, their layers fetched in parallel into a store.

::

    with Registry(parse_mirrors(words), os.environ) as registry:
        image = registry.resolve(reference, platform)           # manifest and configuration: nothing else is fetched
        registry.fetch_layers(image, store.blobs, progress, activity=3)
        store.put_image(image)
        store.images.tag(registry.pinned(reference), image)     # name@digest, as the registry has it

Whatever comes from a registry is verified before anybody sees it. Ctrl-C in the thread that fetches, or ``cancel``
from any other, ends all transfers at once and leaves nothing half-written behind.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol, Self

from minibuild.errors import ImageError
from minibuild.events import Progress
from minibuild.oci import AnyImage, Descriptor, Digest, Image, ImageIndex, MediaType, Platform, Reference
from minibuild.oci.artifact import Artifact
from minibuild.oci.image import parse_manifest
from minibuild.oci.index import choose, is_attached, parse_index
from minibuild.registry.client import Client
from minibuild.registry.endpoints import Mirrors
from minibuild.registry.failures import printable
from minibuild.registry.session import USUAL_PATIENCE, Patience
from minibuild.transports.transfers import Abandoned, Transfer, move

if TYPE_CHECKING:
    from minibuild.registry.destination import Destination
    from minibuild.registry.download import Download

# Overlayfs takes 500 layers, Docker 127: a longer list is an attack or an accident.
_MOST_LAYERS = 1000
# The last four are what old registries called configurations: github.com/docker/distribution/issues/1621.
_CONFIGS = frozenset(
    {MediaType.CONFIG, MediaType.DOCKER_CONFIG, "application/octet-stream", "application/json", "text/html", ""}
)


class BlobWriter(Protocol):
    """A blob in the making."""

    def write(self, data: bytes, /) -> int:
        """Adds these bytes."""

    def commit(self, expected: Descriptor, /) -> object:
        """Keeps the blob; raises IntegrityError where its digest or its size isn't the expected one."""


class Blobs(Protocol):
    """Where layers are fetched to: the store's blobs."""

    def has(self, descriptor: Descriptor) -> bool:
        """The blob is there, whole."""

    def writer(self) -> AbstractContextManager[BlobWriter]:
        """A new blob; what isn't committed when it is left is gone."""


class Registry:
    """The registries of the world, each asked by way of its mirrors first. Any thread may use it."""

    def __init__(self, mirrors: Mirrors, environment: Mapping[str, str], patience: Patience = USUAL_PATIENCE) -> None:
        self._client = Client(mirrors, environment, patience)
        self._lock = threading.Lock()
        # By which name each blob can be asked for; what each name was resolved to.
        self._names: dict[Digest, Reference] = {}
        self._tops: dict[Reference, bytes] = {}
        self.refused: set[Digest] = set()
        """The blobs that were to be fetched, and couldn't be."""

    def resolve(self, reference: Reference, platform: Platform) -> Image:
        """The image of that name for a platform; raises ImageError where there is none, RegistryError where nobody
        could be asked.
        """
        raw = top = self._client.manifest(reference)
        with _naming(reference):
            if "manifests" in _document(raw):
                raw = self._of_platform(reference, raw, platform)
            image = self._image(reference, raw)
            _suits(image.config.platform, platform)
        with self._lock:
            self._tops[reference] = top
            for blob in (image.config_descriptor, *image.blobs):
                self._names[blob.digest] = reference
        return image

    def whole(self, reference: Reference) -> AnyImage:
        """All that a name stands for: an image, or an index with every image and attestation that it lists. Raises as
        ``resolve``.
        """
        raw = self._client.manifest(reference)
        with _naming(reference):
            if "manifests" not in _document(raw):
                return self._image(reference, raw)
            images, attached = [], []
            for listed in parse_index(raw):
                own = self._listed(reference, listed)
                if is_attached(listed):
                    config = Descriptor.parse(_document(own).get("config") or {})
                    attached.append(Artifact.parse(own, self._client.document(reference, config)))
                else:
                    images.append(self._image(reference, own))
            return ImageIndex.parse(raw, images, attached)

    def document(self, reference: Reference) -> bytes:
        """What a name stands for, as it is: an index or a manifest. Raises as ``resolve``."""
        raw = self._client.manifest(reference)
        with _naming(reference):
            _document(raw)
        return raw

    def manifest(self, reference: Reference, platform: Platform) -> bytes:
        """The manifest of that name, whatever it is of; of an index, the one for a platform. Raises as ``resolve``."""
        raw = self._client.manifest(reference)
        return self._of_platform(reference, raw, platform) if "manifests" in _document(raw) else raw

    def blob(self, reference: Reference, descriptor: Descriptor) -> BinaryIO:
        """A blob that a repository is known to have, verified at its end; the caller closes it."""
        return self._client.blob(reference, descriptor)

    def pinned(self, reference: Reference) -> Reference:
        """The reference with the digest of what the registry has by that name (an index, where it is one); asks
        nobody, so it must have been resolved here.
        """
        return reference.with_digest(Digest.of(self._tops[reference]))

    def index(self, reference: Reference) -> bytes | None:
        """The index that a name resolved here stands for; None where it is an image alone."""
        top = self._tops[reference]
        return top if "manifests" in parse_manifest(top) else None

    def open(self, descriptor: Descriptor) -> BinaryIO:
        """A blob of an image that was resolved here, verified at its end; the caller closes it."""
        return self._client.blob(self._names[descriptor.digest], descriptor)

    def fetch_layers(self, image: Image, blobs: Blobs, progress: Progress, *, activity: int) -> None:
        """Fetches those layers of an image resolved here that the store lacks, several at once.

        Progress is told from the calling thread, a few times a second for each layer, by the layers' short digests.
        """
        self._fetch_all([layer.descriptor for layer in image.layers], blobs, progress, activity)

    def fetch_blobs(
        self,
        reference: Reference,
        descriptors: Iterable[Descriptor],
        blobs: Blobs,
        progress: Progress,
        *,
        activity: int,
    ) -> None:
        """As ``fetch_layers``, of blobs that a repository is known to have."""
        wanted = list(descriptors)
        with self._lock:
            self._names |= {descriptor.digest: reference for descriptor in wanted}
        self._fetch_all(wanted, blobs, progress, activity)

    def _fetch_all(self, descriptors: Iterable[Descriptor], blobs: Blobs, progress: Progress, activity: int) -> None:
        missing = {descriptor.digest: descriptor for descriptor in descriptors}
        fetches = [Transfer(descriptor) for descriptor in missing.values() if not blobs.has(descriptor)]
        move(
            fetches,
            lambda fetch: self._fetch(fetch, blobs),
            lambda fetch: progress(fetch.event(activity)),
            self.cancel,
        )

    def destination(self, reference: Reference) -> Destination:
        """Where the images of a repository go to."""
        return self._client.destination(reference)

    def cancel(self) -> None:
        """Ends what is under way in all threads, there and in every later call: they raise KeyboardInterrupt."""
        self._client.cancel()

    def close(self) -> None:
        """Closes idle connections."""
        self._client.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def _of_platform(self, reference: Reference, index: bytes, platform: Platform) -> bytes:
        manifests = parse_index(index)
        chosen = choose(manifests, platform)
        if chosen is None:
            raise _unsuited(platform, [item.platform for item in manifests if item.platform])
        return self._listed(reference, chosen)

    def _listed(self, reference: Reference, listed: Descriptor) -> bytes:
        """A manifest that an index of that name lists."""
        raw = self._client.manifest(reference.with_digest(listed.digest))
        if len(raw) != listed.size:
            raise ImageError(f"its manifest {listed.digest} has {len(raw)} bytes, the index says {listed.size}")
        return raw

    def _image(self, reference: Reference, raw: bytes) -> Image:
        return Image.parse(raw, self._client.document(reference, _config_of(_document(raw))))

    def _fetch(self, fetch: Transfer, blobs: Blobs) -> None:
        def take(download: Download) -> None:
            fetch.done = 0
            with blobs.writer() as writer:
                for piece in download:
                    if fetch.abandoned:
                        raise Abandoned
                    writer.write(piece)
                    fetch.done += len(piece)
                writer.commit(fetch.descriptor)

        try:
            self._client.fetch(self._names[fetch.descriptor.digest], fetch.descriptor, take)
        except ImageError as error:
            self.refused.add(fetch.descriptor.digest)
            if re.search("foreign|nondistributable", fetch.descriptor.media_type):
                error.hint = "it may not be distributed: whoever published it has it, and may put it into this registry"
            raise


@contextmanager
def _naming(reference: Reference) -> Iterator[None]:
    """Says of what name an error is that is about a document of it."""
    try:
        yield
    except ImageError as error:
        if type(error) is not ImageError:
            raise
        raise ImageError(f"{reference.familiar()} can't be used: {error.message}", hint=error.hint) from error


def _suits(found: Platform, wanted: Platform) -> None:
    # Images made by hand often don't say what they are for.
    if (found.os, found.architecture or wanted.architecture) != (wanted.os, wanted.architecture):
        raise _unsuited(wanted, [found])


def _unsuited(wanted: Platform, offered: Iterable[Platform]) -> ImageError:
    # BuildKit gives attestations a platform that nothing runs on.
    names = sorted({str(platform) for platform in offered if platform.os != "unknown"})
    return ImageError(f"it is not made for {wanted}", hint=f"it is for {printable(', '.join(names))}" if names else "")


def _document(raw: bytes) -> dict[str, Any]:
    """The JSON of an index or a manifest; what can be read as either is refused, lest two readers see two images
    (CVE-2021-41190).
    """
    document = parse_manifest(raw)
    if "manifests" in document and document.keys() & {"config", "layers"}:
        raise ImageError("it claims to be both an index and a manifest")
    return document


def _config_of(manifest: Mapping[str, Any]) -> Descriptor:
    config, layers = manifest.get("config"), manifest.get("layers")
    if not isinstance(config, dict) or not isinstance(layers, list):
        raise ImageError("its manifest has no configuration or no layers")
    if len(layers) > _MOST_LAYERS:
        raise ImageError(f"it has {len(layers)} layers, more than the {_MOST_LAYERS} allowed")
    descriptor = Descriptor.parse(config)
    if descriptor.media_type not in _CONFIGS:
        raise ImageError(f"it is a {printable(descriptor.media_type)}, not an image")
    return descriptor
