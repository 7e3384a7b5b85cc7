"""``minibuild verify``: a build done anew, to be compared with another one of the same or with an image.

The second build has all that must not matter otherwise: a store of its own, with no step, no tree and no file that ADD
fetched before, and at least a second later on the clock. Bases are the first one's, to the byte.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import mkdtemp

from minibuild.build.engine import build
from minibuild.build.inner import Work
from minibuild.build.inputs import STDIN, Access, open_inputs
from minibuild.build.journal import Journal
from minibuild.build.named import DOCKER_IMAGE, is_image, name_of
from minibuild.build.planning import planned
from minibuild.build.request import BuildRequest, BuildResult, Target
from minibuild.comparing import Comparison, LayerDifference, Side
from minibuild.errors import MinibuildError, UsageError
from minibuild.events import Event, Progress, Started, Warned, silent
from minibuild.instructions.effects import FromImage, FromStage, origins_of
from minibuild.oci import Image, Reference
from minibuild.oci.times import seconds_of
from minibuild.plan import Plan, Stage, Step
from minibuild.plan.scope import TARGET_STAGE
from minibuild.runtimes.base import Cancellation
from minibuild.sandbox.removing import remove_owned_tree
from minibuild.store import Store
from minibuild.values import dataclass, replace

# Files are dated in whole seconds: what is made within one would look the same.
_APART_S = 1.1


@dataclass(frozen=True)
class Verdict:
    """What the same build came to, stage by stage, each after those that it needs; layers are compared when asked."""

    plan: Plan
    comparisons: tuple[tuple[int, Comparison], ...]

    @property
    def result(self) -> Comparison:
        """That of the stage that was asked for."""
        return self.comparisons[-1][1]

    @property
    def culprit(self) -> tuple[Stage, Comparison] | None:
        """The first stage that differs, since what others copy of it differs then too; None: all are equal."""
        found = (pair for pair in self.comparisons if not pair[1].is_equal)
        first = next(found, None)
        return None if self.result.is_equal or first is None else (self.plan.stages[first[0]], first[1])

    def step_of(self, stage: Stage, layer: LayerDifference) -> Step | None:
        """The step that made a layer; None for one of the base, or that this build hasn't."""
        steps: list[Step] = []
        base = len(self.plan.base_of(stage.index).layers)
        at: Stage | None = stage
        while at is not None:
            steps = [*(step for step in at.steps if step.effect is not None), *steps]
            at = self.plan.stages[at.base.stage] if isinstance(at.base, FromStage) else None
        place = layer.numbers[1] - base - 1
        return steps[place] if 0 <= place < len(steps) else None


@contextmanager
def built_twice(
    request: BuildRequest, store: Store, progress: Progress, cancellation: Cancellation
) -> Iterator[Verdict]:
    """Builds all stages that the target needs twice, and gives what they came to while both are there."""
    began = time.time()
    request = _repeatable(request, int(began))
    plan, bases = _planned(request, store, cancellation)
    request = replace(request, pull=False, target=_each_stage(plan))
    counting = _Counting(progress)
    first = _unlisted(request, store, counting, cancellation)
    with _store_beside(store, bases) as other:
        time.sleep(max(0.0, began + _APART_S - time.time()))
        second = build(request, other, counting.again(), cancellation)
        pairs = zip(first.targets, second.targets, strict=True)
        sides = [
            (one.index, _side("the first build", one, store), _side("the second", two, other)) for one, two in pairs
        ]
        yield Verdict(plan, tuple((index, Comparison(left, right)) for index, left, right in sides))


def built_against(
    request: BuildRequest, image: Side, store: Store, progress: Progress, cancellation: Cancellation
) -> Verdict:
    """Builds once, and compares an image with what comes out. Unless the request says a time, it is the image's."""
    request = _repeatable(request, seconds_of(image.image.config.created))
    plan, _ = _planned(request, store, cancellation)
    result = _unlisted(replace(request, pull=False), store, progress, cancellation)
    built = _side("this build", result.targets[-1], store)
    return Verdict(plan, ((plan.target, Comparison(image, built)),))


def _repeatable(request: BuildRequest, epoch: int) -> BuildRequest:
    """The request without cache, dated even where it isn't; raises UsageError for what can be read only once."""
    for what, word in (("context", request.context), ("Dockerfile", request.dockerfile)):
        if word == STDIN:
            raise UsageError(
                f"the {what} is standard input, which can be read only once",
                hint="write it to a file or a directory, and name that",
            )
    said = request.source_date_epoch
    return replace(request, no_cache=True, source_date_epoch=epoch if said is None else said)


def _planned(request: BuildRequest, store: Store, cancellation: Cancellation) -> tuple[Plan, Mapping[Reference, Image]]:
    """The plan of a build, and the images that it takes from elsewhere, by their names."""
    journal = Journal(silent)
    told = replace(request, surroundings=request.surroundings.told(request.build_arguments))
    access = replace(Access.of(told), scratch=store.scratch, journal=journal, cancellation=cancellation)
    with (
        open_inputs(request.context, request.dockerfile, access) as inputs,
        planned(told, inputs, store, access, {}) as work,
    ):
        return work.plan, dict(_bases(work))


def _bases(work: Work) -> Iterator[tuple[Reference, Image]]:
    named = {name_of(name): place for name, place in work.request.named_contexts.items()}
    for words, image in _images(work):
        place = named.get(name_of(words), "")
        if place.startswith(f"{DOCKER_IMAGE}:"):
            words = place.partition(":")[2].removeprefix("//")
        if words != "scratch" and not (place and not place.startswith(f"{DOCKER_IMAGE}:") and is_image(place)):
            yield Reference.parse(words), image


def _images(work: Work) -> Iterator[tuple[str, Image]]:
    """The images that stages are based on and copy from, by the words that name them."""
    for index in work.plan.order:
        stage = work.plan.stages[index]
        if isinstance(stage.base, FromImage) and stage.image is not None:
            yield stage.base.name, stage.image
        for origin in (origin for step in stage.steps for origin in origins_of(step.effect)):
            if isinstance(origin, FromImage) and work.bases.files_of(origin.name) is None:
                yield origin.name, work.bases.lookup(origin.name, work.request.platform)


def _each_stage(plan: Plan) -> str:
    """The words that have all needed stages built as if they were asked for, the target last."""
    if any(TARGET_STAGE in step.statement.original for index in plan.order for step in plan.stages[index].steps):
        return ",".join(map(str, plan.targets))  # what they are depends on which is asked for
    others = [index for index in plan.order if index not in plan.targets]
    return ",".join(map(str, [*others, *plan.targets]))


def _unlisted(request: BuildRequest, store: Store, progress: Progress, cancellation: Cancellation) -> BuildResult:
    """A build whose images aren't listed in the store, unless they were before."""
    before = {entry["digest"] for entry in store.images.entries()}
    result = build(request, store, progress, cancellation)
    for target in result.targets:
        if target.image.digest not in before:
            store.images.remove(target.image)
    return result


@contextmanager
def _store_beside(store: Store, bases: Mapping[Reference, Image]) -> Iterator[Store]:
    """A store that has the documents of the bases, and takes their layers from the other one."""
    root = Path(mkdtemp(dir=store.scratch, prefix="verify-"))
    try:
        with Store.at(root) as other:
            for reference, image in bases.items():
                other.put_image(image)
                other.images.tag(reference, image)
                for blob in image.blobs:
                    promised = None if store.blobs.has(blob) else store.promises.find(blob.digest)
                    other.promises.add([blob], promised.place if promised else f"oci-layout:{store.root}")
            yield other
    finally:
        with suppress(OSError):
            remove_owned_tree(root)


def _side(name: str, target: Target, store: Store) -> Side:
    image = target.image
    if not isinstance(image, Image):
        raise MinibuildError(f"{name} is an index of several images, one is compared")
    return Side(name, image, store)


class _Counting:
    """Passes events on; what comes again is numbered on from what came before, and is called so."""

    def __init__(self, progress: Progress) -> None:
        self._progress, self._last = progress, 0

    def __call__(self, event: Event) -> None:
        if not isinstance(event, Warned):
            self._last = max(self._last, event.activity)
        self._progress(event)

    def again(self) -> Progress:
        """The progress of the second build; its warnings were told before."""
        before = self._last

        def progress(event: Event) -> None:
            if not isinstance(event, Warned):
                event = replace(event, activity=event.activity + before)
                self._progress(replace(event, title=f"again {event.title}") if isinstance(event, Started) else event)

        return progress
