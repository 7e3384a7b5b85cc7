"""``minibuild diff``: what two images differ in."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING

from minibuild.cli.differences import document, dumped, text
from minibuild.cli.display import choose
from minibuild.cli.display.text import visible
from minibuild.cli.operands import PLACES, operands
from minibuild.cli.options import add_mirrors, add_platform, add_progress, mirrors_of, platform_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.errors import UsageError, did_you_mean

if TYPE_CHECKING:
    from minibuild.comparing import Comparison
    from minibuild.oci import AnyImage
    from minibuild.store import Store

FORMATS = ("text", "json")
DIFFERENT = 1


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "diff",
        f"Tells what image B has otherwise than A: the first layer, path and field, then what the configurations say. "
        f"Ends with 0 where they are equal, with 1 where not. An image is {PLACES}.",
        "A B",
        least=2,
        most=2,
    )
    add = parser.add_argument
    add("-a", "--all", action="store_true", help="tell all that differs, not the first of each part")
    add("--format", metavar="|".join(FORMATS), default="text", help="how to show it (default: text); json has all")
    add_platform(add, "which of several platforms", "all that they have")
    add_progress(add, environment)
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Compares them, platform by platform; 1 where anything differs."""
    check_format(arguments.format)
    platform = platform_of(arguments, session.environment)
    mirrors = mirrors_of(arguments, session.environment)
    display = choose(arguments.progress, session.errors, session.environment)
    names = arguments.operands
    with (
        session.store() as store,
        closing(display),
        interruptible() as cancellation,
        operands(store, platform, session.environment, mirrors, cancellation, display) as opened,
    ):
        look = opened.open if arguments.platform else opened.open_whole
        (left, one), (right, other) = (look(name) for name in names)
        if arguments.platform:
            from minibuild.cli.finding import image_for

            left, right = image_for(left, names[0], platform), image_for(right, names[1], platform)
        return _show(arguments, session, (names[0], left, one), (names[1], right, other))


def check_format(form: str) -> None:
    """Raises UsageError for a form that there is none of."""
    if form not in FORMATS:
        hint = did_you_mean(form, FORMATS) or f"choose from {', '.join(FORMATS)}"
        raise UsageError(f"--format knows no {form!r}", hint=hint)


def _show(
    arguments: argparse.Namespace,
    session: Session,
    left: tuple[str, AnyImage, Store],
    right: tuple[str, AnyImage, Store],
) -> int:
    from minibuild.comparing import Comparison, Side, paired

    documents, is_equal = [], True
    for platform, one, other in paired(left[1], right[1]):
        if one is None or other is None:
            lacking, having = (left, right) if one is None else (right, left)
            is_equal = False
            documents.append({"platform": platform, "left": one and one.digest, "right": other and other.digest})
            if arguments.format == "text":
                session.print(f"{having[0]} is for {platform} too, and {lacking[0]} isn't")
            continue
        comparison = Comparison(Side(left[0], one, left[2]), Side(right[0], other, right[2]))
        is_equal = is_equal and comparison.is_equal
        if arguments.format == "json":
            documents.append(document(platform, comparison))
        else:
            for line in _lines(platform, comparison, whole=arguments.all):
                session.print(line)
    if arguments.format == "json":
        session.print(dumped({"equal": is_equal, "images": documents}))
    return 0 if is_equal else DIFFERENT


def _lines(platform: str, comparison: Comparison, *, whole: bool) -> Iterator[str]:
    left, right = comparison.left, comparison.right
    if comparison.is_equal:
        yield f"{left.name} and {right.name} are the same image for {platform}: {left.image.id}"
        if left.image.digest != right.image.digest:
            yield f"  as manifests {left.image.digest} and {right.image.digest}: only the form of their blobs differs"
        return
    for side in (left, right):
        yield f"{visible(side.name)}  {side.image.id}  {side.image.config.platform}"
    lines = list(text(comparison, whole=whole))
    yield from lines or ["  they say and hold the same; only the bytes of their configurations differ"]
    if not whole and any(line.startswith("  and ") or " more layer" in line for line in lines):
        yield "hint: --all shows the rest"
