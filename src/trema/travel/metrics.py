"""What a movie keeps of the run: one function a measure, on plain arrays.

``high`` are representations and ``low`` their positions. Arrays over time are of shape
(epoch, sample, …). :func:`trema.travel.quality` measures a whole movie by them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from trema.core.errors import UsageError
from trema.travel import heads as outputs
from trema.travel.heads import Kind
from trema.travel.nearest import nearest, overlap

Doubles = NDArray[np.float64]
#: Nearest epochs that temporal neighbours are judged by (TimeVis).
TEMPORAL_K = 5
#: Floats of one block of trajectories: 32 MB.
_BLOCK = 1 << 23


def neighbour_preservation(
    high: ArrayLike,
    low: ArrayLike,
    k: int = 15,
    *,
    queries: ArrayLike | None = None,
    unseen: tuple[ArrayLike, ArrayLike] | None = None,
) -> float:
    """How many of the ``k`` nearest samples stay among the ``k`` nearest, from 0 to k.

    ``mean over q of |kNN(high, q) ∩ kNN(low, q)|``, Euclidean, against all samples (n, D) and
    (n, 2). The queries are the samples of indices ``queries`` (default all), each without
    itself, or the ``unseen`` samples, given as (representations, positions).
    """
    rows, places = _matched(high, low)
    _enough(len(rows), k, spare=unseen is None)
    if unseen is not None:
        far, near = _matched(*unseen)
        return float(overlap(nearest(far, rows, k), nearest(near, places, k)).mean())
    which = _indices(queries, len(rows))
    return float(
        overlap(
            nearest(rows[which], rows, k, itself=which),
            nearest(places[which], places, k, itself=which),
        ).mean()
    )


def boundary_preservation(
    high: ArrayLike, low: ArrayLike, border_high: ArrayLike, border_low: ArrayLike, k: int = 15
) -> float:
    """How many of the ``k`` nearest border points stay the nearest, from 0 to k.

    As neighbour preservation, but neighbours are looked for among border points (m, D), laid at
    (m, 2), where the prediction changes.
    """
    rows, places = _matched(high, low)
    border, laid = _matched(border_high, border_low)
    _enough(len(border), k, spare=False)
    return float(overlap(nearest(rows, border, k), nearest(places, laid, k)).mean())


def prediction_preservation(logits: ArrayLike, back: ArrayLike, kind: Kind = "softmax") -> float:
    """Share of samples whose prediction survives projection and back (PPR), from 0 to 1.

    ``mean of [argmax g(x) = argmax g(dec(enc(x)))]`` for logits of shape (n, class) of the
    representations and of what came ``back``.
    """
    before, after = outputs.predicted(logits, kind), outputs.predicted(back, kind)
    return float((before == after).mean())


def confidence_difference(logits: ArrayLike, back: ArrayLike, kind: Kind = "softmax") -> float:
    """By how much probabilities change through projection and back, from 0 to 1.

    ``mean of |p_c(x) - p_c(dec(enc(x)))|`` where c is the class predicted for x; for
    *multilabel* the mean over the labels.
    """
    before, after = outputs.probabilities(logits, kind), outputs.probabilities(back, kind)
    if kind == "multilabel":
        return float(np.abs(before - after).mean())
    own = before.argmax(axis=1)[:, None]
    apart = np.take_along_axis(before, own, axis=1) - np.take_along_axis(after, own, axis=1)
    return float(np.abs(apart).mean())


def temporal_distances(frames: ArrayLike) -> NDArray[np.float32]:
    """Distances (sample, epoch, epoch) between a sample's own places, of frames (epoch, n, D)."""
    own = np.asarray(frames, dtype=np.float32)
    epochs, samples, width = own.shape
    size = max(1, _BLOCK // (epochs * max(width, epochs)))
    result = np.empty((samples, epochs, epochs), dtype=np.float32)
    for at in range(0, samples, size):
        part = own[:, at : at + size]
        for epoch in range(epochs):
            apart = part - part[epoch]
            result[at : at + size, epoch] = np.sqrt(np.einsum("tnd,tnd->nt", apart, apart))
    return result


def temporal_neighbour_preservation(
    high: ArrayLike, low: ArrayLike, k: int = TEMPORAL_K
) -> Doubles:
    """How many of a sample's ``k`` nearest epochs stay the nearest, from 0 to k, by epoch.

    ``mean over samples of |kNN(high[:, i], t) ∩ kNN(low[:, i], t)|`` where neighbours are the
    sample's own places at other epochs. ``high`` and ``low`` are :func:`temporal_distances`.
    NaN with no more than ``k`` other epochs, where it says nothing.
    """
    far, near = np.asarray(high), np.asarray(low)
    epochs = far.shape[1]
    if epochs - 1 <= k:
        return np.full(epochs, np.nan)
    return np.array(
        [overlap(_epochs(far, t, k), _epochs(near, t, k)).mean() for t in range(epochs)]
    )


def temporal_ranking(high: ArrayLike, low: ArrayLike) -> Doubles:
    """Rank correlation of a sample's distances to its other epochs, from -1 to 1, by epoch.

    ``mean over samples of Spearman(|high[t] - high[s]|, |low[t] - low[s]|)`` over the epochs
    s ≠ t. ``high`` and ``low`` are :func:`temporal_distances`. A sample that stands still on the
    canvas only counts 0; one that never moved is left out. NaN with fewer than 3 epochs.
    """
    far, near = np.asarray(high), np.asarray(low)
    epochs = far.shape[1]
    if epochs < 3:
        return np.full(epochs, np.nan)
    result = []
    for t in range(epochs):
        others = np.arange(epochs) != t
        ranks = (_ranks(part[:, t, others]) for part in (far, near))
        result.append(_mean(_pearson(*ranks)))
    return np.array(result)


def motion_continuity(distances: ArrayLike) -> Doubles:
    """How straight and even samples move, from 0 (to and fro) to 1 (uniformly), by epoch.

    ``mean over samples of 1 - |v[t+1] - v[t]| / (|v[t+1]| + |v[t]|)`` where v are the steps
    before and after epoch t; those that stand still are left out. ``distances`` are
    :func:`temporal_distances`, which hold all it needs: |v[t+1] - v[t]|² = 2 |v[t+1]|² +
    2 |v[t]|² - |x[t+1] - x[t-1]|². The first and last epochs have no value: NaN. Compare it
    with that of the representations.
    """
    apart = np.asarray(distances, dtype=np.float64)
    epochs = apart.shape[1]
    result = np.full(epochs, np.nan)
    for t in range(1, epochs - 1):
        before, after, both = apart[:, t - 1, t], apart[:, t, t + 1], apart[:, t - 1, t + 1]
        turn = np.sqrt(np.maximum(2 * before**2 + 2 * after**2 - both**2, 0.0))
        moving = before + after > 0
        result[t] = _mean(1.0 - turn[moving] / (before + after)[moving])
    return result


def speed_correlation(high: ArrayLike, low: ArrayLike) -> Doubles:
    """Whether those who move far in representation space move far on the canvas, by epoch.

    Spearman correlation over samples of the steps from the epoch before, ``|high[t] -
    high[t-1]|`` and ``|low[t] - low[t-1]|``; NaN at the first epoch. ``high`` and ``low`` are
    :func:`temporal_distances`.
    """
    before = np.arange(np.asarray(high).shape[1] - 1)
    steps = (np.asarray(part)[:, before + 1, before].T for part in (high, low))
    ranks = (_ranks(part) for part in steps)
    return np.concatenate([[np.nan], _pearson(*ranks)])


def _epochs(distances: NDArray[Any], t: int, k: int) -> NDArray[np.int64]:
    """The ``k`` nearest other epochs (sample, k)."""
    row = distances[:, t].copy()
    row[:, t] = np.inf
    return np.asarray(np.argsort(row, axis=1, kind="stable")[:, :k])


def _ranks(values: NDArray[Any]) -> Doubles:
    """Ranks from 1 within rows (n, m), ties sharing their mean; NaN where a row has one."""
    order = np.argsort(values, axis=1, kind="stable")
    ordered = np.take_along_axis(values, order, axis=1)
    place = np.broadcast_to(np.arange(values.shape[1]), values.shape)
    fresh = np.ones(values.shape, dtype=bool)
    fresh[:, 1:] = ordered[:, 1:] != ordered[:, :-1]
    ends = np.ones(values.shape, dtype=bool)
    ends[:, :-1] = fresh[:, 1:]
    first = np.maximum.accumulate(np.where(fresh, place, 0), axis=1)
    last = np.where(ends, place, values.shape[1])[:, ::-1]
    last = np.minimum.accumulate(last, axis=1)[:, ::-1]
    ranks = np.empty(values.shape)
    np.put_along_axis(ranks, order, (first + last) / 2 + 1, axis=1)
    ranks[np.isnan(values).any(axis=1)] = np.nan
    return ranks


def _pearson(first: Doubles, second: Doubles) -> Doubles:
    """Correlation of rows (n, m): 0 where only the second is constant, NaN where the first is."""
    a = first - first.mean(axis=1, keepdims=True)
    b = second - second.mean(axis=1, keepdims=True)
    scale = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    result = np.einsum("nm,nm->n", a, b) / np.where(scale > 0, scale, 1.0)
    result[np.linalg.norm(a, axis=1) == 0] = np.nan
    return np.asarray(result)


def _mean(values: NDArray[Any]) -> float:
    """The mean of what is a number, NaN of nothing."""
    kept = values[~np.isnan(values)]
    return float(kept.mean()) if len(kept) else float("nan")


def _matched(high: ArrayLike, low: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    rows, places = np.asarray(high, dtype=np.float32), np.asarray(low, dtype=np.float32)
    if rows.ndim != 2 or places.ndim != 2 or len(rows) != len(places):
        raise UsageError(
            "expected representations (n, D) and positions (n, 2) of the same samples "
            f"but got {rows.shape} and {places.shape}"
        )
    return rows, places


def _enough(count: int, k: int, *, spare: bool) -> None:
    if k < 1 or count < k + spare:
        raise UsageError(f"k must be from 1 to {count - spare} for {count} points but got {k}")


def _indices(queries: ArrayLike | None, count: int) -> NDArray[np.int64]:
    return np.arange(count) if queries is None else np.asarray(queries, dtype=np.int64)
