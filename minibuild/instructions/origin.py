"""``--from``: an earlier stage by name or number, a named context, or an image."""

from __future__ import annotations

from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, Finding, UsageError, did_you_mean
from minibuild.instructions.base import StageState
from minibuild.instructions.effects import FromImage, FromStage, Origin
from minibuild.oci import Reference


def check_origin(text: Text, flag: str) -> None:
    """Raises DockerfileError where ``--from``, or ``from`` of a mount, holds a variable, which nothing replaces."""
    if "$" in text.value:
        raise DockerfileError(
            f"{flag} takes no variables, got '{text}'",
            span=text.span,
            hint=f"give it a name: FROM {text} AS base, then {flag}=base",
        )


def origin_of(text: Text, state: StageState) -> Origin:
    """What a ``--from`` means in a stage; raises DockerfileError for this stage, a later one, or no such number."""
    name, folded = text.value, text.value.lower()
    if folded in state.contexts:
        return FromImage(folded)
    if folded in state.stages:
        return FromStage(state.stages[folded])
    if folded in state.later_stages:
        raise _too_late(text, state)
    if folded == "scratch":
        raise DockerfileError("scratch holds no files to take", span=text.span, hint="name a stage or an image")
    if name.isascii() and name.isdigit():
        raise DockerfileError(
            f"no stage has the number {name}",
            span=text.span,
            hint=f"the first FROM is stage 0, this one stage {state.stage}",
        )
    _check_reference(text, state)
    if "/" not in name and ":" not in name and "@" not in name:
        report_near_stage(text, name, state)
    return FromImage(name)


def _check_reference(text: Text, state: StageState) -> None:
    try:
        Reference.parse(text.value)
    except UsageError as error:
        could_be_a_stage = not any(mark in text.value for mark in ":@/")
        message = f"{error.message}, and no stage has that name" if could_be_a_stage else error.message
        hint = _near_stage(text.value, state) or error.hint
        raise DockerfileError(message, span=text.span, hint=hint) from None


def report_near_stage(text: Text, name: str, state: StageState) -> None:
    """Warns of an image whose name is nearly that of an earlier stage."""
    if hint := _near_stage(name, state):
        state.report(Finding("NearStageName", f"'{name}' is no stage, so it is taken for an image", text.span, hint))


def _near_stage(name: str, state: StageState) -> str:
    return did_you_mean(name.lower(), [stage for stage in state.stages if not stage.isdigit()])


def _too_late(text: Text, state: StageState) -> DockerfileError:
    if state.later_stages[text.value.lower()] == state.stage:
        return DockerfileError(
            f"circular dependency: stage '{text}' takes files from itself", span=text.span, hint="name an earlier stage"
        )
    return DockerfileError(
        f"stage '{text}' is below this one, and a stage takes files from earlier ones only",
        span=text.span,
        hint="move its FROM and what follows it above this stage",
    )
