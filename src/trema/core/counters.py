"""Columns that only number the rows: evenly spaced, each number once, scaled or not."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trema.core.datasets import Columns, Counter

#: Rows looked at, at most, and at least.
ROWS, FEW = 4096, 100
#: Distance of a gap to a whole multiple of the smallest one, over that one: rounding of float32.
EVEN = 0.1
#: Numbers that are there, over those from the first to the last: a split leaves some out.
COVERED = 0.5
#: Columns of a table, at least: of one or two, the position itself may be what is learned from.
COLUMNS = 3


def counters(
    rows: np.ndarray, columns: Columns, classes: NDArray[np.int64] | None
) -> tuple[Counter, ...]:
    """Columns of a table that number its rows.

    Parameters
    ----------
    rows : ndarray of shape (sample, column)
    classes : ndarray of shape (sample,), or None where targets are none
    """
    if rows.ndim != 2 or rows.shape[1] < COLUMNS:
        return ()
    rows = rows[:ROWS]
    classes = classes[: len(rows)] if classes is not None and len(classes) >= len(rows) else None
    found = []
    for column in np.flatnonzero((columns.distinct >= FEW) & (columns.nonfinite == 0)):
        values, first = np.unique(rows[:, column].astype(np.float64), return_index=True)
        if len(values) < max(FEW, 0.5 * len(rows)) or not _even(values):
            continue
        if len(values) < len(rows) and len(values) < len(np.unique(rows, axis=0)):
            continue  # a row that passes twice is one row
        runs = _runs(classes[first]) if classes is not None else (0.0, 0.0)
        found.append(Counter(column=int(column), mean_run=runs[0], expected_run=runs[1]))
    return tuple(found)


def _even(values: NDArray[np.float64]) -> bool:
    """Whether sorted numbers stand on a grid of which they fill the larger part."""
    gaps = np.diff(values)
    steps = np.round(gaps / np.quantile(gaps, 0.1))
    if steps.min() < 1 or len(values) < COVERED * (steps.sum() + 1):
        return False
    unit = gaps.sum() / steps.sum()
    return bool((np.abs(gaps - steps * unit) < EVEN * unit).all())


def _runs(y: NDArray[np.int64]) -> tuple[float, float]:
    """Mean length of runs of one class, and that of the same labels shuffled."""
    _, counts = np.unique(y, return_counts=True)
    size = len(y)
    same = float((counts * (counts - 1.0)).sum() / (size * (size - 1.0)))
    changes = int((y[1:] != y[:-1]).sum())
    return size / (changes + 1), size / (1 + (size - 1) * (1 - same))
