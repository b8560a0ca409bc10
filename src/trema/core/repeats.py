"""Equal samples within a data set, and equal samples with different targets.

Rows are hashed by some of their columns first; only rows whose hash occurs again are compared
whole. So the cost is that of one pass over few columns for any data without repeats.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trema.core.datasets import CLASSES, TOLD, Repeats
from trema.core.samples import fingerprints

#: Numbers hashed in the first pass, at most: about 0.2 s.
THIN = 6 * 2**20
#: Numbers hashed of rows that may be equal, at most.
FULL = 24 * 2**20
#: Rows of a data set that are looked at; beyond, nothing is said.
ROWS = 2**20


def repeats(inputs: Mapping[str, np.ndarray], targets: np.ndarray | None) -> Repeats | None:
    """The equal samples of a data set; None when it is too large, or most rows need a look.

    Parameters
    ----------
    inputs : arrays of shape (sample, …) by name
    targets : array of shape (sample, …), or None
    """
    arrays = [array.reshape(len(array), -1) for array in inputs.values() if array.ndim >= 1]
    size = len(arrays[0]) if arrays else 0
    if size < 2 or size > ROWS or any(len(array) != size for array in arrays):
        return None
    candidates = _candidates(arrays, size)
    width = sum(array.shape[1] for array in arrays)
    if not len(candidates):
        return Repeats(count=0)
    if len(candidates) * width > FULL:
        return None
    hashes = _joined([fingerprints(array[candidates]) for array in arrays])
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    first_of = first[inverse]
    again = np.flatnonzero(first_of != np.arange(len(candidates)))
    if not len(again):
        return Repeats(count=0)
    samples, twins = candidates[again], candidates[first_of[again]]
    blank = _blank(arrays, candidates)
    return Repeats(
        count=len(again),
        samples=_told(samples),
        twins=_told(twins),
        blank=int(blank[again].sum()),
        **_conflicts(targets, candidates, first_of, blank, again),
    )


def _candidates(arrays: list[np.ndarray], size: int) -> NDArray[np.int64]:
    """Rows whose thin hash occurs more than once, in order."""
    width = sum(array.shape[1] for array in arrays)
    share = max(8, THIN // size)
    thin = [array[:, :: max(1, -(-width // share))] for array in arrays]
    hashes = _joined([fingerprints(array) for array in thin])
    order = np.argsort(hashes, kind="stable")
    ordered = hashes[order]
    same = ordered[1:] == ordered[:-1]
    more = np.zeros(size, dtype=bool)
    more[1:] |= same
    more[:-1] |= same
    return np.sort(order[more]).astype(np.int64)


def _joined(parts: list[NDArray[np.uint64]]) -> NDArray[np.uint64]:
    total = parts[0]
    for part in parts[1:]:
        total = total * np.uint64(0x9E3779B97F4A7C15) + part
    return total


def _blank(arrays: list[np.ndarray], rows: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether all values of a row are one number: an empty image, a text of padding."""
    blank = np.ones(len(rows), dtype=bool)
    for array in arrays:
        part = array[rows]
        blank &= (part == part[:, :1]).all(axis=1)
    return blank


def _conflicts(
    targets: np.ndarray | None,
    candidates: NDArray[np.int64],
    first_of: NDArray[np.int64],
    blank: NDArray[np.bool_],
    again: NDArray[np.int64],
) -> dict[str, Any]:
    if targets is None or len(targets) <= int(candidates[-1]):
        return {}
    y = targets[candidates].reshape(len(candidates), -1)
    differs = np.zeros(len(candidates), dtype=bool)
    differs[again] = (y[again] != y[first_of[again]]).any(axis=1) & ~blank[again]
    groups = np.zeros(len(candidates), dtype=bool)
    groups[first_of[differs]] = True
    at = np.flatnonzero(differs)
    found: dict[str, Any] = {
        "conflicting": int((groups[first_of] & ~blank).sum()),
        "conflicts": _told(candidates[at]),
        "conflict_twins": _told(candidates[first_of[at]]),
    }
    if y.shape[1] == 1 and y.dtype.kind in "biu":
        values, counts = np.unique(y[again], return_counts=True)
        if len(values) <= CLASSES:
            found["classes"] = {int(v): int(c) for v, c in zip(values, counts, strict=True)}
    return found


def _told(rows: NDArray[np.int64]) -> tuple[int, ...]:
    return tuple(int(row) for row in rows[:TOLD])
