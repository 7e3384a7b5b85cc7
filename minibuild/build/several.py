"""One build for several platforms: for one after the other, and then an index of what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from minibuild.build.annotations import INDEX, INDEX_DESCRIPTOR, MANIFEST_DESCRIPTOR, said_of
from minibuild.build.request import BuildRequest, BuildResult, Target
from minibuild.oci import AnyImage, Image, ImageIndex, Platform
from minibuild.oci.index import listed
from minibuild.store import Store


def each_of(request: BuildRequest) -> Sequence[BuildRequest]:
    """The request for each of its platforms; names are for the index, so these give none."""
    if not request.platforms:
        return [request]
    return [replace(request, platform=platform, tags=(), stage_tags=()) for platform in request.platforms]


def joined(request: BuildRequest, results: Sequence[BuildResult], store: Store) -> BuildResult:
    """The results of each, in their order, as one: its images are indices, in the store under the tags asked for."""
    if not request.platforms:
        return results[0]
    targets = []
    for same in zip(*(result.targets for result in results), strict=True):
        index = _index(request, [image for target in same for image in target.image.images])
        is_last = same[0].index == results[0].targets[-1].index
        target = replace(same[0], image=index, tags=request.tags_of(same[0].index, same[0].name, is_last=is_last))
        _keep(target, index, store)
        targets.append(target)
    steps, cached = sum(result.steps for result in results), sum(result.cached for result in results)
    collected = results[0].collected.joined(result.collected for result in results[1:])
    return BuildResult(targets[-1].image, steps, cached, results[-1].findings, tuple(targets), collected)


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


def _index(request: BuildRequest, images: Sequence[Image]) -> ImageIndex:
    said = request.annotations
    entries = [
        listed(image, said_of(said, MANIFEST_DESCRIPTOR, platform)).encode()
        for platform, image in zip(request.platforms, images, strict=True)
    ]
    index = ImageIndex.compose(images, entries, said_of(said, INDEX))
    return replace(index, noted=said_of(said, INDEX_DESCRIPTOR))


def _keep(target: Target, index: AnyImage, store: Store) -> None:
    store.put_image(index)
    store.images.keep(index)
    for tag in target.tags:
        store.images.tag(tag, index)
