"""Bars of bytes moved, drawn by tqdm, which is imported only once there is something to draw on a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from minibuild.cli.display.text import fit, visible
from minibuild.cli.units import human_size
from minibuild.events import Transferred

_AT_MOST = 8
_NAME_COLUMNS = 24


def bars(amounts: Sequence[Transferred], elapsed: float, width: int) -> list[str]:
    """A row for each item still moving, at most eight, and one that counts the rest."""
    moving = [amount for amount in amounts if amount.done != amount.total]
    rows = [_bar(amount, elapsed, width) for amount in moving[:_AT_MOST]]
    if len(moving) > _AT_MOST:
        rows.append(f"and {len(moving) - _AT_MOST} more")
    return rows


def _bar(amount: Transferred, elapsed: float, width: int) -> str:
    name = fit(visible(amount.item), _NAME_COLUMNS)
    if not amount.total or width < 40:
        return fit(f"{name} {human_size(amount.done)}", width)
    from tqdm import tqdm

    bar = tqdm.format_meter(
        min(amount.done, amount.total),
        amount.total,
        elapsed,
        ncols=width,
        prefix=name,
        ascii=False,
        unit="B",
        unit_scale=True,
        bar_format="{desc}: {percentage:3.0f}% {bar} {n_fmt}/{total_fmt} {rate_fmt}",
    )
    return fit(bar, width)
