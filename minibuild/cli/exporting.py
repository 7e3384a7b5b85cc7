"""A result on its way out of the store: one activity an output, by the transport of its type."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from minibuild.build.journal import Journal
from minibuild.cli.outputs import LOADING, STDOUT, Output
from minibuild.cli.session import Session
from minibuild.events import Event, Progress, Warned
from minibuild.oci import AnyImage, ImageIndex, Layer, MediaType, Platform, Reference

if TYPE_CHECKING:
    from minibuild.build.request import BuildRequest, BuildResult
    from minibuild.store import Store
    from minibuild.transports.archive import Named
    from minibuild.transports.base import Exporter


class Exports:
    """Sends images out after a build; their activities are counted on from the build's, which passes ``progress``."""

    def __init__(self, store: Store, display: Progress, session: Session) -> None:
        self._store, self._display, self._session = store, display, session
        self._last = 0

    def progress(self, event: Event) -> None:
        """The build's events on their way to the display."""
        if not isinstance(event, Warned):
            self._last = max(self._last, event.activity)
        self._display(event)

    def export(self, output: Output, image: AnyImage, tags: Sequence[Reference]) -> AnyImage:
        """Writes the image to one place, and answers it as it is there; an ``image`` is a name in the store and
        nothing to write. A canonical name is the store's own too.
        """
        names = output.references(tags)
        if output.type == "image":
            for name in names:
                self._store.images.tag(name, image)
        else:
            image = self._written(output, image, names)
        for name in names if output.is_canonical else ():
            self._store.images.tag(name.with_digest(image.digest), image)
        return image

    def _written(self, output: Output, image: AnyImage, names: Sequence[Reference]) -> AnyImage:
        exporter = exporter_of(output, self._session)
        with Journal(self._counted_on()).activity(f"exporting to {_place(output, names)}") as activity:
            if output.compression:
                image = self._store.repacked(image, output.compression, force=output.forces_compression)
            elif output.type == "docker":
                image = _for_docker(image, self._store)
            exporter.export(image, names, self._store, activity.progress)
        return image

    def archive(self, output: Output, named: Sequence[Named], platform: Platform) -> None:
        """Writes several images to one archive, in which a docker finds those for a platform."""
        from minibuild.transports.docker_archive import DockerArchive

        archive = exporter_of(output, self._session)
        assert isinstance(archive, DockerArchive)
        with Journal(self._counted_on()).activity(f"exporting to {_place(output, ())}") as activity:
            images = [(_for_docker(image, self._store), names) for image, names in named]
            archive.export_all(images, self._store, activity.progress, platform)

    def caches(self, request: BuildRequest, result: BuildResult, pushed: Sequence[Reference]) -> None:
        """Writes the caches that a build was asked for; ``pushed`` are names that its images have in registries."""
        if not request.caches.destinations:
            return
        from minibuild.build.travelling.exporting import export_caches
        from minibuild.build.travelling.place import Access

        export_caches(request.caches, result.collected, Access.of(request, pushed), self._store, self._counted_on())

    def _counted_on(self) -> Progress:
        before = self._last

        def counted_on(event: Event) -> None:
            self.progress(event if isinstance(event, Warned) else replace(event, activity=event.activity + before))

        return counted_on


def _for_docker(image: AnyImage, store: Store) -> AnyImage:
    """The image, its zstd layers uncompressed: docker before 23 reads none."""
    from minibuild.layers.compressing import Compression

    def plain(layer: Layer) -> Layer:
        is_zstd = layer.descriptor.media_type == MediaType.LAYER_ZSTD
        return store.compressed(layer, Compression("uncompressed"), force=True) if is_zstd else layer

    images = [one.with_layers([plain(layer) for layer in one.layers]) for one in image.images]
    return image.with_images(images) if isinstance(image, ImageIndex) else images[0]


def exporter_of(output: Output, session: Session) -> Exporter:
    """The transport that an output asks for."""
    from minibuild.transports import Place, open_exporter

    place = Place(output.destination, session.environment, session.output.buffer, output.directory)
    return open_exporter(output.type, place)


def _place(output: Output, names: Sequence[Reference]) -> str:
    if output.type == "registry":
        return ", ".join(name.familiar() for name in names)
    if output.type in LOADING and not output.destination:
        return "the docker daemon" if output.type == "docker" else output.type
    where = "standard output" if output.destination == STDOUT else output.destination
    return f"{output.type} {where}"
