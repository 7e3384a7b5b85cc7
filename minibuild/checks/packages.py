"""Advice on package managers: a stale index, versions left to the day, caches that stay in a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.checks.managers import GEM, MANAGERS, Manager
from minibuild.checks.shell import Command, commands_of
from minibuild.checks.subject import Subject, mount_targets
from minibuild.errors import Finding
from minibuild.instructions.effects import FromStage
from minibuild.plan.steps import Step

_BY_NAME = {name: manager for manager in MANAGERS for name in manager.names}


def managed(step: Step) -> Iterator[tuple[Manager, Command]]:
    """The commands of a RUN that call a package manager."""
    for command in commands_of(step.statement):
        if manager := _BY_NAME.get(command.program):
            yield manager, command


def stale_indices(subject: Subject) -> Iterator[Finding]:
    """StaleIndex: lists of packages are fetched by the RUN that installs, neither before it nor long ago."""
    for stage in subject.plan.stages:
        steps = [step for step in subject.own_steps(stage) if step.statement.keyword == "RUN"]
        fetched = {manager for manager in MANAGERS if not manager.needs_update or isinstance(stage.base, FromStage)}
        for step in steps:
            calls = list(managed(step))
            for manager, command in calls:
                if manager.updates_index(command):
                    fetched.add(manager)
                    if not any(_installs(manager, call) for call in calls):
                        yield _stale(manager, command, step, steps)
                elif manager not in fetched and _takes_from_index(manager, command, step):
                    fetched.add(manager)
                    yield _unfetched(manager, command)


def _takes_from_index(manager: Manager, command: Command, step: Step) -> bool:
    """Whether a command installs packages by their names, and from lists of which nothing is known."""
    named = [word for word in manager.installed(command) or () if not _is_place(word)]
    return bool(named) and not any(_is_in(place, at) for place in manager.keeps for at in mount_targets(step.statement))


def _unfetched(manager: Manager, command: Command) -> Finding:
    called = f"{command.program} {manager.installs[0]}"
    message = f"{called} takes the lists of packages that the base happens to have: old ones, or none at all"
    hint = f"write {command.program} {manager.updates[0]} && {called} … in one RUN"
    return Finding("StaleIndex", message, command.span, hint)


def _stale(manager: Manager, command: Command, step: Step, steps: list[Step]) -> Finding:
    later = next((each for each in steps if each.number > step.number and _step_installs(manager, each)), None)
    message = f"{command.program} {command.values[0]} is a RUN of its own, so the cache hands out lists that are stale"
    hint = f"write {command.program} {manager.updates[0]} && {command.program} {manager.installs[0]} … in one RUN"
    if later:
        hint += f": join line {step.statement.span.line} to line {later.statement.span.line}"
    return Finding("StaleIndex", message, command.span, hint)


def _step_installs(manager: Manager, step: Step) -> bool:
    return any(_installs(manager, call) for call in managed(step))


def _installs(manager: Manager, call: tuple[Manager, Command]) -> bool:
    return call[0] is manager and manager.installed(call[1]) is not None


def unpinned_installs(subject: Subject) -> Iterator[Finding]:
    """UnpinnedInstall: a package without a version is another one next month."""
    for step in subject.steps("RUN"):
        for manager, command in managed(step):
            loose = [word for word in manager.installed(command) or () if _is_loose(manager, word)]
            if not loose or (manager is GEM and command.has("-v", "--version")):
                continue
            shown = ", ".join(loose[:3]) + (f" and {len(loose) - 3} more" if len(loose) > 3 else "")
            message = f"{command.program} installs {shown} in the version of the day, so a later build differs"
            hint = f"name the version: {manager.example.format(loose[0], loose[0])}"
            yield Finding("UnpinnedInstall", message, command.span, hint)


def _is_loose(manager: Manager, word: str) -> bool:
    """Whether a word names a package without a version: no path, no URL, no variable that may hold one."""
    return bool(manager.pins) and not _is_place(word) and not set(f"{manager.pins}$`*") & set(word.lstrip("@"))


def _is_place(word: str) -> bool:
    # What begins with "@" is a scope of npm's.
    return word.startswith((".", "/")) or ("/" in word and not word.startswith("@"))


def kept_caches(subject: Subject) -> Iterator[Finding]:
    """PackageCacheKept: what a package manager downloaded stays in a layer of the image."""
    for stage in subject.shipped():
        for step in subject.own_steps(stage):
            if step.statement.keyword != "RUN":
                continue
            calls = list(managed(step))
            installs = {manager: call for manager, call in calls if _leaves_files(manager, call)}
            for manager in installs.keys() - _clean(step, calls):
                message = (
                    f"{installs[manager].program} leaves {manager.keeps[0]} in the layer, which nobody needs again"
                )
                yield Finding("PackageCacheKept", message, installs[manager].span, manager.remedy)


def _leaves_files(manager: Manager, command: Command) -> bool:
    """Whether a command installs something and what it downloaded for that stays where it is."""
    return bool(manager.keeps) and manager.installed(command) is not None and not command.has(*manager.keeps_nothing)


def _clean(step: Step, calls: list[tuple[Manager, Command]]) -> set[Manager]:
    """The managers that leave nothing in the layer of a step, or nothing of it."""
    variables, mounts = step.before.variables, mount_targets(step.statement)
    commands = commands_of(step.statement)
    updated = {manager for manager, command in calls if manager.updates_index(command)}
    return {
        manager
        for manager in MANAGERS
        if variables.get(manager.unless_set, "").lower() not in ("", "0", "false", "off", "no")
        or any(_is_in(place, mounted) for place in manager.keeps for mounted in mounts)
        or (manager.only_updates_keep and manager not in updated)
        or any(_cleans(manager, command) for command in commands)
    }


def _cleans(manager: Manager, command: Command) -> bool:
    if command.program == "rm":
        removed = [re.sub(r"^(~|\$HOME|\$\{HOME\})", "/root", word.value).rstrip("*_/") for word in command.operands()]
        return any(_is_in(place, path) for path in removed for place in manager.keeps)
    verbs = command.operands()
    return command.program in manager.names and bool(verbs) and verbs[0].value in manager.cleans


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
