"""Images of the store by what people call them: a name, a name with a digest, or the beginning of an ID."""

from __future__ import annotations

from typing import TYPE_CHECKING

from minibuild.errors import ImageError, UsageError, did_you_mean
from minibuild.oci import Image, Reference

if TYPE_CHECKING:
    from minibuild.store import Store


def find_image(store: Store, word: str) -> Image:
    """The image that a word names: names go before IDs, as with docker. Raises ImageError where there is none."""
    reference = reference_of(word)
    image = (reference and store.images.find(reference)) or store.images.by_id(word)
    if image is None:
        raise ImageError(f"no image {word!r} in the store", hint=_near(store, word))
    return image


def reference_of(word: str) -> Reference | None:
    """The reference that a word spells; None for what can only be an ID."""
    try:
        return Reference.parse(word)
    except UsageError:
        return None


def _near(store: Store, word: str) -> str:
    names = [reference.familiar() for reference, _ in store.images.list() if reference]
    return (
        did_you_mean(word, [*names, *(name.removesuffix(":latest") for name in names)])
        or "`minibuild images` lists them"
    )
