"""Where copied files come from: the context, a stage, an image. What they are called in keys, and what is taken of
them.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from minibuild.build.absence import near
from minibuild.build.bases import Bases
from minibuild.build.context import DirectoryContext
from minibuild.build.fetching import Fetcher, pinned
from minibuild.build.journal import Activity, Journal
from minibuild.build.selecting import Selected, fingerprint, select
from minibuild.errors import blame
from minibuild.instructions.effects import (
    BindMount,
    CacheMount,
    CopyFiles,
    FromContext,
    FromImage,
    FromStage,
    Origin,
    RunCommand,
    SourcePath,
)
from minibuild.layers.tree import Tree
from minibuild.oci import Image, Platform
from minibuild.plan import Plan, Step, step_key
from minibuild.source import Span
from minibuild.values import dataclass, field, replace


@dataclass
class Origins:
    """The files that the steps of a build copy, each looked at once.

    ``stage_image`` answers a stage's image, building it if need be; ``tree_of`` the files of an image.
    """

    plan: Plan
    context: DirectoryContext
    bases: Bases
    platform: Platform
    journal: Journal
    stage_image: Callable[[int], Image]
    tree_of: Callable[[Image], Tree]
    _mounted: dict[tuple[Origin, str], Selected] = field(default_factory=dict)
    _selections: dict[int, tuple[Selected, ...]] = field(default_factory=dict)
    _plan_keys: dict[int, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        bases = self.bases
        self.fetcher = Fetcher(
            bases.store, bases.environment, bases.cancellation, self.journal, bases.credentials, pins=bases.pins
        )
        """What brings the files that are named by their URLs."""

    def name(self, origin: Origin) -> str | None:
        """What names the files of an origin before anything is built; None for a context, where files name
        themselves.
        """
        match origin:
            case FromContext():
                return None
            case FromImage(name) if self.bases.files_of(name) is not None:
                return None
            case FromStage(index):
                return self._plan_key(index)
            case FromImage(name):
                return self.bases.lookup(name, self.platform).chain or "scratch"

    def _plan_key(self, index: int) -> str:
        """What a stage is asked to be, known before it is built."""
        if index not in self._plan_keys:
            stage = self.plan.stages[index]
            image = stage.image.chain if stage.image else None
            key = self._plan_key(stage.base.stage) if isinstance(stage.base, FromStage) else str(image or "scratch")
            for step in stage.steps:
                if isinstance(step.effect, CopyFiles):
                    files = self.name(step.effect.origin) or self.rows(step, step.effect)
                    key = step_key(key, replace(step.effect, origin=FromContext()), {"files": files})[0]
                elif isinstance(step.effect, RunCommand):
                    named = [self.called(m.origin, m.source, m.span) for m in binds_of(step.effect)]
                    key = step_key(key, without_origins(step.effect), {"mounts": named})[0]
                elif step.effect is not None:
                    key = step_key(key, step.effect, {})[0]
            self._plan_keys[index] = key
        return self._plan_keys[index]

    def rows(self, step: Step, effect: CopyFiles, activity: Activity | None = None) -> list[list[object]]:
        """What of the files that a step copies its key depends on.

        Content is read once a build from the context, shown in ``activity``; of a layer's files it is known.
        """
        with blame(step.statement.span):
            known = pinned(effect, self.bases.pins)
        if known is not None:
            return known
        return self._rows(self.selection(step, effect), activity)

    def _rows(self, selection: tuple[Selected, ...], activity: Activity | None) -> list[list[object]]:
        size = sum(entry.size for selected in selection for entry in (selected.entry, *selected.below))
        return fingerprint(selection, activity.meter("reading", size).add if activity else lambda _size: None)

    def selection(self, step: Step, effect: CopyFiles) -> tuple[Selected, ...]:
        """The files that a step copies; those of another stage make it be built."""
        if id(step) not in self._selections:
            with blame(step.statement.span):
                self._selections[id(step)] = self._select(effect)
        return self._selections[id(step)]

    def mounted(self, origin: Origin, source: str, span: Span | None) -> Selected:
        """The file or directory of an origin that is to be mounted; another stage is built for it."""
        if (origin, source) not in self._mounted:
            pattern = re.sub(r"([*?\[\\])", r"\\\1", source)
            with blame(span):
                [selected] = self._select(CopyFiles((SourcePath(pattern, span),), "/", origin))
            self._mounted[origin, source] = selected
        return self._mounted[origin, source]

    def called(self, origin: Origin, source: str, span: Span | None) -> object:
        """What of mounted files a key depends on: a name, or for the context, the files."""
        return self.name(origin) or self.mounted_rows(origin, source, span)

    def mounted_rows(
        self, origin: Origin, source: str, span: Span | None, activity: Activity | None = None
    ) -> list[list[object]]:
        """What of mounted files a key depends on, each by itself."""
        return self._rows((self.mounted(origin, source, span),), activity)

    def _select(self, effect: CopyFiles) -> tuple[Selected, ...]:
        match effect.origin:
            case FromContext():
                return select(
                    effect,
                    self.context,
                    explain_absence=self.context.explain_absence,
                    report=self.journal.warn,
                    fetch=self.fetcher.fetch,
                )
            case FromStage(index):
                name = self.plan.stages[index].name or str(index)
                tree, absent = self.tree_of(self.stage_image(index)), f"is not in stage {name!r}"
            case FromImage(words) if (files := self.bases.files_of(words)) is not None:
                return select(
                    effect,
                    files,
                    explain_absence=files.explain_absence,
                    report=self.journal.warn,
                    absent=f"is not in the context {words!r}",
                )
            case FromImage(words):
                tree = self.tree_of(self.bases.lookup(words, self.platform))
                absent = f"is not in image {words!r}"
        return select(
            effect,
            tree,
            explain_absence=lambda path: near_names(tree, path),
            report=self.journal.warn,
            absent=absent,
        )


def binds_of(effect: RunCommand) -> tuple[BindMount, ...]:
    """The mounts whose files a command sees as they are."""
    return tuple(mount for mount in effect.mounts if isinstance(mount, BindMount))


def without_origins(effect: RunCommand) -> RunCommand:
    """A command as keys have it: whence files come is told by a key's inputs."""
    mounts = (
        replace(mount, origin=FromContext()) if isinstance(mount, BindMount | CacheMount) and mount.origin else mount
        for mount in effect.mounts
    )
    return replace(effect, mounts=tuple(mounts))


def near_names(tree: Tree, path: str) -> str:
    """A hint that names what is called nearly like a path that isn't there."""
    parent, _, name = path.rpartition("/")
    if tree.find(parent) is None:
        return near_names(tree, parent) if parent else ""
    return near(parent, name, [entry.name for entry in tree.children(parent)])
