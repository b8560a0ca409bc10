"""Series of epochs without their noise."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.core.history import History

#: Names under which frameworks report accuracy.
ACCURACIES = (
    "accuracy",
    "acc",
    "categorical_accuracy",
    "sparse_categorical_accuracy",
    "binary_accuracy",
    "top1",
)


def median_of_three(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """A running median over three epochs; single outliers vanish, ends see two values' mean.

    values : ndarray of shape (epoch,), finite
    """
    if len(values) < 3:
        return values.copy()
    inner = np.median(np.stack([values[:-2], values[1:-1], values[2:]]), axis=0)
    ends = [values[:2].mean()], [values[-2:].mean()]
    return np.concatenate([ends[0], inner, ends[1]])


def noise(values: NDArray[np.float64]) -> float:
    """The standard deviation of the jitter between epochs, by the median of second differences
    so that a trend does not count (for white noise these spread by √6)."""
    if len(values) < 4:
        return 0.0
    return float(1.4826 * np.median(np.abs(np.diff(values, 2))) / np.sqrt(6.0))


def both_phases(
    history: History, names: Iterable[str]
) -> tuple[str, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]] | None:
    """Name, epochs, training and validation values of the first metric seen in both phases.

    Only epochs in which both are finite are kept.
    """
    for name in names:
        epochs, train = history.array(Fact.METRIC, name, TRAIN)
        val_epochs, val = history.array(Fact.METRIC, name, VALIDATION)
        common, at, val_at = np.intersect1d(epochs, val_epochs, return_indices=True)
        if len(common) == 0:
            continue
        train, val = train[at], val[val_at]
        keep = np.isfinite(train) & np.isfinite(val)
        return name, common[keep], train[keep], val[keep]
    return None


def accuracy_names(history: History) -> tuple[str, ...]:
    """The accuracy metrics of the run, the usual names first."""
    names = history.names(Fact.METRIC, VALIDATION)
    usual = [name for name in ACCURACIES if name in names]
    return tuple(usual + [n for n in names if n not in usual and n.lower().endswith("accuracy")])
