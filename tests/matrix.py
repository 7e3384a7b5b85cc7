"""What builds where: who builds × what keeps trees × what runs RUN, as found, and as a table of the README."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from string import ascii_lowercase

BEGIN, END = "<!-- matrix: begin -->\n", "<!-- matrix: end -->\n"
SAME = "="


@dataclass(frozen=True)
class Tier:
    """Who builds: what came of each pair (snapshotter, runtime): ``SAME``, or why it is something else or nothing."""

    name: str
    cells: Mapping[tuple[str, str], str] = field(default_factory=dict)


@dataclass(frozen=True)
class Matrix:
    """All tiers, each with a cell for each pair of a snapshotter and a runtime."""

    snapshotters: Sequence[str]
    runtimes: Sequence[str]
    tiers: Sequence[Tier]

    def markdown(self) -> str:
        """A table with a row for each tier and the snapshotters alike in it, and the reasons, each said once."""
        letters: dict[str, str] = {}
        lines = [
            f"| | trees by | {' | '.join(f'`{name}`' for name in self.runtimes)} |",
            f"|---|---|{'---|' * len(self.runtimes)}",
        ]
        for tier in self.tiers:
            name = tier.name
            for snapshotters, cells in self._rows(tier):
                marks = [cell if cell == SAME else _letter(letters, cell) for cell in cells]
                lines.append(f"| {name} | {', '.join(f'`{one}`' for one in snapshotters)} | {' | '.join(marks)} |")
                name = ""
        reasons = [f"- {letter}: {reason}" for reason, letter in letters.items()]
        return "\n".join([*lines, "", *reasons]) + "\n"

    def _rows(self, tier: Tier) -> list[tuple[list[str], list[str]]]:
        rows = [([tier.cells[name, runtime] for runtime in self.runtimes], name) for name in self.snapshotters]
        order = {tuple(cells): -position for position, (cells, _) in reversed(list(enumerate(rows)))}
        rows.sort(key=lambda row: -order[tuple(row[0])])
        return [([name for _, name in same], cells) for cells, same in groupby(rows, key=lambda row: row[0])]


def _letter(letters: dict[str, str], reason: str) -> str:
    return letters.setdefault(reason, ascii_lowercase[len(letters)])


def section(readme: Path) -> str:
    """What stands between the marks."""
    return readme.read_text().partition(BEGIN)[2].partition(END)[0]


def replace_section(readme: Path, text: str) -> None:
    """Puts something between the marks."""
    before, _, rest = readme.read_text().partition(BEGIN)
    readme.write_text(f"{before}{BEGIN}{text}{END}{rest.partition(END)[2]}")
