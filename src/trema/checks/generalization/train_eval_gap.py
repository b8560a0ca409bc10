"""Training that is learned while validation has never been better than a constant prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.checks.smoothing import accuracy_names, both_phases, median_of_three
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import VALIDATION, Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class TrainEvalGap(Check):
    """A validation loss that was never below that of a constant prediction, in any epoch, while
    the training loss is far below it.

    Why it matters: overfitting has a best epoch; here none of what is learned carries over. The
    two phases see different things: other preprocessing, other labels, or a model that behaves
    differently in evaluation (dropout, batch normalization).
    May be wrong when: there are few samples, so that all learning is learning by heart.
    References: Ben Braiek & Khomh (2022), TheDeepChecker (train and evaluation apart); Zhang et
    al. (2017), Understanding deep learning requires rethinking generalization, arXiv:1611.03530.
    """

    id = "train-eval-gap"
    title = "nothing that is learned carries over to validation"
    cause = Cause.SPLIT
    severity = Severity.WARNING
    preview = True
    needs = frozenset({Fact.METRIC, Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.TARGET_STD, Fact.TARGET_MEAN})
    explains: ClassVar[frozenset[str]] = frozenset({"missing-regularization", "overfitting"})
    fixes = (
        Fix("evaluate the training data in evaluation mode: does the model know them there?"),
        Fix("send both splits through the same preprocessing, fitted on training data"),
        Fix("check that inputs and labels of the validation data belong together"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="good training accuracy validation accuracy at chance {framework}",
        torch="nn.Module",
        keras="models/model_training_apis",
    )
    learned: float = 0.6  # of the loss of a constant prediction: training is below
    chance: float = 0.98  # the same: validation was never below
    least: int = 4  # epochs

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = both_phases(history, ("loss",))
        loss = history.run.loss
        if seen is None or len(seen[1]) < self.least or loss is None:
            return
        if loss.kind not in ("cross-entropy", "nll", "binary-cross-entropy", "mse", "mae"):
            return
        _, epochs, train, val = seen
        baseline = history.baseline_loss()
        own = self._validation_baseline(history, baseline)
        if baseline is None or own is None:
            return
        now, best = float(train[-2:].mean()), float(median_of_three(val).min())
        if now > self.learned * baseline or best < self.chance * own:
            return
        if self._answers_right(history):
            return
        yield self.diagnosis(
            f"training loss is {show(now)}, but validation loss was never below {show(best)} in "
            f"{len(epochs)} epochs; a constant prediction reaches {show(own)}",
            Evidence(Fact.METRIC, best, limit=self.chance * own, step=int(epochs[-1]), name="loss"),
            where=Where(split="validation"),
            location=history.run.place("validation", "fit", "loop"),
        )

    def _validation_baseline(self, history: History, baseline: float | None) -> float | None:
        """Classes are as frequent in both splits; the spread of values must be measured."""
        loss = history.run.loss
        if loss is None or loss.kind not in ("mse", "mae"):
            return baseline
        names = history.names(Fact.TARGET_STD, VALIDATION)
        if len(names) != 1:
            return None
        _, std = history.array(Fact.TARGET_STD, names[0], VALIDATION)
        if not len(std) or not np.isfinite(std).all():
            return None
        return float(np.mean(std**2) if loss.kind == "mse" else np.mean(std))

    def _answers_right(self, history: History) -> bool:
        """Whether answers are right although their loss is large: sure of single errors."""
        seen = both_phases(history, accuracy_names(history))
        if seen is None:
            return False
        _, _, train, val = seen
        return bool(np.median(val[-3:]) > 0.7 * np.median(train[-3:]))

    @staticmethod
    def cases() -> Iterator[Case]:
        falling = noisy(CHANCE, 0.3)

        def case(val: list[float], losses: np.ndarray = falling, epochs: int = 8) -> History:
            return training(losses=losses, epochs=epochs, val_metrics={"loss": val})

        yield fires("at chance throughout", case([2.31, 2.35, 2.4, 2.5, 2.6, 2.7, 2.9, 3.0]))
        yield fires("far above from the start", case([9.0, 14.0, 12.0, 15.0, 11.0, 13.0, 9.9, 12]))
        turning = [1.9, 1.6, 1.5, 1.7, 2.2, 2.6, 3.0, 3.3]
        yield quiet("overfitting has a best epoch", case(turning))
        yield quiet("both at chance", case([2.31] * 8, noisy(CHANCE)))
        yield quiet("both learn", case([2.0, 1.5, 1.0, 0.9, 0.8, 0.8, 0.7, 0.7]))
        yield quiet("two epochs", case([2.4, 2.5], epochs=2))
