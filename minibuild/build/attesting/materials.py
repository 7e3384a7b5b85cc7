"""What a build was made of, as far as others can get it too: images, downloads, repositories."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, TypeAlias

from minibuild.build.attesting.made import Made
from minibuild.build.fetching import known_commit, known_digest
from minibuild.build.inner import Work
from minibuild.build.named import DOCKER_IMAGE, is_image, name_of
from minibuild.build.places import is_url
from minibuild.instructions.effects import CopyFiles, FromImage, SourceRepository, SourceUrl, origins_of
from minibuild.instructions.git_place import is_git, parse_place
from minibuild.oci import Image, Platform, Reference
from minibuild.oci.attestation import purl_of
from minibuild.store import Store

LOCAL = "local"

Json: TypeAlias = dict[str, Any]


def materials_of(made: Made, store: Store) -> list[Json]:
    """SLSA's resource descriptors, sorted, none twice."""
    materials = [*_contexts(made), *_images(made.work), *_downloads(made.work, store)]
    found = {material["uri"]: material for material in materials}
    return [found[uri] for uri in sorted(found)]


def place_of(words: str) -> str:
    """The address of a context, without credentials; ``local`` for what is on this machine."""
    from minibuild.build.remote.http import shown

    if is_git(words):
        place = parse_place(words)
        parts = ":".join(filter(None, (place.ref, place.directory)))
        return f"{place.remote}{'#' + parts if parts else ''}"
    if is_url(words):
        return shown(words)
    return words if words.startswith(f"{DOCKER_IMAGE}:") else LOCAL


def _contexts(made: Made) -> Iterator[Json]:
    """Contexts that were fetched."""
    if made.context:
        yield {"uri": place_of(made.work.request.context), "digest": dict(made.context)}
    for words in made.work.request.named_contexts.values():
        if is_git(words) or is_url(words):
            yield {"uri": place_of(words)}


def _images(work: Work) -> Iterator[Json]:
    """The images that stages are based on, and that steps copy from."""
    for index in work.plan.order:
        stage = work.plan.stages[index]
        if isinstance(stage.base, FromImage) and stage.image is not None:
            yield from _image(work, stage.base.name, stage.image, stage.platform)
        for step in stage.steps:
            for origin in origins_of(step.effect):
                if isinstance(origin, FromImage) and work.bases.files_of(origin.name) is None:
                    platform = work.request.platform
                    yield from _image(work, origin.name, work.bases.lookup(origin.name, platform), platform)


def _image(work: Work, words: str, image: Image, platform: Platform) -> Iterator[Json]:
    named = {name_of(name): place for name, place in work.request.named_contexts.items()}.get(name_of(words), "")
    if named.startswith(f"{DOCKER_IMAGE}:"):
        words = named.partition(":")[2].removeprefix("//")
    elif named and is_image(named):
        # A file of this machine: its name tells nobody anything, its digest does.
        yield {"uri": f"oci:{words}", "digest": {"sha256": image.digest.hex}}
        return
    if words == "scratch":
        return
    yield {"uri": purl_of(Reference.parse(words), platform), "digest": {"sha256": image.digest.hex}}


def _downloads(work: Work, store: Store) -> Iterator[Json]:
    """What ADD fetched."""
    from minibuild.build.remote.http import shown

    for index in work.plan.order:
        for step in work.plan.stages[index].steps:
            for source in step.effect.sources if isinstance(step.effect, CopyFiles) else ():
                match source:
                    case SourceUrl(url=url, checksum=checksum):
                        digest = checksum or known_digest(store, url)
                        known = {"digest": {"sha256": digest.removeprefix("sha256:")}} if digest else {}
                        yield {"uri": shown(url), **known}
                    case SourceRepository(words=words):
                        commit = known_commit(store, words)
                        yield {"uri": place_of(words), **({"digest": {"gitCommit": commit}} if commit else {})}
