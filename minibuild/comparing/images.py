"""Two images compared, or two indices platform by platform."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

from minibuild.comparing import documents, layers
from minibuild.comparing.difference import Difference, LayerDifference
from minibuild.comparing.layers import Contents
from minibuild.oci import AnyImage, Image
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Side:
    """One of two images, what it is called, and what gives the bytes of its layers."""

    name: str
    image: Image
    contents: Contents


@dataclass(frozen=True)
class Comparison:
    """What two images differ in. Layers are compared when they are asked for, one after the other."""

    left: Side
    right: Side

    @property
    def is_equal(self) -> bool:
        """They are the same image, and are told the same of it; blobs may be compressed otherwise."""
        return self.left.image.id == self.right.image.id and not self.annotations

    @cached_property
    def platforms(self) -> tuple[Difference, ...]:
        """What they are made for, if that differs."""
        one, other = (str(side.image.config.platform) for side in (self.left, self.right))
        return () if one == other else (Difference("", "platform", one, other),)

    @cached_property
    def configuration(self) -> tuple[Difference, ...]:
        """The fields of their configurations that differ."""
        return tuple(documents.configurations(self.left.image, self.right.image))

    @cached_property
    def history(self) -> tuple[Difference, ...]:
        """The fields of their histories' lines that differ."""
        return tuple(documents.histories(self.left.image, self.right.image))

    @cached_property
    def annotations(self) -> tuple[Difference, ...]:
        """The annotations of their manifests that differ."""
        return tuple(documents.annotated(self.left.image, self.right.image))

    def layers(self) -> Iterator[LayerDifference]:
        """The layers that differ, lowest first."""
        left, right = self.left, self.right
        return layers.differing(left.image, left.contents, right.image, right.contents)

    def first_byte(self, at: LayerDifference, difference: Difference) -> int | None:
        """Where a file's bytes begin to differ, or a layer's tar where only that does; None where no bytes do."""
        return layers.first_byte(at, difference, self.left.contents, self.right.contents)


def paired(left: AnyImage, right: AnyImage) -> Iterator[tuple[str, Image | None, Image | None]]:
    """The images to compare, by their platforms: of two indices each with its like, or with None; of an index and an
    image the one that is for the image's platform; two images as they are.
    """
    if isinstance(left, Image) and isinstance(right, Image):
        yield str(left.config.platform), left, right
    elif isinstance(left, Image):
        yield str(left.config.platform), left, _for(right, left)
    elif isinstance(right, Image):
        yield str(right.config.platform), _for(left, right), right
    else:
        ours, theirs = ({str(image.config.platform): image for image in side.images} for side in (left, right))
        for platform in dict.fromkeys([*ours, *theirs]):
            yield platform, ours.get(platform), theirs.get(platform)


def _for(index: AnyImage, other: Image) -> Image | None:
    same = (image for image in index.images if image.config.platform == other.config.platform)
    return next(same, None)
