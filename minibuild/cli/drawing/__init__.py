"""How ``minibuild plan`` shows a plan and what becomes of its steps: one small file a format, and a line in the table.

``picture`` says in words what text, dot and svg show alike; ``document`` is the JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from minibuild.build.predicting import Forecast
from minibuild.cli.drawing import document, dot, svg, text
from minibuild.plan import Plan

FORMATS: Mapping[str, Callable[[Plan, Forecast], str]] = MappingProxyType(
    {"text": text.draw, "json": document.draw, "dot": dot.draw, "svg": svg.draw}
)
"""Format → what draws it; the text ends with a line end."""
