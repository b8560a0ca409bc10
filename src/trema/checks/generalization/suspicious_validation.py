"""Validation figures too good beside those of training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.generalization.split_overlap import read_overlap
from trema.checks.sketch import chain, dense, op
from trema.checks.smoothing import accuracy_names, both_phases
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Observation, RunInfo
from trema.core.history import History
from trema.core.numbers import percent, show

#: Layers that are harder on training batches than on validation batches.
TRAINING_ONLY = frozenset({"dropout", "augmentation", "other"})


@register
@dataclass(frozen=True, kw_only=True)
class SuspiciousValidation(Check):
    """Validation that is clearly and lastingly better than training, without a known reason.

    Why it matters: unseen data are rarely easier; mostly the split leaks or is not comparable.
    May be wrong when: training batches are made harder outside the model (augmentation, mixup,
    resampling), or the validation set is easier by choice.
    References: Umlaut's `overconfident_val`; Kaufman et al. (2012), Leakage in Data Mining.
    """

    id = "suspicious-validation"
    title = "validation is better than training"
    cause = Cause.SPLIT
    severity = Severity.WARNING
    needs = frozenset({Fact.METRIC})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.OVERLAP, Fact.LAYERS})
    fixes = (
        Fix("check that no sample, person or document stands in both splits"),
        Fix("evaluate the training data in evaluation mode and compare again"),
        Fix("draw both splits in the same way: shuffled, stratified by class"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="validation accuracy higher than training accuracy {framework}",
        torch="utils.data.random_split",
        keras="models/model_training_apis",
    )
    patience: int = 4  # epochs in a row
    accuracy_margin: float = 0.1  # of the samples; half an epoch of lag is taken out before
    loss_ratio: float = 0.5  # validation loss over training loss
    least_samples: int = 50  # in validation, where known; below, chance explains the margin

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        overlap = read_overlap(history)
        if overlap is not None and (overlap.shared or overlap.validation < self.least_samples):
            return  # split-overlap speaks, or too few to tell
        if any(_harder_in_training(layer.kind, layer.config) for layer in history.run.layers):
            return
        accuracy = both_phases(history, accuracy_names(history))
        loss = both_phases(history, ("loss",))
        weighted = history.run.loss is not None and history.run.loss.weighted
        if loss is None or weighted or not self._loss_better(*loss[2:]):
            return
        if accuracy is not None and not self._accuracy_better(*accuracy[2:]):
            return
        yield self._found(history, accuracy or loss, certain=_certain(history))

    def _accuracy_better(self, train: NDArray[np.float64], val: NDArray[np.float64]) -> bool:
        """An epoch's training figure is a mean over the epoch: the next one is compared."""
        gap = val[:-1] - train[1:]
        return len(gap) >= self.patience and bool(
            (gap[-self.patience :] >= self.accuracy_margin).all()
        )

    def _loss_better(self, train: NDArray[np.float64], val: NDArray[np.float64]) -> bool:
        later, val = train[1:], val[:-1]
        if len(val) < self.patience or (later <= 0).any():
            return False
        return bool((val < self.loss_ratio * later)[-self.patience :].all())

    def _found(
        self,
        history: History,
        seen: tuple[str, NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]],
        *,
        certain: bool,
    ) -> Diagnosis:
        name, epochs, train, val = seen
        write = show if name == "loss" else percent
        last = len(val) - 2
        message = (
            f"validation {name} is {write(float(val[last]))} after epoch {epochs[last]} while "
            f"training {name} over epoch {epochs[last + 1]} is {write(float(train[last + 1]))}, "
            f"and so for {self.patience} epochs; no layer of the model explains it"
        )
        return self.diagnosis(
            message,
            Evidence(
                Fact.METRIC,
                float(val[last]),
                limit=float(train[last + 1]),
                step=int(epochs[last]),
                name=name,
            ),
            where=Where(split="validation"),
            location=history.run.place("validation", "fit", "loop"),
            severity=Severity.WARNING if certain else Severity.INFO,
            confidence="likely" if certain else "possible",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        net = chain(dense("fc1", 20, 32, "relu"), dense("fc2", 32, 10))
        low, high = [0.5, 0.55, 0.6, 0.62, 0.64, 0.65], [0.9, 0.91, 0.92, 0.93, 0.93, 0.93]
        slow, fast = [1.5, 1.3, 1.2, 1.1, 1.0, 1.0], [0.4, 0.35, 0.3, 0.28, 0.27, 0.26]

        def case(
            train: list[float],
            val: list[float],
            train_loss: list[float] = slow,
            val_loss: list[float] = fast,
            run: RunInfo = net,
            overlap: dict[str, Any] | None = None,
        ) -> History:
            seen = [Observation(fact=Fact.OVERLAP, step=0, epoch=0, data=overlap or {})]
            return situation(
                run,
                metrics={"accuracy": train, "loss": train_loss},
                val_metrics={"accuracy": val, "loss": val_loss},
                observations=seen if overlap is not None else (),
            )

        clean = {"train": 900, "validation": 200, "shared": 0, "augmented": False}
        yield fires(
            "clearly better, no overlap and no augmentation",
            case(low, high, overlap=clean),
            severity=Severity.WARNING,
            cause=Cause.SPLIT,
        )
        yield fires(
            "clearly better, augmentation not excluded", case(low, high), severity=Severity.INFO
        )
        yield quiet("the overlap is known", case(low, high, overlap={**clean, "shared": 150}))
        dropout = chain(dense("fc1", 20, 32, "relu"), op("dropout", rate=0.5), dense("fc2", 32, 10))
        yield quiet("dropout explains it", case(low, high, run=dropout, overlap=clean))
        lagging = [0.3, 0.6, 0.75, 0.82, 0.86, 0.88]
        ahead = [0.58, 0.74, 0.81, 0.85, 0.88, 0.89]
        yield quiet(
            "the training figure is a mean over the epoch",
            case(
                lagging,
                ahead,
                [2.2, 1.0, 0.7, 0.5, 0.4, 0.35],
                [1.2, 0.8, 0.6, 0.45, 0.38, 0.34],
            ),
        )
        good = [0.95, 0.97, 0.98, 0.98, 0.99, 0.99]
        yield quiet("a good model", case(good, good, [0.1] * 6, [0.09] * 6, overlap=clean))
        yield quiet("two epochs", case(low[:2], high[:2], slow[:2], fast[:2], overlap=clean))
        small = {**clean, "validation": 30}
        yield quiet("thirty validation samples", case(low, high, overlap=small))


def _harder_in_training(kind: str, config: Any) -> bool:
    if kind == "dropout":
        return float(config.get("rate") or 1.0) > 0
    return kind in TRAINING_ONLY or any(config.get(key) for key in ("recurrent_rate", "rate"))


def _certain(history: History) -> bool:
    """Whether the samples were seen as they are stored, equal in every epoch, and apart."""
    seen = history.observations(Fact.OVERLAP)
    return bool(seen) and all(o.data.get("augmented") is False for o in seen)
