"""What has a manifest, to registries: each gets what it lacks, and takes over what it has elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from minibuild.errors import ImageError, UsageError
from minibuild.events import Progress
from minibuild.oci import Descriptor, ImageIndex, Reference
from minibuild.registry.destination import Destination
from minibuild.transports.base import LayerContents, Package
from minibuild.transports.registry import Registry
from minibuild.transports.transfers import Abandoned, Transfer, move
from minibuild.values import dataclass

# Each repository that hasn't got a blob costs two questions.
_MOST_HOMES = 3


class Pushing:
    """The registries that an image's names are of; ``also`` are names under which they have got the same blobs."""

    def __init__(self, environment: Mapping[str, str], also: Sequence[Reference] = ()) -> None:
        self._environment = environment
        self._also = also

    def export(
        self, image: Package | ImageIndex, names: Sequence[Reference], contents: LayerContents, progress: Progress
    ) -> None:
        """Puts the image under all its names; nothing is named before all of it is there. A name without a tag is
        that of its digest.
        """
        if not names:
            raise UsageError("nothing says where to push to", hint="name it: -t REGISTRY/REPOSITORY:TAG")
        if isinstance(image, ImageIndex):
            _check_whole(image)
        by_repository: dict[str, list[Reference]] = {}
        for name in names:
            by_repository.setdefault(name.name, []).append(name)
        with Registry({}, self._environment) as registry:
            pushed = list(self._also)
            for siblings in by_repository.values():
                push = _Push(registry, image, siblings, contents, progress)
                push.perform([name.repository for name in pushed if name.registry == siblings[0].registry])
                pushed.append(siblings[0])


@dataclass(frozen=True, slots=True)
class _Push:
    """An image on its way into one repository, under one or more tags."""

    registry: Registry
    image: Package | ImageIndex
    names: Sequence[Reference]
    contents: LayerContents
    progress: Progress

    def perform(self, siblings: Sequence[str]) -> None:
        """Puts what is missing: layers, configurations, manifests, then an index, if it is one; ``siblings`` have all
        blobs already. A name that stands for the image proves that all of it is there, as a registry takes no manifest
        before what it names.
        """
        image = self.image
        destination = self.registry.destination(self.names[0])
        named = [name.tag or image.digest for name in self.names]
        missing = [name for name in named if not destination.has_manifest(name, image.media_type, image.digest)]
        if missing == named:
            self._put_contents(destination, siblings)
        raw = image.raw if isinstance(image, ImageIndex) else image.raw_manifest
        for name in missing:
            destination.put_manifest(name, image.media_type, raw)

    def _put_contents(self, destination: Destination, siblings: Sequence[str]) -> None:
        """Puts all that the image's manifest or index names."""
        image, name = self.image, self.names[0]
        packages: Sequence[Package] = image.packages if isinstance(image, ImageIndex) else [image]
        homes = self.contents.homes(name.registry)

        def carry(transfer: Transfer) -> None:
            descriptor = transfer.descriptor
            likely = dict.fromkeys([*siblings, *homes.get(descriptor.digest, ())])
            likely.pop(name.repository, None)
            if not _is_there(destination, descriptor, list(likely)[:_MOST_HOMES]):
                destination.put_blob(descriptor, lambda: self.contents.open(descriptor), _reporter(transfer))
            transfer.done = descriptor.size

        wanted = {descriptor.digest: descriptor for package in packages for descriptor in package.blobs}
        transfers = [Transfer(descriptor) for descriptor in wanted.values()]
        move(transfers, carry, lambda transfer: self.progress(transfer.event(0)), self.registry.cancel)
        for package in packages:
            _put_document(destination, package.config_descriptor, package.raw_config)
        for package in packages if isinstance(image, ImageIndex) else ():
            destination.put_manifest(package.digest, package.media_type, package.raw_manifest)


def _check_whole(index: ImageIndex) -> None:
    """Raises ImageError for an index that lists what isn't here: a registry takes none of the kind."""
    here = {one.digest for one in index.packages}
    missing = [item for item in index.manifests if item.digest not in here]
    if missing:
        platforms = ", ".join(sorted({str(item.platform or item.digest.short) for item in missing}))
        raise ImageError(
            f"the store lacks images that the index lists: {platforms}",
            hint="push one by --platform, or make an index of what is here: minibuild manifest create LIST IMAGE",
        )


def _is_there(destination: Destination, descriptor: Descriptor, homes: Sequence[str]) -> bool:
    return destination.has(descriptor) or any(destination.mount(descriptor, home) for home in homes)


def _reporter(transfer: Transfer) -> Callable[[int], None]:
    def report(done: int) -> None:
        if transfer.abandoned:
            raise Abandoned
        transfer.done = done

    return report


def _put_document(destination: Destination, descriptor: Descriptor, raw: bytes) -> None:
    import io

    if not destination.has(descriptor):
        destination.put_blob(descriptor, lambda: io.BytesIO(raw), lambda _: None)
