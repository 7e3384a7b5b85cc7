"""``--from``: an earlier stage by name or number, a named context, or an image."""

from __future__ import annotations

from minibuild.dockerfile.text import Text
from minibuild.errors import DockerfileError, Finding, did_you_mean
from minibuild.instructions.base import StageState
from minibuild.instructions.effects import FromImage, FromStage, Origin


def origin_of(text: Text, state: StageState) -> Origin:
    """What a ``--from`` means in a stage; raises DockerfileError for this stage, a later one, or no such number."""
    name, folded = text.value, text.value.lower()
    if "$" in name:
        raise DockerfileError(
            f"--from takes no variables, got '{name}'",
            span=text.span,
            hint=f"give it a name: FROM {name} AS base, then --from=base",
        )
    if folded in state.contexts:
        return FromImage(folded)
    if folded in state.stages:
        return FromStage(state.stages[folded])
    if folded in state.later_stages:
        raise _too_late(text, state)
    if name.isascii() and name.isdigit():
        raise DockerfileError(
            f"no stage has the number {name}",
            span=text.span,
            hint=f"the first FROM is stage 0, this one stage {state.stage}",
        )
    if "/" not in name and ":" not in name and "@" not in name:
        report_near_stage(text, name, state)
    return FromImage(name)


def report_near_stage(text: Text, name: str, state: StageState) -> None:
    """Warns of an image whose name is nearly that of an earlier stage."""
    hint = did_you_mean(name.lower(), [stage for stage in state.stages if not stage.isdigit()])
    if hint:
        state.report(Finding("NearStageName", f"'{name}' is no stage, so it is taken for an image", text.span, hint))


def _too_late(text: Text, state: StageState) -> DockerfileError:
    if state.later_stages[text.value.lower()] == state.stage:
        return DockerfileError(
            f"circular dependency: stage '{text}' copies from itself", span=text.span, hint="name an earlier stage"
        )
    return DockerfileError(
        f"stage '{text}' is below this one, and a stage copies from earlier ones only",
        span=text.span,
        hint="move its FROM and what follows it above this stage",
    )
