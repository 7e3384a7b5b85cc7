"""``minibuild verify``: whether a build comes to the same image again; if not, what differs, and which step did it."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from minibuild.cli.build import asked_of, of_one_platform
from minibuild.cli.build_options import add_input
from minibuild.cli.diff import DIFFERENT, FORMATS, check_format
from minibuild.cli.differences import document, dumped, entry_lines, extent, layer_title, text
from minibuild.cli.display import choose
from minibuild.cli.operands import PLACES
from minibuild.cli.options import add_machinery, add_mirrors, add_progress, check_machinery
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.cli.surroundings import add_surroundings

if TYPE_CHECKING:
    from minibuild.build.request import BuildRequest
    from minibuild.build.verifying import Verdict
    from minibuild.comparing import LayerDifference
    from minibuild.events import Progress
    from minibuild.plan import Stage
    from minibuild.runtimes.base import Cancellation
    from minibuild.store import Store

_LOOKED_AT, _MOST_CAUSES = 1000, 4


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command: the options of ``build`` that its steps depend on."""
    parser = Parser(
        "verify",
        "Builds twice without cache, in two stores, and tells which step first came to something else: layer, path "
        "and field. Ends with 0 where the image is the same, with 1 where not.",
        "[CONTEXT]",
        most=1,
    )
    add = parser.add_argument
    add("--against", metavar="IMAGE", default="", help=f"build once and compare with an image: {PLACES}")
    words = "cut files' times down to SOURCE_DATE_EPOCH, as -o …,rewrite-timestamp=true does"
    add("--rewrite-timestamp", action="store_true", help=words)
    add("-a", "--all", action="store_true", help="tell all that differs, not the first alone")
    add("--format", metavar="|".join(FORMATS), default="text", help="how to show it (default: text); json has all")
    add_input(parser, environment)
    add = parser.add_argument_group("how to build").add_argument
    add("--pull", action="store_true", help="ask the registry even for images that the store has")
    add_mirrors(add)
    add_machinery(add)
    add_progress(add, environment)
    add_surroundings(parser)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Builds and compares; 1 where anything differs."""
    check_format(arguments.format)
    check_machinery(arguments)
    request = of_one_platform(asked_of(arguments, session.environment))
    request = replace(
        request,
        rewrites_times=arguments.rewrite_timestamp,
        runtime=arguments.runtime,
        snapshotter=arguments.snapshotter,
    )
    display = choose(arguments.progress, session.errors, session.environment)
    with session.store() as store, closing(display), interruptible() as cancellation:
        if arguments.against:
            return _against(arguments, session, request, store, display, cancellation)
        from minibuild.build.verifying import built_twice

        with built_twice(request, store, display, cancellation) as verdict:
            return _show(arguments, session, verdict)


def _against(
    arguments: argparse.Namespace,
    session: Session,
    request: BuildRequest,
    store: Store,
    display: Progress,
    cancellation: Cancellation,
) -> int:
    from minibuild.build.verifying import built_against
    from minibuild.cli.finding import image_for
    from minibuild.cli.operands import operands
    from minibuild.comparing import Side

    name = arguments.against
    with operands(store, request.platform, session.environment, request.mirrors, cancellation, display) as opened:
        found, contents = opened.open(name)
        side = Side(name, image_for(found, name, request.platform), contents)
        return _show(arguments, session, built_against(request, side, store, display, cancellation))


def _show(arguments: argparse.Namespace, session: Session, verdict: Verdict) -> int:
    if arguments.format == "json":
        session.print(dumped(_document(verdict)))
    else:
        for line in _lines(verdict, whole=arguments.all):
            session.print(line)
    return 0 if verdict.result.is_equal else DIFFERENT


def _lines(verdict: Verdict, *, whole: bool) -> Iterator[str]:
    left, right = verdict.result.left, verdict.result.right
    culprit = verdict.culprit
    if culprit is None:
        yield f"reproducible: {left.name} and {right.name} came to the same image"
        yield f"image   {left.image.id}"
        yield f"digest  {right.image.digest}"
        return
    yield f"not reproducible: {left.name} and {right.name} came to other images"
    for side in (left, right):
        yield f"image   {side.image.id}  {side.name}"
    stage, comparison = culprit
    layer = next(comparison.layers(), None)
    if layer is not None:
        yield from _place(verdict, stage, layer)
        yield from entry_lines(comparison, layer, whole=whole)
        yield from (f"hint: {cause}" for cause in _causes(layer))
    if layer is None or whole:
        yield from text(comparison, whole=whole)
    if not whole:
        yield "hint: --all tells all that differs"


def _place(verdict: Verdict, stage: Stage, layer: LayerDifference) -> Iterator[str]:
    """Which layer it is, and the step of the Dockerfile that made it."""
    step, number = verdict.step_of(stage, layer), layer.numbers[1] or layer.numbers[0]
    what = f"layer {number}" + (f" of stage {stage.title}" if len(verdict.comparisons) > 1 else "")
    if step is not None:
        span = step.statement.span
        yield f"{span}: {what}{extent(layer)}"
        yield span.excerpt()
    elif layer.numbers[1]:
        yield f"{what}, which is the base image's{extent(layer)}"
    else:
        yield f"{layer_title(layer)}"


def _causes(layer: LayerDifference) -> list[str]:
    """What such things come of, each once."""
    from minibuild.comparing.causes import usual_cause

    told = [layer.first, *layer.differences[:_LOOKED_AT]]
    return list(filter(None, dict.fromkeys(map(usual_cause, told))))[:_MOST_CAUSES]


def _document(verdict: Verdict) -> dict[str, Any]:
    """The verdict for programs: ``culprit`` is the first stage that differs, with all that does, and the step."""
    found: dict[str, Any] = {"reproducible": verdict.result.is_equal, "culprit": None}
    left, right = verdict.result.left, verdict.result.right
    for key, side in (("first", left), ("second", right)):
        found[key] = {"name": side.name, "id": side.image.id, "digest": side.image.digest}
    if verdict.culprit is not None:
        stage, comparison = verdict.culprit
        layer = next(comparison.layers(), None)
        step = verdict.step_of(stage, layer) if layer else None
        said = step and {"line": step.statement.span.line, "text": step.statement.original}
        found["culprit"] = {
            "stage": stage.title,
            "step": said,
            "causes": _causes(layer) if layer else [],
            **document(str(stage.platform), comparison),
        }
    return found
