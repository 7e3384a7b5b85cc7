"""Checking a Dockerfile and showing what was found, for ``minibuild check`` and ``minibuild build --check``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

from minibuild.cli.reports import FORMATS, Report
from minibuild.cli.session import Session
from minibuild.errors import DockerfileError, MinibuildError, UsageError, did_you_mean
from minibuild.oci import Image, Platform, Reference
from minibuild.source import Span
from minibuild.values import dataclass, field

if TYPE_CHECKING:
    from minibuild.build.inputs import Access, Inputs
    from minibuild.checks import Check

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class CheckRequest:
    """What to check: the words of the command line, as ``minibuild build`` takes them.

    ``target`` says which stages' results are images; all stages are checked whatever it says. ``tools`` are the other
    builders that the Dockerfile is for too.
    """

    context: str = "."
    dockerfile: str = ""
    build_arguments: Mapping[str, str] = field(default_factory=lambda: _NONE)
    named_contexts: Mapping[str, str] = field(default_factory=lambda: _NONE)
    platform: Platform = field(default_factory=Platform.of_this_machine)
    target: str = ""
    tools: tuple[str, ...] = ()


def check_and_show(request: CheckRequest, style: str, session: Session, access: Access) -> int:
    """Shows what there is to mend, in one of the ``FORMATS``; 1 where there is anything, or an error in the file.

    ``access`` is what the context is fetched with. Raises UsageError for a format or a tool that there is none of,
    ContextError where there is no Dockerfile to read.
    """
    if style not in FORMATS:
        raise UsageError(f"a check has no format {style!r}", hint=_choice(style, list(FORMATS)))
    report = examined(request, access, session.root)
    if text := FORMATS[style](report, session):
        session.print(text)
    return 1 if report.findings or report.errors else 0


def examined(request: CheckRequest, access: Access, root: Path) -> Report:
    """What checks find, advice too, and what keeps the Dockerfile from being planned.

    Bases are looked up in the store at ``root``, if there is one, and in no registry.
    """
    from minibuild.build.inputs import open_inputs
    from minibuild.checks import CHECKS
    from minibuild.checks.advice import ADVICE

    checks = (*CHECKS, *ADVICE, *_checks_of(request.tools))
    with open_inputs(request.context, request.dockerfile, access) as inputs:
        return _examined(request, inputs, checks, root)


def _examined(request: CheckRequest, inputs: Inputs, checks: Iterable[Check], root: Path) -> Report:
    from minibuild.build.window import window_on
    from minibuild.checks import Subject, examine
    from minibuild.plan import Options, Plan, plan, read

    source, place = inputs.source, inputs.place
    unknown: set[str] = set()

    def lookup(name: str, platform: Platform, _span: Span) -> Image:
        image = _stored(name, platform, request.named_contexts, root)
        if image is None:
            unknown.add(name)
        return image or Image.scratch(platform)

    options = Options(
        build_arguments=request.build_arguments,
        target=request.target,
        platform=request.platform,
        contexts=frozenset(name.lower() for name in request.named_contexts),
        all_stages=True,
    )
    try:
        dockerfile = read(source)
    except DockerfileError as error:
        return Report(source, place, errors=(error, *error.others))
    errors: tuple[MinibuildError, ...] = ()
    try:
        planned = plan(dockerfile, lookup, options)
    except DockerfileError as error:
        planned, errors = Plan((), 0, (), dockerfile.findings), (error, *error.others)
    window = window_on(inputs.context.ignore, inputs.context)
    subject = Subject(dockerfile, planned, request.build_arguments, window, frozenset(unknown))
    try:
        return Report(source, place, examine(subject, checks), errors)
    except DockerfileError as error:
        return Report(source, place, errors=(error, *error.others, *errors))


def _stored(name: str, platform: Platform, contexts: Iterable[str], root: Path) -> Image | None:
    """The base that a build would find in the store; None where it would have to ask somebody else."""
    from minibuild.build.named import name_of
    from minibuild.oci.index import runs_on
    from minibuild.store.reading import StoreToRead

    if name_of(name) in map(name_of, contexts):
        return None
    with StoreToRead.at(root) as store:
        image = store.images.find(Reference.parse(name), platform)
    return image if image is not None and runs_on(image.config.platform, platform) else None


def _checks_of(tools: Iterable[str]) -> Iterator[Check]:
    from minibuild.checks.portability import PORTABILITY

    for tool in dict.fromkeys(tools):
        if tool not in PORTABILITY:
            raise UsageError(f"a check knows no builder {tool!r}", hint=_choice(tool, list(PORTABILITY)))
        yield PORTABILITY[tool]


def _choice(word: str, known: Sequence[str]) -> str:
    return did_you_mean(word, known) or f"choose from {', '.join(known)}"
