"""Advice on package managers: a stale index, versions left to the day, caches that stay in a layer."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from minibuild.checks.shell import Command, commands_of
from minibuild.checks.subject import Subject, mount_targets
from minibuild.errors import Finding
from minibuild.plan.steps import Step


@dataclass(frozen=True, slots=True)
class Manager:
    """A package manager: how it is called, and what it leaves behind.

    ``pins`` are the characters that say a version in a word, "" where none does. ``keeps`` are directories whose
    files stay after an install, unless an option of ``keeps_nothing`` is given, the variable ``unless_set`` is, or a
    command of ``cleans`` follows in the same RUN.
    """

    names: tuple[str, ...]
    installs: tuple[str, ...]
    updates: tuple[str, ...] = ()
    with_value: frozenset[str] = frozenset()
    pins: str = ""
    example: str = ""
    keeps: tuple[str, ...] = ()
    keeps_nothing: tuple[str, ...] = ()
    unless_set: str = ""
    cleans: tuple[str, ...] = ()
    remedy: str = ""

    def installed(self, command: Command) -> tuple[str, ...] | None:
        """The words behind ``install``; None where the command installs nothing."""
        verb, *rest = [word.value for word in command.operands(self.with_value)] or [""]
        return tuple(rest) if verb in self.installs else None

    def updates_index(self, command: Command) -> bool:
        """Whether the command fetches the lists of packages, and does nothing else."""
        return bool(verbs := command.operands(self.with_value)) and verbs[0].value in self.updates


_APT = Manager(
    names=("apt-get", "apt", "aptitude"),
    installs=("install",),
    updates=("update",),
    with_value=frozenset(("-t", "--target-release", "-o", "--option", "-c")),
    pins="=",
    example="{}=VERSION; `apt-cache policy {}` shows which there are",
    keeps=("/var/lib/apt/lists",),
    remedy="end this RUN with && rm -rf /var/lib/apt/lists/*",
)
_APK = Manager(
    names=("apk",),
    installs=("add",),
    updates=("update",),
    with_value=frozenset(("-t", "--virtual", "-X", "--repository", "-p", "--root")),
    pins="=<>~",
    example="{}=VERSION, or {}~=1.2",
    keeps=("/var/cache/apk",),
    keeps_nothing=("--no-cache",),
    remedy="write apk add --no-cache",
)
_DNF = Manager(
    names=("dnf", "yum", "microdnf"),
    installs=("install",),
    updates=("makecache",),
    keeps=("/var/cache/dnf", "/var/cache/yum"),
    cleans=("clean",),
    remedy="end this RUN with && dnf clean all",
)
_ZYPPER = Manager(
    names=("zypper",),
    installs=("install", "in"),
    updates=("refresh", "ref"),
    pins="=<>",
    example="{}=VERSION",
    keeps=("/var/cache/zypp",),
    cleans=("clean", "cc"),
    remedy="end this RUN with && zypper clean",
)
_PIP = Manager(
    names=("pip", "pip3"),
    installs=("install",),
    with_value=frozenset(
        (
            "-r",
            "--requirement",
            "-c",
            "--constraint",
            "-e",
            "--editable",
            "-i",
            "--index-url",
            "--extra-index-url",
            "-f",
            "--find-links",
            "-t",
            "--target",
            "--prefix",
            "--root",
            "--platform",
            "--python-version",
            "--only-binary",
            "--no-binary",
            "--trusted-host",
        )
    ),
    pins="=<>~",
    example="{}==VERSION, or keep them all in a requirements.txt",
    keeps=("/root/.cache/pip", "/root/.cache"),
    keeps_nothing=("--no-cache-dir",),
    unless_set="PIP_NO_CACHE_DIR",
    cleans=("cache",),
    remedy="write pip install --no-cache-dir",
)
_NPM = Manager(
    names=("npm",),
    installs=("install", "i", "ci", "add"),
    with_value=frozenset(("--prefix", "--registry", "-w", "--workspace")),
    pins="@",
    example="{}@VERSION",
    keeps=("/root/.npm",),
    cleans=("cache",),
    remedy="end this RUN with && npm cache clean --force, or use RUN --mount=type=cache,target=/root/.npm",
)
_GEM = Manager(
    names=("gem",), installs=("install",), with_value=frozenset(("-i", "-n")), pins=":", example="{}:VERSION"
)
MANAGERS = (_APT, _APK, _DNF, _ZYPPER, _PIP, _NPM, _GEM)
_BY_NAME = {name: manager for manager in MANAGERS for name in manager.names}


def managed(step: Step) -> Iterator[tuple[Manager, Command]]:
    """The commands of a RUN that call a package manager."""
    for command in commands_of(step.statement):
        if manager := _BY_NAME.get(command.program):
            yield manager, command


def stale_indices(subject: Subject) -> Iterator[Finding]:
    """StaleIndex: lists of packages in a layer of their own are taken from the cache when they are long out of date."""
    for stage in subject.plan.stages:
        steps = [step for step in subject.own_steps(stage) if step.statement.keyword == "RUN"]
        for step in steps:
            calls = list(managed(step))
            for manager, command in calls:
                if manager.updates_index(command) and not any(_installs(manager, call) for call in calls):
                    yield _stale(manager, command, step, steps)


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
            if not loose or (manager is _GEM and command.has("-v", "--version")):
                continue
            shown = ", ".join(loose[:3]) + (f" and {len(loose) - 3} more" if len(loose) > 3 else "")
            message = f"{command.program} installs {shown} in the version of the day, so a later build differs"
            hint = f"name the version: {manager.example.format(loose[0], loose[0])}"
            yield Finding("UnpinnedInstall", message, command.span, hint)


def _is_loose(manager: Manager, word: str) -> bool:
    """Whether a word names a package without a version: no path, no URL, no variable that may hold one."""
    is_place = word.startswith((".", "/")) or ("/" in word and not word.startswith("@"))
    # What begins with "@" is a scope of npm's.
    return bool(manager.pins) and not is_place and not set(f"{manager.pins}$`*") & set(word[1:] or word)


def kept_caches(subject: Subject) -> Iterator[Finding]:
    """PackageCacheKept: what a package manager downloaded stays in a layer of the image."""
    for stage in subject.shipped():
        for step in subject.own_steps(stage):
            if step.statement.keyword != "RUN":
                continue
            kept = {manager: command for manager, command in managed(step) if _keeps(manager, command, step)}
            for manager, command in kept.items():
                message = f"{command.program} leaves {manager.keeps[0]} in the layer, which nobody needs again"
                yield Finding("PackageCacheKept", message, command.span, manager.remedy)


def _keeps(manager: Manager, command: Command, step: Step) -> bool:
    if not manager.keeps or manager.installed(command) is None or command.has(*manager.keeps_nothing):
        return False
    if step.before.variables.get(manager.unless_set, "").lower() not in ("", "0", "false", "off", "no"):
        return False
    if any(_is_in(place, mounted) for place in manager.keeps for mounted in mount_targets(step.statement)):
        return False
    return not any(_cleans(manager, other) for other in commands_of(step.statement))


def _cleans(manager: Manager, command: Command) -> bool:
    if command.program == "rm" and command.has("-rf", "-fr", "-r", "-R", "-Rf"):
        removed = [re.sub(r"^(~|\$HOME|\$\{HOME\})", "/root", word.value).rstrip("*/") for word in command.operands()]
        return any(_is_in(place, path) for path in removed for place in manager.keeps)
    verbs = command.operands()
    return command.program in manager.names and bool(verbs) and verbs[0].value in manager.cleans


def _is_in(path: str, directory: str) -> bool:
    return path == directory or path.startswith(directory.rstrip("/") + "/")
