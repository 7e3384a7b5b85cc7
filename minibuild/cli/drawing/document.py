"""A plan as JSON, for programs; the README tells its shape."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from types import MappingProxyType
from typing import Any, assert_never

from minibuild.build.predicting import Forecast, Prediction
from minibuild.errors import Finding
from minibuild.instructions.effects import FromImage, FromStage
from minibuild.instructions.modes import SymbolicMode
from minibuild.oci import ImageConfig
from minibuild.plan import Plan, Stage, Step
from minibuild.plan.graph import Arrow, arrows
from minibuild.source import Span

_CACHED: Mapping[str, bool] = MappingProxyType({"cached": True, "runs": False, "fails": False})
_KINDS: Mapping[str, str] = MappingProxyType(
    {
        "RunCommand": "run",
        "CopyFiles": "copy",
        "MakeDirectory": "directory",
        "FromContext": "context",
        "FromStage": "stage",
        "FromImage": "image",
        "SourcePath": "path",
        "SourceUrl": "url",
        "SourceRepository": "repository",
        "BindMount": "bind",
        "CacheMount": "cache",
        "TmpfsMount": "tmpfs",
        "SecretMount": "secret",
        "SshMount": "ssh",
        "InlineFile": "file",
    }
)


def draw(plan: Plan, forecast: Forecast) -> str:
    """The document."""
    return json.dumps(document(plan, forecast), indent=2) + "\n"


def document(plan: Plan, forecast: Forecast) -> dict[str, Any]:
    """All that is known of a plan, as JSON values."""
    found = arrows(plan)
    return {
        "target": plan.stages[plan.target].title,
        "targets": [plan.stages[index].title for index in plan.targets],
        "platform": str(plan.stages[plan.target].platform),
        "stages": [_stage(stage, plan, forecast, found) for stage in plan.stages],
        "labels": dict(plan.labels),
        "warnings": [_warning(finding) for finding in plan.findings],
    }


def _stage(stage: Stage, plan: Plan, forecast: Forecast, found: tuple[Arrow, ...]) -> dict[str, Any]:
    steps = [_step(stage, step, forecast.steps.get((stage.index, step.number))) for step in stage.steps]
    return {
        "index": stage.index,
        "name": stage.name,
        "line": stage.base_span.line,
        "base": _base(stage),
        "platform": str(stage.platform),
        "needed": stage.index in plan.order,
        "built": None if stage.index in forecast.open else stage.index in forecast.built,
        "needs": [
            {"stage": arrow.tail, "kind": arrow.kind, "step": arrow.step}
            for arrow in found
            if arrow.head == stage.index
        ],
        "steps": steps,
        "image": _image(stage) if stage.steps else None,
    }


def _base(stage: Stage) -> dict[str, Any]:
    match stage.base:
        case None:
            return {"kind": "scratch"}
        case FromStage() | FromImage():
            return _value(stage.base)  # type: ignore[no-any-return]
        case other:
            assert_never(other)


def _step(stage: Stage, step: Step, prediction: Prediction | None) -> dict[str, Any]:
    return {
        "number": step.number,
        "line": step.statement.span.line if step.statement.span.source is stage.base_span.source else None,
        "instruction": step.statement.keyword,
        "text": step.statement.original.strip(),
        "effect": _value(step.effect),
        "key": prediction.key or None if prediction else None,
        "outcome": prediction.outcome if prediction else None,
        "cached": _CACHED.get(prediction.outcome) if prediction else None,
        "reason": "; ".join(prediction.reasons) if prediction else "",
    }


def _image(stage: Stage) -> dict[str, Any]:
    config = ImageConfig(stage.platform, stage.result.config, author=stage.result.author)
    whole: dict[str, Any] = json.loads(config.encode())
    return {name: whole[name] for name in ("architecture", "os", "variant", "author", "config") if name in whole}


def _warning(finding: Finding) -> dict[str, Any]:
    line = finding.span.line if finding.span else None
    return {"rule": finding.rule, "message": finding.message, "line": line, "hint": finding.hint}


def _value(value: Any) -> Any:
    """A value of an effect as JSON: those of classes of our own say in ``kind`` what they are."""
    if isinstance(value, SymbolicMode):
        return value.text
    if is_dataclass(value) and not isinstance(value, type):
        shown = (field for field in fields(value) if not isinstance(getattr(value, field.name), Span))
        pairs = {field.name: _value(getattr(value, field.name)) for field in shown if field.name != "span"}
        return {"kind": _KINDS[type(value).__name__], **pairs}
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, tuple):
        return [_value(item) for item in value]
    return value
