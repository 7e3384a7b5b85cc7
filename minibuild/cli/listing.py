"""Rows as a table, as JSON, or by a template: what ``--format`` means for ``images`` and ``history``."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from minibuild.cli.display.text import columns, visible
from minibuild.cli.template import Template
from minibuild.cli.template_functions import Record, to_json

_LEAST_COLUMN, _GAP = 10, 3


def listing(rows: Sequence[Record], form: str, headings: Mapping[str, str], shown: Sequence[str]) -> str:
    """The rows in the form that ``--format`` says: ``table``, ``json``, ``table TEMPLATE`` or ``TEMPLATE``.

    ``headings`` are those of all fields; ``shown`` are the fields of the plain table.
    """
    form = form.replace("\\t", "\t").replace("\\n", "\n")
    if form == "json":
        return "".join(to_json(row) + "\n" for row in rows)
    if form in ("", "table"):
        form = "table " + "\t".join(f"{{{{.{name}}}}}" for name in shown)
    is_table = re.match(r"table\s+", form)
    template = Template.parse(form[is_table.end() :] if is_table else form)
    lines = [template.render(row) for row in rows]
    if not is_table:
        return "".join(line + "\n" for line in lines)
    return _aligned([template.render(Record(headings)), *lines])


def _aligned(lines: Sequence[str]) -> str:
    table = [[visible(cell) for cell in line.split("\t")] for line in lines]
    widths: list[int] = []
    for row in table:
        for place, cell in enumerate(row):
            widths += [_LEAST_COLUMN] * (place + 1 - len(widths))
            widths[place] = max(widths[place], columns(cell) + _GAP)
    return "".join(_row(row, widths) for row in table)


def _row(cells: Sequence[str], widths: Sequence[int]) -> str:
    padded = [cell + " " * (width - columns(cell)) for cell, width in zip(cells[:-1], widths, strict=False)]
    return "".join([*padded, cells[-1]]).rstrip() + "\n"
