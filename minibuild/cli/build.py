"""``minibuild build``: the words of the command line become a request, the result goes where it was asked for."""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from minibuild.build.request import BuildRequest, BuildResult, Target
from minibuild.cli import COMMANDS
from minibuild.cli.annotations import annotations_of, check_places
from minibuild.cli.attestations import attestations_of
from minibuild.cli.build_options import build_parser
from minibuild.cli.caches import caches_of
from minibuild.cli.display import choose
from minibuild.cli.foreign import environment_of
from minibuild.cli.locking import lock_of
from minibuild.cli.making_room import kept_storage, make_room
from minibuild.cli.offline import check_offline, heeding_offline
from minibuild.cli.options import check_machinery, mirrors_of, platforms_of
from minibuild.cli.outputs import Output, check_attestations, check_names, check_outputs, check_platforms, parse_output
from minibuild.cli.parser import Parser
from minibuild.cli.proxies import configured_proxies
from minibuild.cli.results import check_files, summary, write_files
from minibuild.cli.session import Session
from minibuild.cli.signals import interruptible
from minibuild.cli.surroundings import surroundings_of
from minibuild.errors import ContextError, UsageError, did_you_mean
from minibuild.oci import AnyImage, Reference


def parser(environment: Mapping[str, str]) -> Parser:
    """The grammar of the command."""
    return build_parser(environment)


def execute(arguments: argparse.Namespace, session: Session) -> int:
    """Builds, then hands the result on; everything that can be refused is refused before."""
    session = heeding_offline(arguments, session)
    if arguments.call != "build":
        from minibuild.cli.calling import call

        return call(arguments.call, of_one_platform(asked_of(arguments, session.environment)), session)
    session = replace(session, environment=environment_of(arguments, session.environment))
    began, kept = time.monotonic(), kept_storage(session.environment)
    request = request_of(arguments, session.environment)
    check_machinery(arguments)
    outputs = outputs_of(arguments)
    only_pushes = bool(outputs) and all(output.type == "registry" for output in outputs)
    rewrites_times = any(output.rewrites_times for output in outputs)
    request = replace(request, leaves_layers=only_pushes, rewrites_times=rewrites_times)
    _check(request, outputs, arguments, terminal=session.output.isatty())
    pushed: dict[int, AnyImage] = {}
    names: list[Reference] = []
    display = choose("quiet" if arguments.quiet else arguments.progress, session.errors, session.environment)
    if not arguments.quiet:
        for note in getattr(arguments, "notes", ()):
            session.note(f"note: {note}")
    with session.store() as store, closing(display):
        from minibuild.build.engine import build
        from minibuild.cli.exporting import Exports

        exports = Exports(store, display, session)
        with interruptible() as cancellation:
            result = build(request, store, exports.progress, cancellation)
        for output in outputs:
            target = target_of(output, result)
            exported = exports.export(output, target.image, target.tags)
            if output.type == "registry":
                pushed[target.index] = exported
                names += output.references(target.tags)
        exports.caches(request, result, names)
    result = as_pushed(result, pushed)
    own = {target.index: [one for one in outputs if target_of(one, result) == target] for target in result.targets}
    write_files(arguments, result, own)
    if arguments.quiet:
        session.print("\n".join(target.image.id for target in result.targets))
    elif arguments.progress != "rawjson":
        for target in result.targets:
            session.note(summary(result, target, own[target.index]))
    make_room(session, kept, began)
    return 0


def _check(request: BuildRequest, outputs: Sequence[Output], arguments: argparse.Namespace, *, terminal: bool) -> None:
    """Raises UsageError for results that can't be had, or not together."""
    check_outputs(outputs, quiet=arguments.quiet, terminal=terminal)
    check_platforms(outputs, request.platforms)
    check_places(request.annotations, makes_index=bool(request.platforms or request.attestations))
    check_attestations(outputs, has_any=bool(request.attestations))
    check_names(outputs, arguments.tag)
    check_offline(request, outputs)
    check_files(arguments)
    for output in outputs:
        _check_target("--output …,target=", output.target, request.target)


def request_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> BuildRequest:
    """What the words ask for; raises UsageError or ContextError."""
    request = asked_of(arguments, environment)
    tags, caches = tuple(dict.fromkeys(map(_tag, arguments.tag))), caches_of(arguments)
    if arguments.squash and caches.is_inline:
        raise UsageError(
            "--cache-to type=inline tells of the image's layers, which --squash makes one of",
            hint="write the cache elsewhere: --cache-to type=registry,ref=NAME",
        )
    for stage, _ in tags:
        _check_target("--tag STAGE=", stage, request.target)
    return replace(
        request,
        tags=tuple(tag for stage, tag in tags if not stage),
        stage_tags=tuple((stage, tag) for stage, tag in tags if stage),
        no_cache=arguments.no_cache,
        caches=caches,
        lock=lock_of(arguments, request),
        squash=arguments.squash,
        attestations=attestations_of(arguments),
        no_cache_stages=frozenset(_listed(arguments.no_cache_filter)),
        runtime=arguments.runtime,
        snapshotter=arguments.snapshotter,
    )


def asked_of(arguments: argparse.Namespace, environment: Mapping[str, str]) -> BuildRequest:
    """What of a request its steps depend on, which ``plan`` and ``--call`` ask for too."""
    epoch = environment.get("SOURCE_DATE_EPOCH")
    given = {**configured_proxies(environment), **({"SOURCE_DATE_EPOCH": epoch} if epoch else {})}
    platforms = platforms_of(arguments, environment)
    several = platforms if len(platforms) > 1 else ()
    return BuildRequest(
        context=_context(arguments.operands[0] if arguments.operands else "."),
        dockerfile=arguments.file,
        build_arguments={**given, **arguments.build_arg, **arguments.source_date_epoch},
        environment=environment,
        labels=arguments.label,
        annotations=annotations_of(arguments.annotation),
        target=",".join(arguments.target),
        platform=platforms[0],
        platforms=several,
        all_stages=arguments.all_stages,
        named_contexts=arguments.build_context,
        pull=arguments.pull,
        mirrors=mirrors_of(arguments, environment),
        surroundings=surroundings_of(arguments, environment),
    )


def of_one_platform(request: BuildRequest) -> BuildRequest:
    """The request; raises UsageError where it is for several, for those who look at one."""
    if request.platforms:
        words = ",".join(map(str, request.platforms))
        raise UsageError(f"{words!r} names several platforms, wanted one", hint="take one after the other")
    return request


def outputs_of(arguments: argparse.Namespace) -> tuple[Output, ...]:
    """The places that ``-o``, ``--push`` and ``--load`` name, each once."""
    outputs = [parse_output(word) for word in arguments.output]
    outputs += [parse_output("type=registry")] if arguments.push else []
    return tuple(dict.fromkeys([*outputs, *([Output(arguments.load)] if arguments.load else [])]))


def as_pushed(result: BuildResult, pushed: Mapping[int, AnyImage]) -> BuildResult:
    """The result with the images as registries have them, by their targets' indices: layers compressed there give a
    manifest of another digest.
    """
    targets = tuple(replace(target, image=pushed.get(target.index, target.image)) for target in result.targets)
    return replace(result, image=targets[-1].image, targets=targets)


def target_of(output: Output, result: BuildResult) -> Target:
    """The target that an output is of."""
    wanted = (target for target in result.targets if output.target and target.answers_to(output.target))
    return next(wanted, result.targets[-1])


def _context(word: str) -> str:
    """The context as it was said; raises ContextError where it must be a command that was mistyped."""
    near = did_you_mean(word, list(COMMANDS)) if "/" not in word and not Path(word).exists() else ""
    if near:
        raise ContextError(f"{word} doesn't exist, wanted the build context", hint=near)
    return word


def _tag(word: str) -> tuple[str, Reference]:
    """The stage that is named, "" for the last target, and its name."""
    stage, _, name = word.rpartition("=")
    reference = Reference.parse(name)
    if reference.is_pinned:
        raise UsageError(f"--tag {word!r} has a digest, which only the bytes can give", hint="leave @sha256:… out")
    return stage.lower(), reference


def _check_target(option: str, stage: str, targets: str) -> None:
    """Raises UsageError for a stage that ``--target`` doesn't ask for."""
    asked = [word.strip().lower() for word in targets.split(",")]
    if stage and stage.lower() not in asked:
        hint = did_you_mean(stage, asked) or f"ask for it: --target {','.join([*filter(None, asked), stage])}"
        raise UsageError(f"{option}{stage} is about no --target of this build", hint=hint)


def _listed(words: Sequence[str]) -> list[str]:
    return [part.strip() for word in words for part in word.split(",") if part.strip()]
