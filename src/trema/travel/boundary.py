"""Points of representation space between two predictions, found by bisection in batches.

DVI draws them by mixing two *inputs*; a recording holds representations only, so the mixing is
done there and the head decides. All pairs of a round are bisected together.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trema.travel import heads as outputs
from trema.travel.heads import Heads
from trema.travel.visualizers.base import Floats

#: Border points for each sample (DVI: a tenth of the samples).
SHARE = 0.1
#: A point counts when the top two logits stand closer than this share of their spread (DVI).
_CLOSE = 0.1
#: Halvings of the mixing weight (DVI: at most 8, which leaves 1/256 of the way).
_HALVINGS = 8
#: Share of the success rate and of under-sampling in the weights of class pairs (DVI).
_SUCCESS, _RARE = 0.05, 0.95
#: Rounds after which the weights of class pairs are set anew.
_ROUNDS = 4
#: Sets of labels looked at for multi-label heads, the most frequent first: pairs grow as squares.
_CLASSES = 512


def border_points(
    rows: Floats, heads: Heads, epoch: int, count: int, draw: np.random.Generator
) -> Floats:
    """Up to ``count`` representations (m, D) at which the prediction of an epoch changes.

    ``rows`` are the finite representations (n, D) of the epoch. Pairs of classes are drawn by
    ``0.05 success + 0.95 rarity``, samples of a class by 1 / (gap of the top two logits). Where
    all samples are predicted as one class there are none.
    """
    logits = heads.logits(rows, epoch)
    classes = outputs.predicted(logits, heads.kind)
    pool = _Pool(classes, _gap(logits, heads.kind))
    kinds = len(pool.names)
    if kinds < 2 or count < 1:
        return np.empty((0, rows.shape[1]), dtype=np.float32)
    tried = np.zeros((kinds, kinds))
    hit = np.zeros((kinds, kinds))
    found: list[Floats] = []
    for _ in range(_ROUNDS):
        first, second = _pairs(tried, hit, -(-count // _ROUNDS), draw)
        points, good = _bisect(
            rows[pool.take(first, draw)], rows[pool.take(second, draw)], heads, epoch
        )
        np.add.at(tried, (first, second), 1)
        np.add.at(hit, (first, second), good)
        found.append(points[good])
    return np.concatenate(found)[:count]


class _Pool:
    """Samples by predicted class, drawn within a class by weights."""

    def __init__(self, classes: NDArray[np.int64], gap: Floats) -> None:
        _, of, size = np.unique(classes, return_inverse=True, return_counts=True)
        self.names = np.sort(np.argsort(-size, kind="stable")[:_CLASSES])
        self._order = np.argsort(of, kind="stable")
        # a floor, or one sample on the border would be drawn every time
        weight = 1.0 / np.maximum(gap, np.quantile(gap, 0.01) + 1e-6)
        self._sums = np.concatenate([[0.0], np.cumsum(weight[self._order].astype(np.float64))])
        ends = np.cumsum(size)
        self._first, self._last = (ends - size)[self.names], ends[self.names]

    def take(self, which: NDArray[np.int64], draw: np.random.Generator) -> NDArray[np.int64]:
        """A sample of each class (by its place among ``names``)."""
        first, last = self._first[which], self._last[which]
        low, high = self._sums[first], self._sums[last]
        places = np.searchsorted(self._sums, low + draw.random(len(which)) * (high - low), "right")
        return np.asarray(self._order[np.clip(places - 1, first, last - 1)])


def _gap(logits: Floats, kind: str) -> Floats:
    """How far the prediction stands from changing, in units of logits (n,)."""
    if kind == "softmax":
        top = np.partition(logits, -2, axis=1)
        return np.asarray(top[:, -1] - top[:, -2])
    return np.asarray(np.abs(logits).min(axis=1))


def _pairs(
    tried: NDArray[np.float64], hit: NDArray[np.float64], count: int, draw: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Pairs of different classes (count,), (count,)."""
    success = np.where(tried > 0, hit / np.maximum(tried, 1), 1.0)
    rarity = 1.0 / (1.0 + hit + hit.T)  # a pair is the same border from both sides
    weight = _SUCCESS * success / success.sum() + _RARE * rarity / rarity.sum()
    np.fill_diagonal(weight, 0.0)
    drawn = draw.choice(weight.size, size=count, p=(weight / weight.sum()).ravel())
    first, second = np.divmod(drawn, len(weight))
    return np.asarray(first), np.asarray(second)


def _bisect(
    here: Floats, there: Floats, heads: Heads, epoch: int
) -> tuple[Floats, NDArray[np.bool_]]:
    """Points between ``here`` and ``there`` where the prediction of ``here`` ends, and which do."""
    own = outputs.predicted(heads.logits(here, epoch), heads.kind)
    low = np.zeros((len(here), 1), dtype=np.float32)  # share of ``there``: still own class
    high = np.ones_like(low)
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        said = outputs.predicted(heads.logits(here + middle * (there - here), epoch), heads.kind)
        same = (said == own)[:, None]
        low, high = np.where(same, middle, low), np.where(same, high, middle)
    points = np.asarray(here + (low + high) / 2 * (there - here), dtype=np.float32)
    logits = heads.logits(points, epoch)
    if heads.kind == "multilabel":  # one label turns at a border while the others may be sure
        return points, np.abs(outputs.probabilities(logits, heads.kind) * 2 - 1).min(1) < _CLOSE
    return points, outputs.margin(logits, heads.kind) < _CLOSE
