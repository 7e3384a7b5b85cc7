"""What is looked at from afar: images of which only the manifest is read, servers that nobody asks."""

from __future__ import annotations

from minibuild.build.bases import Bases
from minibuild.build.fetching import Fetcher
from minibuild.build.matching import FileTree
from minibuild.errors import ImageError
from minibuild.instructions.effects import SourceRepository, SourceUrl
from minibuild.oci import Image, Platform
from minibuild.source import Span
from minibuild.values import dataclass, field


class NotKnown(Exception):
    """What a step's key depends on isn't there yet; the text says what that is."""


@dataclass
class Glance(Bases):
    """Images that are only looked at. ``missing`` are those that can't be had, and why."""

    brings: bool = False
    missing: dict[str, str] = field(default_factory=dict)

    def lookup(self, words: str, platform: Platform, span: Span | None = None) -> Image:
        """The image that words name; raises NotKnown where there is none."""
        try:
            return super().lookup(words, platform, span)
        except ImageError as error:
            self.missing[words] = error.message
            raise NotKnown(f"depends on an image that isn't there: {error.message}") from error

    def lookup_or_scratch(self, words: str, platform: Platform, span: Span) -> Image:
        """For a plan, which goes on with an empty image in the place of one that can't be had."""
        try:
            return self.lookup(words, platform, span)
        except NotKnown:
            return Image.scratch(platform)


class NothingFetched(Fetcher):
    """Where ADD's files would come from."""

    def fetch(self, source: SourceUrl | SourceRepository) -> tuple[FileTree, str]:
        """Asks nobody."""
        raise NotKnown(f"depends on what {source.url if isinstance(source, SourceUrl) else source.words} holds")
