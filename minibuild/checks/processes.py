"""Advice on what the image runs: as whom, and how many services at once."""

from __future__ import annotations

import re
from collections.abc import Iterator

from minibuild.checks.shell import Command, commands_of
from minibuild.checks.subject import Subject
from minibuild.errors import Finding
from minibuild.plan.steps import Stage, Step

_ROOT = re.compile(r"(root|0+)(:.*)?")
# Names of images that are made to run as somebody else.
_OTHERS = re.compile(r"non-?root|rootless|unprivileged|^(docker\.io/)?bitnami/|^cgr\.dev/")
# Programs with which an entrypoint becomes somebody else by itself.
_STEP_DOWN = frozenset(("gosu", "su-exec", "setpriv", "chpst", "s6-setuidgid", "runuser"))
# Programs that start others, watch them, and are given the user of each in their own configuration.
_SUPERVISORS = frozenset(("supervisord", "s6-svscan", "runsvdir", "runit", "circusd", "init", "systemd"))
# Commands that serve nobody: they prepare, or keep a shell from ending.
_NO_SERVICES = frozenset(
    ("wait", "tail", "sleep", "trap", "true", ":", "echo", "printf", "cat", "test", "[", "cd", "export", "set", ".")
) | frozenset(("source", "umask", "ulimit", "mkdir", "touch", "chmod", "chown", "ln", "cp", "mv", "rm", "exit"))
_STARTS = ("start", "restart")


def root_at_the_end(subject: Subject) -> Iterator[Finding]:
    """RunsAsRoot: what the image runs needs no power over the whole container.

    Only a stage that says what it runs, or sets USER, is asked: any other is a box of files, or leaves all to its base.
    """
    for stage in subject.targets():
        steps = [step for each in subject.below(stage) for step in subject.own_steps(each)]
        user, runs = _last(steps, "USER"), _last(steps, "ENTRYPOINT") or _last(steps, "CMD")
        if not _ROOT.fullmatch(stage.result.config.user or "root") or any(map(_steps_down, steps)):
            continue
        if user is not None and subject.is_up_to_base(user):
            continue
        if user is not None:
            message = f"USER {user.statement.body} is the last{_of(stage)}, so what the image runs is root"
            yield Finding("RunsAsRoot", message, user.statement.body.span, _remedy(steps, subject.base_name(stage)))
        elif runs is not None and not _may_be_other(stage, subject):
            yield Finding(
                "RunsAsRoot",
                _who(stage, subject),
                runs.statement.keyword_span,
                _remedy(steps, subject.base_name(stage)),
            )


def _last(steps: list[Step], keyword: str) -> Step | None:
    found = [step for step in steps if step.statement.keyword == keyword]
    return max(found, key=lambda step: step.statement.span.start) if found else None


def _steps_down(step: Step) -> bool:
    """Whether a step runs, or installs, a program with which an entrypoint stops being root."""
    if step.statement.keyword not in ("RUN", "CMD", "ENTRYPOINT"):
        return False
    words = (word.value for command in commands_of(step.statement) for word in command.words)
    return any(word.rpartition("/")[2].partition("=")[0] in _STEP_DOWN for word in words)


def _may_be_other(stage: Stage, subject: Subject) -> bool:
    return subject.is_unknown(stage) and bool(_OTHERS.search(subject.base_name(stage)))


def _who(stage: Stage, subject: Subject) -> str:
    if subject.is_unknown(stage):
        return f"no USER is set, so this runs as root unless {subject.base_name(stage)} says otherwise"
    return f"no USER is set{_of(stage)}, so this runs as root"


def _of(stage: Stage) -> str:
    return f" in stage {stage.name}" if stage.name else ""


def _remedy(steps: list[Step], base: str) -> str:
    if not base:
        return "say USER with a number that no file has to know, such as USER 65532"
    runs = (step.statement for step in steps if step.statement.keyword in ("CMD", "ENTRYPOINT"))
    programs = [command.program for statement in runs for command in commands_of(statement)]
    supervisor = next((program for program in programs if program in _SUPERVISORS), "")
    hint = "make a user in a RUN, and say USER with its name or number after the last step that needs root"
    return f"{hint}; if {supervisor} has to be root, have it start each program as another user" if supervisor else hint


def several_services(subject: Subject) -> Iterator[Finding]:
    """SeveralServices: a container that starts several services under a shell ends with one, and hides all others.

    A supervisor that was made for it (supervisord, s6, runit) is one service here.
    """
    for stage in subject.targets():
        steps = [step for each in subject.below(stage) for step in subject.own_steps(each)]
        for keyword in ("CMD", "ENTRYPOINT"):
            step = _last(steps, keyword)
            services = _services(step) if step is not None else []
            if len(services) > 1:
                yield _several(services, keyword)


def _services(step: Step) -> list[Command]:
    """The commands that a step leaves running: those in the background, those that start one, and the last."""
    commands = [command for command in commands_of(step.statement) if command.program not in _NO_SERVICES]
    services = [command for command in commands if command.ends == "&" or _is_start(command)]
    if services and commands[-1] not in services and commands[-1].ends != "&":
        services.append(commands[-1])
    return services


def _is_start(command: Command) -> bool:
    """Whether a command is ``service x start``, ``/etc/init.d/x start`` or ``systemctl start x``."""
    words = [word.value for word in command.operands()]
    if command.program in ("service", "rc-service"):
        return len(words) > 1 and words[1] in _STARTS
    if command.program == "systemctl":
        return bool(words) and words[0] in _STARTS
    return "/init.d/" in command.words[0].value and bool(words) and words[0] in _STARTS


def _several(services: list[Command], keyword: str) -> Finding:
    names = [_name(command) for command in services]
    listed = f"{', '.join(names[:-1])} and {names[-1]}"
    message = f"{keyword} starts {listed}: when one of them ends, nobody notices, and signals reach only the shell"
    hint = "make an image of each, or have a supervisor (supervisord, s6-overlay) start and watch them"
    first, last = services[0].span, services[-1].span
    return Finding("SeveralServices", message, first.source.span(first.start, max(first.end, last.end)), hint)


def _name(command: Command) -> str:
    words = [word.value for word in command.operands()]
    if command.program in ("service", "rc-service") and words:
        return words[0]
    return words[1] if command.program == "systemctl" and len(words) > 1 else command.program
