"""The features of samples on one scale, larger for what is more likely to be looked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.travel.abnormality import anomalies
from trema.travel.dynamics import Dynamics

Floats = NDArray[np.float32]
#: Features of which small values are suspicious.
_LOW = frozenset(
    {
        "confidence_last",
        "confidence_mean",
        "gap_last",
        "gap_mean",
        "margin_last",
        "margin_mean",
        "belief_mean",
    }
)
#: The first weights by intention. Measured on 27 runs of 5,000 samples; equal weights of the
#: same features found 1 % less over 40 rounds. "abnormal" is the paper's: its four features,
#: equal; "open" is equal weights of all there is.
INTENTIONS: Mapping[str, Mapping[str, float]] = {
    "mislabelled": {
        "margin_mean": 0.5,
        "wrong": 0.15,
        "other_label": 0.15,
        "learned": 0.1,
        "loss_mean": 0.1,
    },
    "mispredicted": {
        "other_prediction": 0.35,
        "confidence_last": 0.25,
        "confidence_mean": 0.2,
        "unsettled": 0.15,
        "flips": 0.05,
    },
    "abnormal": {
        "rare_location": 0.25,
        "rare_velocity": 0.25,
        "rare_acceleration": 0.25,
        "rare_confidence": 0.25,
    },
    "open": {},
}
#: Classes up to which each class has a column of its own.
_CLASSES = 32
_FEWEST = 8


@dataclass(frozen=True)
class Columns:
    """Features of N samples, ready for a preference.

    values : by name, (N,) as measured; NaN where absent
    names : features in the order of the columns, each of which has two: how far out in the
        tail (−log of the share of samples that are at least as suspicious) and the rank itself
    matrix : (N, d) float32 of mean 0, those of features of deviation 1; the columns after
        2 × len(names) are classes of the label and of the prediction
    """

    values: dict[str, NDArray[np.floating]]
    names: tuple[str, ...]
    matrix: Floats

    def first(self, weights: Mapping[str, float]) -> NDArray[np.float64]:
        """Weights (d,) of the columns: those named on the tails; equal ones when none is there."""
        chosen = [weights.get(name, 0.0) for name in self.names]
        given = np.zeros(self.matrix.shape[1])
        given[: len(chosen)] = chosen if any(chosen) else 1.0 / max(1, len(chosen))
        return given / given.sum() if given.sum() > 0 else given


def columns_of(
    movement: Dynamics, rare: Mapping[str, NDArray[np.floating]], among: NDArray[np.int64]
) -> Columns:
    """Columns of the samples ``among`` (n,), by which they are compared with each other.

    A feature that no sample has, or that is the same for all, has no column.
    """
    values: dict[str, NDArray[np.floating]] = {**movement.scalars, **rare}
    names, tails, ranks = [], [], []
    for name, measured in values.items():
        oriented = -measured[among] if name in _LOW else measured[among]
        finite = np.isfinite(oriented)
        if not finite.any() or oriented[finite].min() == oriented[finite].max():
            continue
        rank = np.full(len(among), np.nan)
        rank[finite] = _shares(oriented[finite])
        names.append(name)
        tails.append(_even(-np.log(1.0 - rank)))
        ranks.append(_even(rank))
    classes = _classes(movement, among)
    matrix = np.stack([*tails, *ranks, *classes], axis=1) if names else np.zeros((len(among), 0))
    return Columns(values, tuple(names), np.ascontiguousarray(matrix, dtype=np.float32))


def rarities(movement: Dynamics, logits: object) -> dict[str, NDArray[np.float64]]:
    """The anomaly scores (N,) by feature, named ``rare_…``; none of a handful of samples."""
    if int(movement.usable.sum()) < _FEWEST:
        return {}
    found = anomalies(movement.positions, logits, kind=movement.kind)  # type: ignore[arg-type]
    return {f"rare_{name}": values for name, values in found.by_feature.items()}


def _shares(values: NDArray[np.floating]) -> NDArray[np.float64]:
    """The share of values below each, equal ones sharing their middle; inside (0, 1)."""
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    return np.asarray(((np.cumsum(counts) - counts / 2) / len(values))[at])


def _even(column: NDArray[np.float64]) -> NDArray[np.float64]:
    """Mean 0 and deviation 1; what is absent is at the mean."""
    finite = np.isfinite(column)
    mean, spread = column[finite].mean(), column[finite].std()
    return np.where(finite, (column - mean) / max(spread, 1e-12), 0.0)


def _classes(movement: Dynamics, among: NDArray[np.int64]) -> list[NDArray[np.float64]]:
    labels = movement.labels
    said = [movement.predicted[among]]
    if labels is not None and labels.ndim == 1 and (labels[among] >= 0).all():
        said.append(labels[among])
    result = []
    for which in said:
        present = np.unique(which)
        if 1 < len(present) <= _CLASSES:
            marks = (which[:, None] == present).astype(np.float64)
            result += list((marks - marks.mean(axis=0)).T)
    return result
