"""Learning rates by kind of optimizer: where the usual range ends, and what a run has used."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.core.facts import Fact, OptimizerInfo
from trema.core.history import History


@dataclass(frozen=True)
class Range:
    """Limits of the learning rate of one kind of optimizer.

    high : above it runs that do not learn are told; healthy programs exist
    doubtful : above it is told unless the run clearly learns
    absurd : above it is told always
    low : a rate that never rises above it does not train
    """

    high: float
    doubtful: float
    absurd: float
    low: float


# Step of about the rate itself for each weight (Kingma & Ba, arXiv:1412.6980): a step of 0.02
# already outgrows the usual initial weights. TensorFlow's tutorials use 0.1 on linear models.
_ADAM = Range(0.02, 0.2, 1.0, 1e-7)
# PyTorch's word language model trains with 20 and clipping, transformer tutorials with 5.
_SGD = Range(1.0, 100.0, 100.0, 1e-8)

_RANGES = {
    **dict.fromkeys(("adam", "adamw", "nadam", "radam", "adamax", "amsgrad", "rmsprop"), _ADAM),
    "lamb": Range(0.1, 1.0, 10.0, 1e-7),
    "lion": Range(3e-3, 0.03, 0.3, 1e-8),  # sign steps; 3 to 10 times below Adam, 2302.06675
    "adafactor": Range(0.1, 1.0, 10.0, 1e-7),
    "muon": Range(0.2, 1.0, 10.0, 1e-7),
    "sgd": _SGD,
    "asgd": _SGD,
    "adagrad": Range(1.0, 10.0, 100.0, 1e-7),
    "adadelta": Range(10.0, 100.0, 1000.0, 1e-7),  # the default of Keras 2 and PyTorch is 1.0
    "ftrl": Range(1.0, 10.0, 100.0, 1e-8),
    "rprop": Range(1.0, 10.0, 100.0, 1e-9),
    "lbfgs": Range(10.0, 100.0, 1000.0, 1e-9),  # quasi-Newton steps; 1 is the default
}
_UNKNOWN = Range(1e3, 1e3, 1e3, 0.0)  # some set their own scale and take 1.0


def usual_range(kind: str) -> Range:
    """The limits for this kind of optimizer; only absurd rates are outside for unknown kinds."""
    return _RANGES.get(kind.lower(), _UNKNOWN)


@dataclass(frozen=True)
class Rates:
    """The learning rates of one optimizer group that were in force.

    steps : ndarray of shape (n,), empty when only the rate at the start is known
    values : ndarray of shape (n,), at least one
    """

    optimizer: OptimizerInfo
    group: int
    steps: NDArray[np.int64]
    values: NDArray[np.float64]

    @property
    def typical(self) -> float:
        """The median rate: a sweep or a short peak of a schedule does not move it far."""
        return float(np.median(self.values))

    @property
    def highest(self) -> float:
        """The highest rate seen."""
        return float(self.values.max())


def observed_rates(history: History) -> Iterator[Rates]:
    """The finite rates of every group of every optimizer; those at the start where none are
    observed."""
    for index, optimizer in enumerate(history.run.optimizers):
        groups = max(len(optimizer.learning_rates), _groups_seen(history, optimizer, index))
        for group in range(groups):
            steps, values = _series(history, optimizer, index, group)
            if len(values) == 0 and group < len(optimizer.learning_rates):
                values = np.asarray([optimizer.learning_rates[group]], dtype=np.float64)
            keep = np.isfinite(values)
            if keep.any():
                steps = steps[keep] if len(steps) else steps
                yield Rates(optimizer, group, steps, values[keep])


def _series(
    history: History, optimizer: OptimizerInfo, index: int, group: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    for name in (f"{index}.{group}", f"{optimizer.name}.{group}"):
        steps, values = history.array(Fact.LEARNING_RATE, name)
        if len(values):
            return steps, values
    if index == 0 and group == 0 and len(history.run.optimizers) == 1:
        return history.array(Fact.LEARNING_RATE)  # an adapter with one rate may name it ""
    return np.empty(0, dtype=np.int64), np.empty(0)


def _groups_seen(history: History, optimizer: OptimizerInfo, index: int) -> int:
    prefixes = (f"{index}.", f"{optimizer.name}.")
    seen = [name for name in history.names(Fact.LEARNING_RATE) if name.startswith(prefixes)]
    return len(seen)


def far_above_range(history: History) -> Rates | None:
    """The rates that lie above the usual range of their optimizer or below zero, or None."""
    for rates in observed_rates(history):
        if rates.typical > usual_range(rates.optimizer.kind).high or rates.highest < 0:
            return rates
    return None
