"""What a run has shown so far: bounded, read-only arrays by fact and name."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trema.core.facts import (
    TRAIN,
    VALIDATION,
    Fact,
    Observation,
    Phase,
    RunInfo,
    Snapshot,
    TensorSeen,
)

#: Values kept of one fact of one name. Past it every second value of the older half is dropped,
#: so that the beginning and the recent past both stay visible.
CAPACITY = 1024
#: Per-unit arrays are wide; beside the first one only the recent ones are used by any check.
ARRAY_CAPACITY = 64


class Series:
    """Steps and values of one fact of one name, oldest first."""

    __slots__ = ("_values", "_wide", "steps")

    def __init__(self) -> None:
        self.steps: list[int] = []
        self._values: list[float | np.ndarray] = []
        self._wide = False

    def append(self, step: int, value: float | np.ndarray) -> None:
        """Add one value; older ones are thinned past the capacity."""
        self.steps.append(step)
        self._values.append(value)
        self._wide = self._wide or isinstance(value, np.ndarray)
        if self._wide and len(self.steps) > ARRAY_CAPACITY:
            del self.steps[1], self._values[1]  # the first shows how units began
        elif len(self.steps) > CAPACITY:
            half = CAPACITY // 2
            self.steps[:half] = self.steps[:half:2]
            self._values[:half] = self._values[:half:2]

    def arrays(self, last: int | None = None) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Steps (n,) and values (n, …); arrays of another width than the last are left out."""
        start = 0 if last is None else max(0, len(self.steps) - last)
        steps, values = self.steps[start:], self._values[start:]
        if self._wide and values:
            shape = np.shape(values[-1])
            pairs = [(s, v) for s, v in zip(steps, values, strict=True) if np.shape(v) == shape]
            steps, values = [s for s, _ in pairs], [v for _, v in pairs]
        return np.asarray(steps, dtype=np.int64), np.asarray(values, dtype=np.float64)


class History:
    """Everything seen in one segment of a run.

    A check reads it and never changes it. Facts that were not observed are absent: arrays of
    length zero.
    """

    def __init__(self, run: RunInfo | None = None) -> None:
        self.run = run or RunInfo()
        self.step = -1  # last training step seen
        self.epoch = 0
        self.epochs_finished = 0
        self.finished = False
        self.revision = 0  # grows with whatever is added, so that a reading may be kept
        self._series: dict[tuple[Phase, Fact, str], Series] = {}
        self._names: dict[tuple[Phase, Fact], dict[str, None]] = {}
        self._tensors: dict[tuple[Any, ...], TensorSeen] = {}
        self._observations: list[Observation] = []

    # written by the engine ----------------------------------------------------------------

    def add(self, snapshot: Snapshot) -> None:
        """Add what was seen at one step."""
        if snapshot.phase == TRAIN:
            self.step = max(self.step, snapshot.step)
        self.epoch = max(self.epoch, snapshot.epoch)
        for (fact, name), value in snapshot.values.items():
            self._append(snapshot.phase, fact, name, snapshot.step, value)

    def add_metrics(self, epoch: int, phase: Phase, values: Mapping[str, float]) -> None:
        """Add the metrics of one epoch; the epoch takes the place of the step."""
        for name, value in values.items():
            self._append(phase, Fact.METRIC, name, epoch, float(value))

    def add_tensor(self, tensor: TensorSeen) -> None:
        """Note a new form of a tensor of the batch; a form seen before is ignored."""
        key = (tensor.role, tensor.name, tensor.phase, tensor.shape[1:], tensor.dtype)
        self._tensors.setdefault(key, tensor)
        self.revision += 1

    def add_observation(self, observation: Observation) -> None:
        """Add what the instrumentation found out by itself."""
        self._observations.append(observation)
        self.revision += 1

    def _append(
        self, phase: Phase, fact: Fact, name: str, step: int, value: float | np.ndarray
    ) -> None:
        series = self._series.get((phase, fact, name))
        if series is None:
            series = self._series[phase, fact, name] = Series()
            self._names.setdefault((phase, fact), {})[name] = None
        series.append(step, value)
        self.revision += 1

    # read by checks -----------------------------------------------------------------------

    def names(self, fact: Fact, phase: Phase = TRAIN) -> tuple[str, ...]:
        """Layers, parameters, tensors, groups or metrics for which the fact was observed."""
        return tuple(self._names.get((phase, fact), ()))

    def array(
        self, fact: Fact, name: str = "", phase: Phase = TRAIN, last: int | None = None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Steps (n,) and values (n, …) of a fact, oldest first; ``last`` keeps the newest.

        For :attr:`Fact.METRIC` the steps are epochs.
        """
        series = self._series.get((phase, fact, name))
        if series is None:
            return np.empty(0, dtype=np.int64), np.empty(0)
        return series.arrays(last)

    def latest(self, fact: Fact, name: str = "", phase: Phase = TRAIN) -> float | None:
        """The newest scalar value, or None when the fact was not observed."""
        _, values = self.array(fact, name, phase, last=1)
        return float(values[-1]) if len(values) and values.ndim == 1 else None

    def tensors(
        self, role: Literal["input", "target", "output"], phase: Phase = TRAIN
    ) -> tuple[TensorSeen, ...]:
        """The forms in which tensors of this role came, in order of appearance."""
        return tuple(t for t in self._tensors.values() if t.role == role and t.phase == phase)

    def observations(self, fact: Fact) -> tuple[Observation, ...]:
        """What the instrumentation found out about this, oldest first."""
        return tuple(o for o in self._observations if o.fact is fact)

    def observed(self, fact: Fact, phase: Phase | None = None) -> bool:
        """Whether the fact is known at all (in this phase, or in any)."""
        phases: Iterable[Phase] = (TRAIN, VALIDATION) if phase is None else (phase,)
        if any((p, fact) in self._names for p in phases):
            return True
        if fact is Fact.LAYERS:
            return bool(self.run.layers)
        if fact is Fact.GRAPH:
            return self.run.edges is not None
        if fact is Fact.LOSS_KIND:
            return self.run.loss is not None and self.run.loss.kind != "other"
        if fact is Fact.OPTIMIZER:
            return bool(self.run.optimizers)
        return any(o.fact is fact for o in self._observations)

    def beats_baseline(self) -> bool | None:
        """Whether the training loss is well below what a constant prediction reaches.

        Cross-entropy is compared with the entropy of the classes as frequent as they are in the
        training data (ln of their number where this is not known), binary cross-entropy with that
        of the mean target seen, squared error with the variance of the targets seen, absolute
        error with their standard deviation. "Well" is 10 % below, over the last ten observed
        steps. None when it cannot be told.
        """
        _, losses = self.array(Fact.LOSS, last=10)
        baseline = self.baseline_loss()
        if len(losses) == 0 or baseline is None:
            return None
        if not np.isfinite(losses).all():
            return False
        return bool(losses.mean() < 0.9 * baseline)

    def baseline_loss(self) -> float | None:
        """The loss of a constant prediction, or None when the loss is not of a known kind."""
        loss = self.run.loss
        if loss is None:
            return None
        if loss.kind in ("cross-entropy", "nll"):
            classes = self.classes()
            if classes is None or classes < 2:
                return None
            uniform = float(np.log(classes))
            shares = self.class_shares()
            return uniform if shares is None else min(uniform, _entropy(shares))
        if loss.kind == "binary-cross-entropy":
            return self._binary_baseline()
        std = self._targets(Fact.TARGET_STD)
        if len(std) == 0:
            return None
        if loss.kind == "mse":
            return float(np.mean(std**2))
        return float(np.mean(std)) if loss.kind == "mae" else None

    def _binary_baseline(self) -> float | None:
        """The entropy of the mean target; None with weights, which the loss includes."""
        if (self.run.loss is not None and self.run.loss.weighted) or self.weighted():
            return None
        mean = self._targets(Fact.TARGET_MEAN)
        share = float(np.mean(mean)) if len(mean) else 0.5
        if not 0 < share < 1:  # one class only, or targets of -1 and 1
            share = 0.5
        return _entropy(np.array([share, 1 - share]))

    def _targets(self, fact: Fact) -> NDArray[np.float64]:
        """Recent finite values of a fact of the targets, where there is one target tensor."""
        _, values = self.array(fact, last=50)
        if len(values) == 0 and len(names := self.names(fact)) == 1:
            _, values = self.array(fact, names[0], last=50)
        return values[np.isfinite(values)]

    def weighted(self) -> bool:
        """Whether classes or samples of the training data carry weights."""
        return any(o.data.get("weighted") for o in self._train_data())

    def _train_data(self) -> Iterator[Observation]:
        for observation in self._observations:
            if observation.fact is Fact.DATASET and observation.data.get("split") == TRAIN:
                yield observation

    def class_shares(self) -> NDArray[np.float64] | None:
        """How frequent the classes are in the training data: shape (class,), sum 1. None when
        that was not seen, there is one class only, or weights change it."""
        for observation in self._train_data():
            labels = observation.data.get("labels")
            if labels and not observation.data.get("weighted"):
                counts = np.asarray(list(labels["counts"].values()), dtype=np.float64)
                if (counts > 0).sum() > 1:
                    return np.asarray(counts / counts.sum())
        return None

    def classes(self) -> int | None:
        """The number of classes by the width of the outputs, or None."""
        outputs = self.tensors("output") or self.tensors("output", VALIDATION)
        if len({t.name for t in outputs}) != 1 or len(outputs[-1].shape) < 2:
            return None
        shape = outputs[-1].shape
        # torch puts classes on axis 1 of dense predictions, Keras on the last one
        return shape[1] if self.run.framework == "torch" else shape[-1]


def _entropy(shares: NDArray[np.float64]) -> float:
    """The entropy of a distribution in nats: the cross-entropy of always predicting it."""
    shares = shares[shares > 0]
    return float(-(shares * np.log(shares)).sum())
