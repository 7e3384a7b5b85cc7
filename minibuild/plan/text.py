"""A plan in words: what each step does to files and configuration. The same plan gives the same text.

``minibuild plan`` says the same of steps, beside what becomes of them; golden tests hold it all.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import fields
from typing import assert_never

from minibuild.errors import Finding
from minibuild.instructions.base import StageState
from minibuild.instructions.effects import (
    BindMount,
    CacheMount,
    CopyFiles,
    CopySource,
    Effect,
    FromContext,
    FromImage,
    FromStage,
    InlineFile,
    MakeDirectory,
    Origin,
    RunCommand,
    RunMount,
    SecretMount,
    SourcePath,
    SourceRepository,
    SourceUrl,
    SshMount,
    TmpfsMount,
)
from minibuild.instructions.modes import SymbolicMode
from minibuild.oci import ContainerConfig
from minibuild.oci.config import Healthcheck
from minibuild.plan.steps import Plan, Stage, Step


def render(plan: Plan) -> str:
    """Stages, their steps, what each does to files and configuration, and what there is to warn of."""
    targets = ", ".join(plan.stages[index].title for index in plan.targets)
    lines = [f"target {targets} for {plan.stages[plan.target].platform}"]
    for stage in plan.stages:
        lines += ["", *_stage(stage, needed=stage.index in plan.order)]
    if plan.labels:
        lines += ["", *(f"label {_pair(name, value)}" for name, value in plan.labels.items())]
    if plan.findings:
        lines += ["", *map(_finding, plan.findings)]
    # Half a surrogate pair stands for a byte that isn't UTF-8, and can't be printed.
    return "\n".join([*lines, ""]).encode("utf-8", "backslashreplace").decode()


def heading(stage: Stage) -> str:
    """A stage, what it is based on, and what it is for."""
    match stage.base:
        case None:
            base = "scratch"
        case FromStage(index):
            base = f"stage {index}"
        case FromImage(name):
            base = name
        case _:
            assert_never(stage.base)
    name = f" {stage.name}" if stage.name else ""
    return f"stage {stage.index}{name} from {base} for {stage.platform}"


def _stage(stage: Stage, *, needed: bool) -> Iterator[str]:
    yield heading(stage) + ("" if needed else ", not needed")
    if stage.needs:
        yield f"  needs {', '.join(map(str, sorted(stage.needs)))}"
    for step in stage.steps:
        yield from _step(step)


def _step(step: Step) -> Iterator[str]:
    yield f"  {step.number} {step.statement.original.strip()}"
    details = [
        *([] if step.effect is None else effect_lines(step.effect, step.before)),
        *change_lines(step.before, step.after),
        *([f"history {_quoted(step.history)}"] if step.history else []),
    ]
    yield from (f"      {detail}" for detail in details)


def effect_lines(effect: Effect, state: StageState) -> Iterator[str]:
    """What an effect does; what belongs to the line before is indented."""
    match effect:
        case RunCommand():
            yield from _run(effect, state)
        case CopyFiles():
            yield from _copy(effect)
        case MakeDirectory(path, user):
            yield f"make directory {path}" + (f" owned by {user}" if user else "")
        case _:
            assert_never(effect)


def _run(effect: RunCommand, state: StageState) -> Iterator[str]:
    user = f" as {effect.user}" if effect.user else ""
    network = "" if effect.network == "default" else f" with network {effect.network}"
    security = "" if effect.security == "sandbox" else f" with security {effect.security}"
    yield f"run {_list(effect.arguments)} in {effect.directory}{user}{network}{security}"
    known = set(state.config.environment)
    yield from (f"  with {_pair(name, value)}" for name, value in effect.environment if (name, value) not in known)
    yield from (f"  with proxy {_pair(name, value)}" for name, value in effect.proxies)
    yield from map(_inline, effect.files)
    yield from (f"  {_mount(mount)}" for mount in effect.mounts)


def _mount(mount: RunMount) -> str:
    match mount:
        case BindMount():
            access = "" if mount.read_only else ", writable"
            return f"bind {mount.target} from /{mount.source} of {_origin(mount.origin)}{access}"
        case CacheMount():
            begun = "" if mount.origin is None else f", begun with /{mount.source} of {_origin(mount.origin)}"
            begun = begun or (f", at /{mount.source}" if mount.source else "")
            access = ", read-only" if mount.read_only else ""
            return f"cache {mount.target} id {_quoted(mount.id)} {mount.sharing}, {_owned(mount)}{begun}{access}"
        case TmpfsMount():
            return f"tmpfs {mount.target}" + (f" of {mount.size} bytes" if mount.size else "")
        case SecretMount():
            places = [*([mount.target] if mount.target else []), *([f"${mount.variable}"] if mount.variable else [])]
            required = ", required" if mount.required else ""
            return f"secret {_quoted(mount.id)} at {' and '.join(places)}, {_owned(mount)}{required}"
        case SshMount():
            place = f" at {mount.target}" if mount.target else ""
            required = ", required" if mount.required else ""
            return f"ssh {_quoted(mount.id)}{place}, {_owned(mount)}{required}"
        case _:
            assert_never(mount)


def _owned(mount: CacheMount | SecretMount | SshMount) -> str:
    return f"mode {mount.mode:04o} of {mount.uid}:{mount.gid}"


def _copy(effect: CopyFiles) -> Iterator[str]:
    origin = _origin(effect.origin)
    owner = "" if effect.owner is None else f" owned by {effect.owner}"
    mode = "" if effect.mode is None else f" with mode {_mode(effect.mode)}"
    has_paths = any(isinstance(source, SourcePath) for source in effect.sources) or not effect.sources
    claims = [
        *(["unpacking archives"] if effect.unpacks and has_paths else []),
        *(["keeping parents"] if effect.keeps_parents else []),
        *([f"but {_list(effect.excluded)}"] if effect.excluded else []),
        *(["as a layer that stands alone"] if effect.stands_alone else []),
    ]
    sources = _list(map(_source, effect.sources))
    yield ", ".join([f"copy {sources} from {origin} to {effect.destination}{owner}{mode}", *claims])
    yield from map(_inline, effect.inline)


def _source(source: CopySource) -> str:
    match source:
        case SourcePath():
            return f"{source.pivot}/./{source.pattern}" if source.pivot else source.pattern
        case SourceUrl():
            return " ".join([source.url, *(["unpacked"] if source.unpacks else []), *_checksum(source)])
        case SourceRepository():
            git = ["with .git"] if source.keeps_git_directory else []
            return " ".join([source.words, *git, *_checksum(source)])
        case _:
            assert_never(source)


def _checksum(source: SourceUrl | SourceRepository) -> list[str]:
    return [f"which is {source.checksum}"] if source.checksum else []


def _mode(mode: int | SymbolicMode) -> str:
    return f"{mode:04o}" if isinstance(mode, int) else str(mode)


def _origin(origin: Origin) -> str:
    match origin:
        case FromContext():
            return "the context"
        case FromStage(index):
            return f"stage {index}"
        case FromImage(name):
            return f"image {name}"
        case _:
            assert_never(origin)


def _inline(file: InlineFile) -> str:
    return f"  file {file.path} {file.mode:04o} {_quoted(file.content.decode('utf-8', 'replace'))}"


def change_lines(before: StageState, after: StageState) -> Iterator[str]:
    """What of the configuration and the variables is another afterwards."""
    old, new = before.config, after.config
    for field in fields(ContainerConfig):
        if getattr(old, field.name) != getattr(new, field.name):
            yield f"{field.name.replace('_', ' ')} {_value(getattr(new, field.name), getattr(old, field.name))}"
    if before.author != after.author:
        yield f"author {_quoted(after.author)}"
    said = set(new.environment)
    for name, value in after.variables.items():
        if before.variables.get(name) != value and (name, value) not in said:
            yield f"argument {_pair(name, value)}"


def _value(new: object, old: object) -> str:
    if isinstance(new, Mapping):
        assert isinstance(old, Mapping)
        return " ".join(_pair(name, value) for name, value in new.items() if old.get(name) != value)
    if isinstance(new, tuple) and new and isinstance(new[0], tuple):
        assert isinstance(old, tuple)
        return " ".join(_pair(*pair) for pair in new if pair not in old)
    if isinstance(new, Healthcheck):
        others = (f"{field.name}={getattr(new, field.name)}" for field in fields(new) if field.name != "test")
        return " ".join([_list(new.test), *(other for other in others if not other.endswith("=0"))])
    if isinstance(new, tuple):
        return _list(new)
    return _quoted(new) if isinstance(new, str) else json.dumps(new)


def _finding(finding: Finding) -> str:
    place = f"{finding.span}: " if finding.span else ""
    return f"warning: {place}{finding.message} [{finding.rule}]" + (f"; {finding.hint}" if finding.hint else "")


def _pair(name: str, value: str) -> str:
    return f"{name}={_quoted(value)}"


def _list(words: Iterable[str]) -> str:
    return "[" + ", ".join(map(_quoted, words)) + "]"


def _quoted(text: str) -> str:
    # Half a surrogate pair stands for a byte that isn't UTF-8, and can't be printed.
    return json.dumps(text, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()
