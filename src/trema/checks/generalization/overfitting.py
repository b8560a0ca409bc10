"""A model that goes on learning its training data while validation gets worse."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.smoothing import accuracy_names, both_phases, median_of_three, noise
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.core.history import History
from trema.core.numbers import percent, show

#: Standard deviations of the jitter between epochs by which all recent epochs must exceed the best
#: level. Simulated curves that level off (30 epochs, looked at after each from the 8th, 1500 runs)
#: alarmed in 0.5 % of runs with 10 % white jitter and in 2 to 3 % with 20 %; a limit of 1.0 gave
#: 1.6 % and 8.8 %.
NOISES = 1.5


@dataclass(frozen=True)
class Turn:
    """Where validation was best, and where it is now.

    best_epoch, last_epoch : epochs
    best : level of the validation values around the best epoch
    last : least smoothed validation value of the last ``patience`` epochs
    train_best, train_last : smoothed training values at both epochs
    """

    best_epoch: int
    last_epoch: int
    best: float
    last: float
    train_best: float
    train_last: float


def find_turn(
    epochs: NDArray[np.int64],
    train: NDArray[np.float64],
    val: NDArray[np.float64],
    *,
    patience: int,
) -> Turn | None:
    """The turn of validation, for values where less is better; None before it lasts ``patience``
    epochs or while the rise is within the noise."""
    if len(val) <= patience:
        return None
    smooth_train, smooth_val = median_of_three(train), median_of_three(val)
    best = int(smooth_val.argmin())
    if len(val) - 1 - best < patience:
        return None
    # the lowest point is low by chance too, so the level around it counts
    level = float(val[max(0, best - 2) : best + 3].mean())
    last = float(smooth_val[-patience:].min())
    if last - level <= NOISES * noise(val):
        return None
    return Turn(
        int(epochs[best]),
        int(epochs[-1]),
        level,
        last,
        float(smooth_train[best]),
        float(smooth_train[-1]),
    )


@register
@dataclass(frozen=True, kw_only=True)
class Overfitting(Check):
    """Validation that has been getting worse for epochs while training gets better.

    Why it matters: the model learns what holds for its training samples only; later epochs make
    it worse on new data.
    May be wrong when: the best weights are kept by early stopping, or only the confidence of
    wrong answers grows while accuracy still rises.
    References: Prechelt (1998), Early Stopping - But When?; Goodfellow et al. (2016), section
    7.8; SCRAM (Schoop et al., 2020).
    """

    id = "overfitting"
    title = "the model overfits"
    cause = Cause.REGULARIZATION
    severity = Severity.WARNING
    needs = frozenset({Fact.METRIC})
    fixes = (
        Fix("stop at the best epoch and keep its weights (early stopping)"),
        Fix("get more training data, or augment them"),
        Fix("use a smaller network, dropout or weight decay", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="reduce overfitting validation loss increases {framework}",
        torch="nn.Dropout",
        keras="callbacks/early_stopping",
    )
    least_epochs: int = 8  # fewer cannot show a trend and a turn
    patience: int = 5  # epochs since the best smoothed one; usual for early stopping
    rise: float = 0.15  # of the best validation loss
    gap: float = 1.5  # validation loss over training loss
    severe: float = 0.5  # rise that is told although accuracy still improves
    better_accuracy: float = 0.02  # gain since the best loss: the answers still improve
    accuracy_drop: float = 0.03  # of the samples, below the best smoothed accuracy

    def missing(self, history: History) -> list[str]:
        """Both phases are needed: a run without validation is not assessed."""
        missing = super().missing(history)
        absent = [p for p in (TRAIN, VALIDATION) if not history.observed(Fact.METRIC, p)]
        return missing or [f"{Fact.METRIC} ({phase})" for phase in absent]

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = self._by_loss(history) or self._by_accuracy(history)
        if found is not None:
            yield found

    def _by_loss(self, history: History) -> Diagnosis | None:
        seen = both_phases(history, ("loss",))
        if seen is None or len(seen[1]) < self.least_epochs:
            return None
        _, epochs, train, val = seen
        turn = find_turn(epochs, train, val, patience=self.patience)
        if turn is None or turn.best <= 0 or turn.train_last >= turn.train_best:
            return None
        rise = turn.last / turn.best - 1
        if rise < self.rise or turn.last < self.gap * turn.train_last:
            return None
        if rise < self.severe and self._answers_improve(history, turn.best_epoch):
            return None
        return self._found(
            history,
            "loss",
            turn.last,
            (1 + self.rise) * turn.best,
            f"validation loss rose from {show(turn.best)} around epoch {turn.best_epoch}, its "
            f"best, to {show(turn.last)} or more over {self.patience} epochs up to epoch "
            f"{turn.last_epoch}, while training loss fell from {show(turn.train_best)} to "
            f"{show(turn.train_last)}",
            turn.last_epoch,
        )

    def _answers_improve(self, history: History, since: int) -> bool:
        seen = both_phases(history, accuracy_names(history))
        if seen is None:
            return False
        _, epochs, _, val = seen
        smooth = median_of_three(val)
        before = smooth[epochs <= since]
        return bool(len(before) and smooth[-1] - before[-1] >= self.better_accuracy)

    def _by_accuracy(self, history: History) -> Diagnosis | None:
        seen = both_phases(history, accuracy_names(history))
        if seen is None or len(seen[1]) < self.least_epochs:
            return None
        name, epochs, train, val = seen
        turn = find_turn(epochs, -train, -val, patience=self.patience)
        if turn is None or turn.last - turn.best < self.accuracy_drop:
            return None
        if turn.train_last >= turn.train_best:  # negated: training accuracy must have risen
            return None
        return self._found(
            history,
            name,
            -turn.last,
            -turn.best - self.accuracy_drop,
            f"validation {name} fell from {percent(-turn.best)} around epoch {turn.best_epoch}, "
            f"its best, to {percent(-turn.last)} or less over {self.patience} epochs up to epoch "
            f"{turn.last_epoch}, while training {name} rose from {percent(-turn.train_best)} to "
            f"{percent(-turn.train_last)}",
            turn.last_epoch,
        )

    def _found(
        self, history: History, name: str, value: float, limit: float, message: str, epoch: int
    ) -> Diagnosis:
        return self.diagnosis(
            message,
            Evidence(Fact.METRIC, value, limit=limit, unit="at epoch", step=epoch, name=name),
            where=Where(),
            location=history.run.place("epochs", "fit", "loop", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _losses(train: list[float], val: list[float]) -> History:
    return situation(metrics={"loss": train}, val_metrics={"loss": val})


def _firing_cases() -> Iterator[Case]:
    falling = [1.7 * 0.75**i for i in range(20)]
    turning = [1.2, 1.0, 0.8, 0.72, *(0.74 + 0.04 * i for i in range(16))]
    yield fires("a clear turn at epoch 3", _losses(falling, turning), cause=Cause.REGULARIZATION)
    jitter = [v * (1.05 if i % 2 else 0.95) for i, v in enumerate(turning)]
    yield fires("a clear turn with jitter", _losses(falling, jitter))
    rising = [0.6 + 0.02 * i for i in range(20)]
    dropping = [0.6, 0.65, 0.7, *(0.72 - 0.01 * i for i in range(17))]
    yield fires(
        "validation accuracy falls",
        situation(metrics={"accuracy": rising}, val_metrics={"accuracy": dropping}),
    )


def _quiet_cases() -> Iterator[Case]:
    falling = [1.7 * 0.75**i for i in range(20)]
    turning = [1.2, 1.0, 0.8, 0.72, *(0.74 + 0.04 * i for i in range(16))]
    yield quiet("few epochs", _losses(falling[:6], turning[:6]))
    flat = [0.5 + 0.5 * 0.6**i for i in range(20)]
    yield quiet("validation levels off", _losses(falling, flat))
    shallow = [0.5 + 0.001 * (i - 8) ** 2 * (0.2 if i > 8 else 1) for i in range(20)]
    yield quiet("a shallow turn", _losses(falling, shallow))
    random = np.random.default_rng(0)
    noisy = [0.6 + 0.15 * random.standard_normal() for _ in range(20)]
    yield quiet("noise around a level", _losses(falling, noisy))
    diverging = [0.9 + 0.1 * i for i in range(20)]
    yield quiet("both get worse", _losses(diverging, turning))
    mild = [*turning[:4], *(0.73 + 0.01 * i for i in range(16))]
    improving = [0.5 + 0.015 * i for i in range(20)]
    yield quiet(
        "loss rises a little while accuracy still improves",
        situation(
            metrics={"loss": falling, "accuracy": [min(1.0, 0.5 + 0.05 * i) for i in range(20)]},
            val_metrics={"loss": mild, "accuracy": improving},
        ),
    )
    yield quiet("no validation", situation(metrics={"loss": falling}))
