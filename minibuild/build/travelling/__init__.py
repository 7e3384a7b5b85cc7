"""Caches that travel: what one machine has made, another needn't make again.

A cache is kept as an OCI image manifest, which registries and image layouts take like any other. Its layers are those
of steps, ordinary layer blobs that a registry has once however many images and caches name them. In the place of its
configuration stands a document of the media type ``application/vnd.minibuild.cache.v1+json``, which tells whose they
are (``document``); whoever takes a cache from elsewhere reads that alone, and promises its store the layers, which are
fetched when their bytes are wanted (``store.promises``). ``inline`` is the same document in the configuration of the
image that was built, under ``dev.minibuild.cache.v1``, and of its own layers only.

Nobody is trusted who wrote one: digests of blobs and of what they unpack to are verified when they come, a layer that
isn't what it was said to be is made anew, and whoever has a key takes nothing that isn't signed by it.

``wishes`` the words of the command line; ``document`` the records ⇄ JSON; ``collecting`` what a build has of them;
``importing`` before it; ``exporting`` after it; ``mounts`` the directories of cache mounts; ``place`` what a type of
cache is: a new one, such as a bucket of objects, is one file and one line in the table here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from minibuild.build.travelling.place import Access, Place
from minibuild.values import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """A type of cache: the attributes of ``--cache-from`` and of ``--cache-to``, the one without which there is no
    place first; and what opens one. ``source`` (): it is none to take from; ``open`` None: it needs no place.
    """

    source: tuple[str, ...]
    destination: tuple[str, ...]
    open: Callable[[Mapping[str, str], Access], Place] | None


def _local(attributes: Mapping[str, str], access: Access) -> Place:
    from minibuild.build.travelling.local import LocalCache

    return LocalCache.of(attributes, access)


def _registry(attributes: Mapping[str, str], access: Access) -> Place:
    from minibuild.build.travelling.registry import RegistryCache

    return RegistryCache.of(attributes, access)


# By the types of --cache-from and --cache-to, alphabetical. Nothing is imported before it is asked for.
TABLE: Mapping[str, Kind] = {
    "inline": Kind((), (), None),
    "local": Kind(("src", "tag"), ("dest", "tag"), _local),
    "registry": Kind(("ref",), ("ref",), _registry),
}
