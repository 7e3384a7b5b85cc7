"""The tree of an image as one plain tar, without its configuration: what ``docker export`` writes of a container."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import BinaryIO, cast

from minibuild.events import Progress, Transferred
from minibuild.layers.pack import pack
from minibuild.oci import AnyImage, Reference
from minibuild.transports.base import LayerContents
from minibuild.transports.merging import merged
from minibuild.transports.outfile import Destination, written

_REPORT = 1 << 20


class TarFile:
    """A tar to be written to a file or to a stream."""

    def __init__(self, destination: Destination) -> None:
        self._destination = destination

    def export(self, image: AnyImage, names: Sequence[Reference], contents: LayerContents, progress: Progress) -> None:
        """Writes all that is in the image's tree, each of several platforms in a directory; names have no place."""
        del names
        with written(self._destination) as sink:
            counted = Counted(sink, progress)
            pack(merged(image, contents), cast(BinaryIO, counted))
            counted.report()


class Counted(io.RawIOBase):
    """A sink that tells how much went into it."""

    def __init__(self, sink: BinaryIO, progress: Progress) -> None:
        self._sink = sink
        self._progress = progress
        self._done = 0
        self._reported = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]  # what pack writes
        self._sink.write(data)
        self._done += len(data)
        if self._done - self._reported >= _REPORT:
            self.report()
        return len(data)

    def report(self) -> None:
        """Tells it now."""
        self._reported = self._done
        self._progress(Transferred(0, "files", self._done, None))
