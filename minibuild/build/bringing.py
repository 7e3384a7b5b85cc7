"""Bringing all that a name in a registry stands for, whatever the platform, into the store but for its layers."""

from __future__ import annotations

from minibuild.build.supplying import REGISTRY
from minibuild.oci import AnyImage, Reference
from minibuild.store import Store
from minibuild.transports.registry import Registry


def bring_whole(reference: Reference, store: Store, registry: Registry) -> AnyImage:
    """The image or the index, of which nothing is named yet; its layers come when somebody wants them. Raises
    ImageError where there is none.
    """
    found = registry.whole(reference)
    for one in found.packages:
        store.promises.add(one.blobs, f"{REGISTRY}{reference.name}")
    store.put_image(found)
    return found
