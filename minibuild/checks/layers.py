"""Advice on layers: their order for the cache, their number, and files that stand in two of them."""

from __future__ import annotations

import posixpath
from collections.abc import Iterator, Sequence

from minibuild.checks.context import context_sources, relined
from minibuild.checks.shell import Command, commands_of
from minibuild.checks.subject import Subject, expanded, flag_of, words_of
from minibuild.errors import Finding
from minibuild.plan.steps import Step
from minibuild.values import dataclass, replace


@dataclass(frozen=True, slots=True)
class Installer:
    """What installs what an application depends on.

    ``verbs`` are the words behind the program, any of them, or an option that must be there. ``reads`` are the files
    that say what to install; "" where the command line itself does.
    """

    program: str
    verbs: tuple[str, ...]
    reads: str = ""


INSTALLERS = (
    Installer("apt-get", ("install",)),
    Installer("apt", ("install",)),
    Installer("apk", ("add",)),
    Installer("dnf", ("install",)),
    Installer("yum", ("install",)),
    Installer("microdnf", ("install",)),
    Installer("npm", ("ci", "install", "i"), "package.json package-lock.json"),
    Installer("yarn", ("install",), "package.json yarn.lock"),
    Installer("pnpm", ("install", "i"), "package.json pnpm-lock.yaml"),
    Installer("bun", ("install",), "package.json bun.lock"),
    Installer("pip", ("-r", "--requirement"), "requirements.txt"),
    Installer("pip3", ("-r", "--requirement"), "requirements.txt"),
    Installer("pipenv", ("install", "sync"), "Pipfile Pipfile.lock"),
    Installer("poetry", ("install",), "pyproject.toml poetry.lock"),
    Installer("uv", ("sync",), "pyproject.toml uv.lock"),
    Installer("bundle", ("install",), "Gemfile Gemfile.lock"),
    Installer("composer", ("install",), "composer.json composer.lock"),
    Installer("go", ("mod",), "go.mod go.sum"),
    Installer("cargo", ("fetch",), "Cargo.toml Cargo.lock"),
    Installer("dotnet", ("restore",), "*.csproj"),
    Installer("mvn", ("dependency:go-offline", "dependency:resolve"), "pom.xml"),
    Installer("mix", ("deps.get",), "mix.exs mix.lock"),
)
_BY_PROGRAM = {installer.program: installer for installer in INSTALLERS}


def broken_order(subject: Subject) -> Iterator[Finding]:
    """OrderBreaksCache: dependencies are installed after the whole context came, so every change installs them anew.

    What was installed before as well has most of its work done there: the second time adds the project itself.
    """
    for stage in subject.plan.stages:
        steps = subject.own_steps(stage)
        copies = [step for step in steps if any(not path for _, path in _sources(step))]
        if not copies:
            continue
        known: set[str] = set()
        for step in steps:
            found = _installing(step)
            if found and step.number < copies[0].number:
                known.add(found[0].program)
            elif found and found[0].program not in known:
                yield _swap(copies[0], step, *found, earlier=steps[: copies[0].number])
                break


def _sources(step: Step) -> Iterator[tuple[object, str]]:
    if step.statement.keyword in ("COPY", "ADD"):
        # "*" is all of it too, as far as the cache is concerned.
        yield from ((text, path.removeprefix("*")) for text, path in context_sources(step))


def _installing(step: Step) -> tuple[Installer, Command] | None:
    if step.statement.keyword != "RUN":
        return None
    for command in commands_of(step.statement):
        installer = _BY_PROGRAM.get(command.program)
        words = [word.value for word in command.operands()]
        if installer and ((words and words[0] in installer.verbs) or command.has(*installer.verbs)):
            return installer, command
    return None


def _swap(copy: Step, run: Step, installer: Installer, command: Command, *, earlier: Sequence[Step]) -> Finding:
    above, below = copy.statement.span.line, run.statement.span.line
    called = " ".join([command.program, *command.values[:2]])
    message = f"`{called}` on line {below} runs again whenever any file changes, since line {above} copies them all"
    hint = f"swap them: move line {below} above line {above}"
    if missing := _missing_files(installer, command, earlier):
        hint = f"put COPY {_to_copy(missing, copy)} and then line {below} above line {above}"
    return Finding("OrderBreaksCache", message, copy.statement.span, hint)


def _missing_files(installer: Installer, command: Command, earlier: Sequence[Step]) -> list[str]:
    """The files that the installer reads and no earlier step copied by name."""
    reads = installer.reads
    if "-r" in installer.verbs:
        values = command.values
        given = [values[i + 1] for i, value in enumerate(values[:-1]) if value in installer.verbs]
        reads = " ".join(given) or reads
    copied = {path.rpartition("/")[2] for step in earlier for _, path in _sources(step)}
    covers = any(name[:1] and "*" in name and reads.startswith(name.partition("*")[0]) for name in copied)
    names = reads.split()
    return [] if covers or any(name.rpartition("/")[2] in copied for name in names) else names


def _to_copy(names: list[str], copy: Step) -> str:
    """Sources and destination of a COPY that brings files to where the copy of everything would have brought them."""
    written = words_of(copy.statement).destination.value
    destination = "./" if written in (".", "./") else written.rstrip("/") + "/"
    there = copy.before.absolute(expanded(copy.before, words_of(copy.statement).destination))
    sources = [name.removeprefix(f"{there}/") for name in names]
    below = posixpath.dirname(sources[0])
    return f"{' '.join(sources)} {destination}{below}{'/' if below else ''}"


def many_layers(subject: Subject) -> Iterator[Finding]:
    """ManyLayers: RUNs that follow one another and could be one, each with a layer of the image to itself."""
    for stage in subject.shipped():
        group: list[Step] = []
        for step in (*subject.own_steps(stage), None):
            if step is not None and _joins(group, step):
                group.append(step)
                continue
            if len(group) > 1:
                yield _joined(group)
            group = [step] if step is not None and _is_plain_run(step) else []


def _joins(group: Sequence[Step], step: Step) -> bool:
    return bool(group) and _is_plain_run(step) and _flags(step) == _flags(group[-1])


def _is_plain_run(step: Step) -> bool:
    statement = step.statement
    return statement.keyword == "RUN" and statement.arguments is None and not statement.heredocs


def _flags(step: Step) -> tuple[str, ...]:
    return tuple(flag.span.text for flag in step.statement.flags)


def _joined(group: Sequence[Step]) -> Finding:
    lines = [str(step.statement.span.line) for step in group]
    message = f"RUNs on lines {', '.join(lines[:-1])} and {lines[-1]} make {len(group)} layers where one would do"
    span = group[1].statement.keyword_span
    return Finding("ManyLayers", message, span, f"join them to line {lines[0]} with &&")


def doubled_layers(subject: Subject) -> Iterator[Finding]:
    """ChownDoublesLayer: a change of owner or mode after the COPY writes all files into a second layer."""
    for stage in subject.shipped():
        copies: list[tuple[Step, str]] = []
        for step in subject.own_steps(stage):
            if step.statement.keyword in ("COPY", "ADD"):
                copies.append((step, step.before.absolute(expanded(step.before, words_of(step.statement).destination))))
            if step.statement.keyword != "RUN":
                continue
            for command, flag, value, paths in _changes(step):
                # Where a path is only a part of what was copied, not much is doubled.
                touched = [copy for copy, place in copies if any(_is_in(place, path) for path in paths)]
                before = [copy for copy in touched if flag_of(copy.statement, flag) is None]
                if before:
                    yield _doubled(command, before, flag, value)


def _changes(step: Step) -> Iterator[tuple[Command, str, str, tuple[str, ...]]]:
    """The recursive changes of owner or mode in a RUN: what says so, as which flag, its value, and the paths."""
    directory = step.before
    for command in commands_of(step.statement):
        if command.program == "cd" and command.values:
            moved = directory.absolute(expanded(directory, command.arguments[0].text))
            directory = replace(directory, config=replace(directory.config, directory=moved))
        if command.program in ("chown", "chmod") and command.has(
            "--recursive", "-R", "-Rf", "-fR", "-hR", "-Rh", "-vR"
        ):
            value, paths = command.operands()[:1], command.operands()[1:]
            if paths:
                places = tuple(directory.absolute(expanded(directory, path.text)) for path in paths)
                yield command, command.program, value[0].value, places


def _is_in(path: str, directory: str) -> bool:
    return directory == "/" or path == directory or path.startswith(f"{directory}/")


def _doubled(command: Command, copies: Sequence[Step], flag: str, value: str) -> Finding:
    statements = [copy.statement for copy in copies]
    lines = " and ".join(f"line {statement.span.line}" for statement in statements)
    message = f"{command.program} -R writes what {lines} copied into a second layer, as big as the first"
    hint = "; ".join(
        f"write line {each.span.line} as {relined(each, each.keyword_span.text, f'--{flag}={value}')}"
        for each in statements
    )
    return Finding("ChownDoublesLayer", message, command.span, f"{hint}, and take the {command.program} out")
