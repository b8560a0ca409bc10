"""A few numbers of a column that lie far from all its others: rows in another unit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trema.core.datasets import TOLD, Columns, Faraway

#: Distance to the nearest other number, over the range of all others.
GAP = 20.0
#: Share of the rows that may lie there; fewer than three rows, or than this share, is chance.
MOST, LEAST = 0.05, 0.005
#: Columns of a table that are looked at; wider ones hold pixels, counts or codes.
COLUMNS = 512


def faraway(rows: np.ndarray, columns: Columns, step: int) -> tuple[Faraway, ...]:
    """Columns with a few numbers beyond an empty gap; ``step`` is the distance of the rows."""
    size, width = rows.shape
    if size < 60 or width > COLUMNS or rows.dtype.kind == "b":
        return ()
    # the greatest distance of a few rows from a bulk lifts the range over the deviation
    with np.errstate(all="ignore"):
        wide = (columns.high - columns.low) > 4 * columns.std
    usable = np.flatnonzero(wide & (columns.distinct >= 20) & np.isfinite(columns.std))
    found = []
    for column in usable:
        values = rows[:, column]
        finite = np.isfinite(values)
        one = _column(values[finite].astype(np.float64))
        if one is None:
            continue
        low, high, gap = one
        out = finite & ((values < low) | (values > high))
        at = np.flatnonzero(out)
        far = values[at].astype(np.float64)
        if len(np.unique(far)) < max(2, 0.3 * len(far)):
            continue  # one number many times: it stands for something
        found.append(
            Faraway(
                column=int(column),
                count=len(at),
                of=int(finite.sum()),
                low=low,
                high=high,
                far=float(np.median(far)),
                gap=gap,
                rows=tuple(int(row) for row in at[:TOLD] * step),
            )
        )
    return tuple(found[:TOLD])


def _column(values: NDArray[np.float64]) -> tuple[float, float, float] | None:
    """The range of nearly all numbers and the gap beyond it, over that range."""
    ordered = np.sort(values)
    most = int(MOST * len(ordered))
    least = max(3, int(np.ceil(LEAST * len(ordered))))
    best = None
    for sign in (1.0, -1.0):
        line = ordered if sign > 0 else -ordered[::-1]
        tail = line[len(line) - most - 1 :]
        gaps = np.diff(tail)
        if not len(gaps):
            continue
        at = int(gaps.argmax())
        bulk = line[: len(line) - most + at]
        span = float(bulk[-1] - bulk[0])
        if len(line) - len(bulk) < least or span <= 0 or gaps[at] < GAP * span:
            continue
        # zeros with rare numbers are a rare event, no measurement in another unit
        _, counts = np.unique(bulk, return_counts=True)
        if counts.max() > 0.5 * len(bulk) or len(counts) < 20:
            continue
        edges = (float(bulk[0]), float(bulk[-1]))
        low, high = edges if sign > 0 else (-edges[1], -edges[0])
        if best is None or gaps[at] / span > best[2]:
            best = (low, high, float(gaps[at] / span))
    return best
