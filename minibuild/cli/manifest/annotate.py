"""``minibuild manifest annotate``: what an index says of one of its images, or of itself."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from contextlib import suppress

from minibuild.cli.manifest.lists import ID, Sources, index_of, name_of, sources
from minibuild.cli.options import add_mirrors
from minibuild.cli.parser import Pairs, Parser
from minibuild.cli.session import Session
from minibuild.errors import ImageError, MinibuildError, UsageError
from minibuild.oci import Digest, ImageIndex, Platform
from minibuild.oci.joining import Entry, amended, changed

# What index entries call the parts of a platform that options name.
_PLATFORM = {"os": "os", "arch": "architecture", "variant": "variant", "os_version": "os.version"}


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "manifest annotate",
        "Says more of an image in the index LIST, or of the index itself where no IMAGE is named. IMAGE is its "
        "platform, the beginning of its digest, or its name.",
        "LIST [IMAGE]",
        least=1,
        most=2,
    )
    add = parser.add_argument
    add("--os", metavar="NAME", default="", help="the operating system that it is for")
    add("--arch", metavar="NAME", default="", help="the architecture, in Go's words: amd64, arm64")
    add("--variant", metavar="NAME", default="", help="the variant of the architecture: v7")
    add("--os-version", metavar="VERSION", default="", help="the version of the operating system")
    add("--os-features", metavar="NAME,…", default="", help="what it wants of the operating system")
    add("--annotation", action=Pairs, metavar="KEY=VALUE", help="an annotation; repeatable")
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Names the changed index as the former was; prints its digest."""
    word, *image = arguments.operands
    name, platform = name_of(word), _said_of_platform(arguments)
    if not platform and not arguments.annotation:
        raise UsageError("nothing says what to change", hint="--os, --arch, --variant, --annotation, …")
    if platform and not image:
        raise UsageError("an index has no platform of its own", hint=f"name one of its images: {word} IMAGE")
    with sources(arguments, session) as found:
        index = index_of(found.store, name)
        if image:
            digest = _meant(index, image[0], found)
            index = changed(index, digest, lambda entry: _told(entry, platform, arguments.annotation))
        else:
            index = amended(index, {}, arguments.annotation)
        found.store.put_image(index)
        found.store.images.tag(name, index)
    session.print(index.digest)
    return 0


def _said_of_platform(arguments: argparse.Namespace) -> dict[str, object]:
    said: dict[str, object] = {
        key: getattr(arguments, option) for option, key in _PLATFORM.items() if getattr(arguments, option)
    }
    features = [word.strip() for word in arguments.os_features.split(",") if word.strip()]
    return {**said, **({"os.features": features} if features else {})}


def _told(entry: Entry, platform: Mapping[str, object], annotations: Mapping[str, str]) -> Entry:
    told = {**entry, "platform": {**(entry.get("platform") or {}), **platform}} if platform else entry
    return {**told, "annotations": {**(entry.get("annotations") or {}), **annotations}} if annotations else told


def _meant(index: ImageIndex, word: str, found: Sources) -> Digest:
    """The digest of the one entry that a word means; raises ImageError where there is none, or more than one."""
    meant = _called(index, word)
    if not meant:
        meant = {item.digest for item in index.manifests} & {one.digest for one in found.find(word).packages}
    if len(meant) == 1:
        return meant.pop()
    has = ", ".join(f"{item.platform} {item.digest.short}" for item in index.manifests)
    raise ImageError(f"{word} is {len(meant) or 'none'} of the index's images", hint=f"it has {has}")


def _called(index: ImageIndex, word: str) -> set[Digest]:
    """The entries whose digests begin so, or whose platform it is."""
    if ID.fullmatch(word):
        return {item.digest for item in index.manifests if item.digest.hex.startswith(word.removeprefix("sha256:"))}
    with suppress(MinibuildError):
        platform = Platform.parse(word)
        return {item.digest for item in index.manifests if item.platform == platform}
    return set()
