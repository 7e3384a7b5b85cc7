"""``minibuild pin``: writes into a Dockerfile which bytes the names of images stand for now."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from minibuild.cli.options import add_mirrors, mirrors_of
from minibuild.cli.parser import Parser
from minibuild.cli.session import Session
from minibuild.cli.writing import write_whole
from minibuild.errors import UsageError, render_error

if TYPE_CHECKING:
    from minibuild.build.locking.pinning import Pin
    from minibuild.dockerfile.statements import Dockerfile


def parser(_environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    parser = Parser(
        "pin",
        "Writes the digests of images into the Dockerfile of CONTEXT, behind their names in FROM, COPY --from and RUN "
        "--mount, so that they stand for the same bytes ever after. Nothing else in the file changes.",
        "[CONTEXT]",
        most=1,
    )
    add = parser.add_argument
    add("-f", "--file", metavar="FILE", default="", help="the Dockerfile (default: CONTEXT/Dockerfile)")
    add("--update", action="store_true", help="ask anew for those that have a tag and a digest")
    add("--diff", action="store_true", help="show what would change, and write nothing")
    add("--check", action="store_true", help="write nothing, ask nobody; end with 1 if a name has no digest")
    add_mirrors(add)
    return parser


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Writes, shows or checks; 1 where a check finds something."""
    from minibuild.build.dockerfiles import default_in, read_file
    from minibuild.build.locking.pinning import pins, rewritten
    from minibuild.plan.reading import read

    if arguments.check and (arguments.update or arguments.diff):
        raise UsageError("--check asks nobody, so it goes with neither --update nor --diff")
    context = Path(arguments.operands[0] if arguments.operands else ".")
    path = Path(arguments.file) if arguments.file else default_in(context)
    source = read_file(path, str(path))
    dockerfile = read(source)
    if arguments.check:
        return _check(pins(dockerfile, lambda reference: reference.digest), session)
    found = _asked(dockerfile, arguments, session)
    text = rewritten(source, found)
    _report(found, session)
    if arguments.diff:
        session.output.write(_difference(str(path), source.text, text))
    elif text != source.text:
        write_whole(path, text.encode("utf-8", "surrogateescape"))
    return 0


def _asked(dockerfile: Dockerfile, arguments: argparse.Namespace, session: Session) -> tuple[Pin, ...]:
    from minibuild.build.locking.pinning import pins
    from minibuild.cli.signals import interruptible
    from minibuild.oci import Digest
    from minibuild.registry.endpoints import parse_mirrors
    from minibuild.transports.registry import Registry

    mirrors = parse_mirrors(mirrors_of(arguments, session.environment))
    with (
        Registry(mirrors, session.environment) as registry,
        interruptible() as cancellation,
        cancellation.telling(registry.cancel),
    ):
        return pins(dockerfile, lambda name: Digest.of(registry.document(name)), update=arguments.update)


def _check(found: Sequence[Pin], session: Session) -> int:
    from minibuild.errors import DockerfileError
    from minibuild.oci import Reference

    loose = [pin for pin in found if pin.word.obstacle or not Reference.parse(pin.word.text.value).is_pinned]
    for pin in loose:
        hint = pin.word.obstacle or "minibuild pin writes it"
        text = pin.word.text
        session.note(render_error(DockerfileError(f"{text} has no digest", span=text.span, hint=hint)))
    return 1 if loose else 0


def _report(found: Sequence[Pin], session: Session) -> None:
    for pin in found:
        text = pin.word.text
        if pin.word.obstacle:
            session.note(f"{text.span}: {text} is left as it is: {pin.word.obstacle}")
        elif pin.changes:
            session.note(f"{text.span}: {text} is {pin.pinned.rpartition('@')[2]}")


def _difference(name: str, before: str, after: str) -> str:
    from difflib import unified_diff

    lines = unified_diff(before.splitlines(keepends=True), after.splitlines(keepends=True), name, name)
    return "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
