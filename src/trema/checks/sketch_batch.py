"""Runs in a few words whose facts are those of real arrays, for the cases of checks."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from trema.checks.base import situation
from trema.checks.sketch import Facts, classifier, dense
from trema.core.facts import TENSOR_STATISTICS, Fact, Layer, LossInfo, RunInfo, TensorSeen
from trema.core.history import History
from trema.core.reduce import tensor_statistics

ROWS = 32  # samples in a batch


def seen_as(
    run: RunInfo,
    *,
    outputs: ArrayLike | None = None,
    targets: ArrayLike | None = None,
    inputs: ArrayLike | None = None,
    steps: int = 4,
    facts: Facts | None = None,
    **rest: Any,
) -> History:
    """A history in which every observed step had these arrays.

    outputs, targets, inputs : arrays of shape (sample, …); their dtype is what was seen
    """
    table: Facts = dict(facts or {})
    tensors = []
    for role, array in (("output", outputs), ("target", targets), ("input", inputs)):
        if array is None:
            continue
        values = np.asarray(array)
        tensors.append(
            TensorSeen(
                role=role,  # type: ignore[arg-type]  # one of the three
                name="",
                phase="train",
                shape=values.shape,
                dtype=str(values.dtype),
                step=0,
            )
        )
        for statistic, number in zip(TENSOR_STATISTICS, tensor_statistics(values), strict=True):
            fact = f"{role}-{statistic}"
            if fact in list(Fact) and not np.isnan(number):
                table[Fact(fact)] = [float(number)] * steps
    return situation(run, facts=table, tensors=tensors, **rest)


def net(
    loss: LossInfo,
    units: int = 10,
    activation: str | None = None,
    *,
    then: Layer | None = None,
    framework: str = "keras",
    **run: Any,
) -> RunInfo:
    """Two dense layers and a loss; ``then`` is a layer of its own after them."""
    layers = [dense("fc1", 16, 32, "relu"), dense("fc2", 32, units, activation)]
    if then is not None:
        layers.append(then)
    head = 2 if then is not None else 1
    return classifier(*layers, loss=loss, head=head, framework=framework, **run)


def loss(
    kind: str, reads: str = "values", *, sparse: bool | None = None, **config: Any
) -> LossInfo:
    """A loss of this kind, named for it."""
    return LossInfo(kind=kind, reads=reads, name=kind, sparse=sparse, config=config)


def softmax(rows: int = ROWS, classes: int = 10, axis: int = 1) -> np.ndarray:
    """Probabilities that sum to one along the axis."""
    scores = np.exp(np.random.default_rng(1).normal(size=(rows, classes)))
    return np.asarray(scores / scores.sum(axis=axis, keepdims=True))


def logits(rows: int = ROWS, classes: int = 10, scale: float = 2.0) -> np.ndarray:
    """Numbers around zero."""
    return np.random.default_rng(2).normal(0, scale, size=(rows, classes))


def labels(rows: int = ROWS, classes: int = 10) -> np.ndarray:
    """Class numbers of shape (row,)."""
    return np.arange(rows) % classes


def one_hot(rows: int = ROWS, classes: int = 10) -> np.ndarray:
    """One-hot rows in float32."""
    return np.asarray(np.eye(classes, dtype=np.float32)[labels(rows, classes)])


def multi_hot(rows: int = ROWS, classes: int = 10) -> np.ndarray:
    """Rows with none to several ones in float32."""
    drawn = np.random.default_rng(3).random((rows, classes)) < 0.3
    return np.asarray(drawn, dtype=np.float32)
