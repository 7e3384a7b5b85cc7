"""SOURCE_DATE_EPOCH: the time that a build gives to all that it dates itself, known before anything is planned.

It is said by ``--build-arg``, which the command line takes from the environment too, else by an ARG above the first
FROM: seconds since 1970; ``context`` or the name of another context, whose newest file's time it is then; or the name
of a stage that is ``FROM scratch`` and one ADD of a URL or a repository, whose time it is. Source: buildkit,
docs/build-repro.md.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import MappingProxyType

from minibuild.build.context import DirectoryContext
from minibuild.build.fetching import Fetcher
from minibuild.build.matching import FileTree
from minibuild.build.named import name_of, open_context
from minibuild.build.places import Access
from minibuild.build.request import BuildRequest
from minibuild.dockerfile.statements import Dockerfile
from minibuild.errors import ContextError, DockerfileError, ImageError, UsageError, blame, did_you_mean
from minibuild.instructions.copy import Add
from minibuild.instructions.effects import CopyFiles, SourcePath, SourceRepository, SourceUrl
from minibuild.instructions.stage import Arg, From
from minibuild.layers.compression import decompressed, is_archive
from minibuild.layers.entry import Entry, Kind
from minibuild.layers.tar import read_entries
from minibuild.oci import Image, Platform
from minibuild.plan import Options, Stage, plan
from minibuild.plan.scope import global_scope
from minibuild.plan.sections import Sections, cut
from minibuild.plan.steps import fold
from minibuild.source import Span
from minibuild.values import dataclass, replace

NAME = "SOURCE_DATE_EPOCH"
_CONTEXT = "context"


@dataclass(frozen=True, slots=True)
class Sources:
    """What has a time and isn't here: what stages ADD, and named contexts."""

    fetcher: Fetcher
    access: Access


def dated(request: BuildRequest, dockerfile: Dockerfile, context: DirectoryContext, sources: Sources) -> BuildRequest:
    """The request with its time in seconds, which is what ARG sees of it too; as it was where nothing says a time.

    Raises UsageError or DockerfileError for what is no time, ContextError where what has it can't be fetched.
    """
    sections = cut(dockerfile)
    options = Options(build_arguments=request.build_arguments, platform=request.platform)
    words = request.build_arguments.get(NAME)
    said = _declared(sections, options) if words is None else words
    if not said:
        return request
    if re.fullmatch(r"[0-9]{1,18}", said):
        seconds: int | None = int(said)
    elif said == _CONTEXT:
        seconds = newest(context.walk(""))
    elif name_of(said) in map(name_of, request.named_contexts):
        with open_context(request.named_contexts, said, sources.access) as named:
            seconds = newest(named.walk(""))
    else:
        seconds = _of_stage(dockerfile, sections, replace(options, target=said), sources.fetcher)
    arguments = MappingProxyType({**request.build_arguments, NAME: "" if seconds is None else str(seconds)})
    return replace(request, build_arguments=arguments, source_date_epoch=seconds)


def newest(entries: Iterator[Entry]) -> int | None:
    """The time of the newest file; None where there is none."""
    return max((entry.mtime for entry in entries if entry.kind in (Kind.FILE, Kind.HARDLINK)), default=None)


def _declared(sections: Sections, options: Options) -> str:
    """What an ARG above the first FROM says; what is wrong there is told by the plan."""
    begin = global_scope(options, "")
    steps = fold(begin, sections.preamble, 1, lambda _error: None)
    return (steps[-1].after if steps else begin).variables.get(NAME, "")


def _of_stage(dockerfile: Dockerfile, sections: Sections, options: Options, fetcher: Fetcher) -> int:
    """The time of the one thing that a stage ADDs."""
    names = {section.name: section for section in sections.sections if section.name}
    section = names.get(options.target.lower())
    if section is None:
        raise UsageError(
            f"{NAME} wants seconds since 1970, {_CONTEXT} or the name of a stage, got {options.target!r}",
            hint=did_you_mean(options.target, [_CONTEXT, *names]),
        )
    without = {name: value for name, value in options.build_arguments.items() if name != NAME}
    planned = plan(dockerfile, _no_image, replace(options, build_arguments=without, target=section.name))
    with blame(section.statement.span):
        tree, path = fetcher.fetch(_source(planned.stages[section.index]))
        seconds = _time(tree, path)
        if not seconds:
            raise ContextError(f"nothing says how old it is what stage {section.name} ADDs, as {NAME} wants to know")
    return seconds


def _no_image(name: str, _platform: Platform, _span: Span) -> Image:
    raise ImageError(f"{NAME} names a stage whose files are {name}'s", hint="name one that is FROM scratch")


def _source(stage: Stage) -> SourceUrl | SourceRepository:
    """What a stage is made of, if that is one thing from elsewhere."""
    effects = [step.effect for step in stage.steps if step.effect is not None]
    match effects:
        case [CopyFiles(sources=(source,))] if not isinstance(source, SourcePath):
            if all(isinstance(step.instruction, Add | Arg | From) for step in stage.steps) and stage.base is None:
                return source
    raise DockerfileError(
        f"stage {stage.title} has no time that {NAME} could be",
        hint="name a stage that is FROM scratch and one ADD of a URL or a repository",
    )


def _time(tree: FileTree, path: str) -> int | None:
    """The time of a file, as its server tells it, or else of the newest file in it; of a directory, its newest file."""
    entry = tree.find(path)
    if entry is None or entry.kind is Kind.DIRECTORY:
        return newest(iter(tree.walk(path)))
    if entry.mtime:
        return entry.mtime
    opener = tree.opener(entry)
    with opener() as file:
        if not is_archive(file):
            return None
    with opener() as packed, decompressed(packed) as tar:
        return newest(each for each, _ in read_entries(tar))
