"""One build for several platforms: for one after the other, and then an index of what came out, and of what is
attached to it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace

from minibuild.build.annotations import INDEX, INDEX_DESCRIPTOR, MANIFEST_DESCRIPTOR, said_of
from minibuild.build.request import BuildRequest, BuildResult, Target
from minibuild.errors import MinibuildError
from minibuild.oci import ImageIndex, Platform
from minibuild.oci.index import listed, listed_attestation
from minibuild.store import Store


def each_of(request: BuildRequest) -> Sequence[BuildRequest]:
    """The request for each of its platforms."""
    return [replace(request, platform=platform) for platform in request.platforms or (request.platform,)]


def joined(request: BuildRequest, results: Sequence[BuildResult], store: Store) -> BuildResult:
    """The results of each, in their order, as one: its images are indices, in the store under the tags asked for.

    One platform's image alone is none, unless something is attached to it.
    """
    if not request.platforms and not any(target.attached for target in results[0].targets):
        return results[0]
    targets = []
    for same in zip(*(result.targets for result in results), strict=True):
        index = _index(request, same)
        store.put_image(index)
        store.images.keep(index, same[0].tags)
        targets.append(replace(same[0], image=index))
    steps, cached = sum(result.steps for result in results), sum(result.cached for result in results)
    collected = results[0].collected.joined(result.collected for result in results[1:])
    return BuildResult(targets[-1].image, steps, cached, results[-1].findings, tuple(targets), collected)


@contextmanager
def told_platform(request: BuildRequest) -> Iterator[None]:
    """Has an error that leaves the block say for which of several platforms it is."""
    try:
        yield
    except MinibuildError as error:
        if request.platforms:
            error.message += f" (for {request.platform})"
        raise


def platform_title(request: BuildRequest, platform: Platform) -> str:
    """What tells the steps of one platform from those of another: ``linux/arm64 ``, or ``linux/amd64->arm64 `` of a
    stage that works for another one, as BuildKit writes it; "" where there is only one.
    """
    if not request.platforms:
        return ""
    wanted = request.platform
    if platform == wanted:
        return f"{platform} "
    return f"{platform}->{str(wanted).removeprefix(f'{platform.os}/')} "


def _index(request: BuildRequest, targets: Sequence[Target]) -> ImageIndex:
    """The images of a target, one a platform, then what is attached to them."""
    said, platforms = request.annotations, request.platforms or (request.platform,)
    images = [image for target in targets for image in target.image.images]
    entries = [
        listed(image, said_of(said, MANIFEST_DESCRIPTOR, platform))
        for platform, image in zip(platforms, images, strict=True)
    ]
    attached = [(one, image) for target, image in zip(targets, images, strict=True) for one in target.attached]
    entries += [listed_attestation(one, image) for one, image in attached]
    index = ImageIndex.compose(images, [entry.encode() for entry in entries], said_of(said, INDEX))
    return replace(index, noted=said_of(said, INDEX_DESCRIPTOR), attached=tuple(one for one, _ in attached))
