"""Where copied files come from: the context, a stage, an image. What they are called in keys, and what is taken of
them.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from minibuild.build.bases import Bases
from minibuild.build.context import DirectoryContext
from minibuild.build.journal import Activity, Journal
from minibuild.build.selecting import Selected, fingerprint, select
from minibuild.errors import blame, did_you_mean
from minibuild.instructions.effects import CopyFiles, FromContext, FromImage, FromStage, Origin
from minibuild.layers.entry import Entry
from minibuild.layers.tree import Tree
from minibuild.oci import Image, Platform
from minibuild.plan import Plan, Step, step_key


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
    _selections: dict[int, tuple[Selected, ...]] = field(default_factory=dict)
    _plan_keys: dict[int, str] = field(default_factory=dict)
    _content_digests: dict[str, str] = field(default_factory=dict)

    def name(self, origin: Origin) -> str | None:
        """What names the files of an origin before anything is built; None for the context, where files name
        themselves.
        """
        match origin:
            case FromContext():
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
                elif step.effect is not None:
                    key = step_key(key, step.effect, {})[0]
            self._plan_keys[index] = key
        return self._plan_keys[index]

    def rows(self, step: Step, effect: CopyFiles, activity: Activity | None = None) -> list[list[object]]:
        """What of the files that a step copies its key depends on.

        Content is read once a build from the context, shown in ``activity``; of a layer's files it is known.
        """
        selection = self.selection(step, effect)
        size = sum(entry.size for selected in selection for entry in (selected.entry, *selected.below))
        meter = activity and activity.meter("reading", size)

        def digest(selected: Selected, entry: Entry) -> str:
            if selected.tree is not self.context:
                return entry.digest
            if entry.path not in self._content_digests:
                self._content_digests[entry.path] = self.context.digest(entry)
            if meter:
                meter.add(entry.size)
            return self._content_digests[entry.path]

        return fingerprint(selection, digest)

    def selection(self, step: Step, effect: CopyFiles) -> tuple[Selected, ...]:
        """The files that a step copies; those of another stage make it be built."""
        if id(step) not in self._selections:
            with blame(step.statement.span):
                self._selections[id(step)] = self._select(effect)
        return self._selections[id(step)]

    def _select(self, effect: CopyFiles) -> tuple[Selected, ...]:
        match effect.origin:
            case FromContext():
                return select(
                    effect, self.context, explain_absence=self.context.explain_absence, report=self.journal.warn
                )
            case FromStage(index):
                name = self.plan.stages[index].name or str(index)
                tree, absent = self.tree_of(self.stage_image(index)), f"is not in stage {name!r}"
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


def near_names(tree: Tree, path: str) -> str:
    """A hint that names what is called nearly like a path that isn't there."""
    parent, _, name = path.rpartition("/")
    if tree.find(parent) is None:
        return near_names(tree, parent) if parent else ""
    hint = did_you_mean(name, [entry.name for entry in tree.children(parent)])
    return hint.replace("did you mean ", f"did you mean {parent}/") if hint and parent else hint
