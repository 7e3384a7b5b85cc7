"""Images of the store by what people call them: a name, a name with a digest, or the beginning of an ID."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minibuild.errors import ImageError, UsageError, did_you_mean
from minibuild.oci import AnyImage, Image, ImageIndex, Platform, Reference

if TYPE_CHECKING:
    from minibuild.store import Store


def find_any(store: Store, word: str) -> AnyImage:
    """The image or the index that a word names: names go before IDs, as with docker. Raises ImageError where there is
    none.
    """
    reference = reference_of(word)
    found = (reference and store.images.find_any(reference)) or store.images.by_id(word)
    if found is None:
        raise ImageError(f"no image {word!r} in the store", hint=_near(store, word))
    return found


def find_image(store: Store, word: str, platform: Platform) -> Image:
    """The image that a word names; of an index, the one for a platform. Raises ImageError where there is none."""
    return image_for(find_any(store, word), word, platform)


def image_for(found: AnyImage, word: str, platform: Platform) -> Image:
    """The image for a platform of what a word names; an image alone is taken for any. Raises ImageError."""
    if isinstance(found, Image):
        return found
    image = found.image_for(platform)
    if image is None:
        listed = ", ".join(found.platforms)
        raise ImageError(f"{word} has no image for {platform}", hint=f"choose with --platform: it has {listed}")
    return image


def made_anew(found: AnyImage, word: str, platform: Platform | None, change: Callable[[Image], Image]) -> AnyImage:
    """What a word names, changed: the image for a platform, or for None all of an index, which is one again."""
    if isinstance(found, ImageIndex) and platform is None:
        return ImageIndex.of([change(image) for image in found.images], found.annotations)
    return change(image_for(found, word, platform or found.images[0].config.platform))


def reference_of(word: str) -> Reference | None:
    """The reference that a word spells; None for what can only be an ID."""
    try:
        return Reference.parse(word)
    except UsageError:
        return None


def new_name(word: str) -> Reference:
    """The name that a word gives to an image; raises UsageError for a name that the bytes alone can give."""
    reference = Reference.parse(word)
    if reference.is_pinned:
        raise UsageError(f"{word!r} has a digest, which only the bytes can give", hint="leave @sha256:… out")
    return reference


def _near(store: Store, word: str) -> str:
    names = [reference.familiar() for reference, _ in store.images.list() if reference]
    return (
        did_you_mean(word, [*names, *(name.removesuffix(":latest") for name in names)])
        or "`minibuild images` lists them"
    )
