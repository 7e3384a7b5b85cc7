"""How ``minibuild plan`` shows a plan and what becomes of its steps: one small file a format, and a line in the table.

``picture`` says in words what text, dot and svg show alike; ``document`` is the JSON. Only the one that is asked for
is imported.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from minibuild.build.predicting import Forecast
    from minibuild.plan import Plan

FORMATS: Mapping[str, str] = MappingProxyType({"text": "text", "json": "document", "dot": "dot", "svg": "svg"})
"""Format → the module here whose ``draw`` gives its text, which ends with a line end."""


def draw(form: str, plan: Plan, forecast: Forecast) -> str:
    """A plan in one of the formats."""
    from importlib import import_module

    return str(import_module(f"{__name__}.{FORMATS[form]}").draw(plan, forecast))
