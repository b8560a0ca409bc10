"""Training that ended while validation was still getting better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.smoothing import both_phases, noise
from trema.checks.trends import mann_kendall, theil_sen
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class StillImproving(Check):
    """Training and validation losses that were both still falling by several percent an epoch
    when training ended.

    Why it matters: the model can do better for nothing but time; judging it now is too early.
    May be wrong when: time was the limit, or the run was only a trial.
    References: Prechelt (1998), Early Stopping - But When?; Goodfellow et al. (2016), section 7.8.
    """

    id = "still-improving"
    title = "training ended while the model was improving"
    cause = Cause.BUDGET
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.METRIC})
    fixes = (
        Fix("train for more epochs, with early stopping as the end"),
        Fix("let the learning rate fall towards the end of the planned epochs"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="how many epochs early stopping {framework}",
        torch="optim",
        keras="callbacks/early_stopping",
    )
    epochs: int = 6  # that must go down
    gain: float = 0.03  # of the validation loss, each epoch

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = both_phases(history, ("loss",)) if history.finished else None
        if seen is None or len(seen[1]) < self.epochs:
            return
        _, epochs, train, val = seen
        late, late_train = val[-self.epochs :], train[-self.epochs :]
        level = float(late[-2:].mean())
        slope, _ = theil_sen(late)
        falls = mann_kendall(late) < -2.0 and mann_kendall(late_train) < -2.0
        if level <= 0 or not falls or -slope < max(self.gain * level, noise(val)):
            return
        if float(np.diff(late)[-2:].mean()) >= 0:
            return
        yield self.diagnosis(
            f"validation loss fell by {percent(-slope / level)} an epoch over the last "
            f"{self.epochs} epochs, to {show(float(val[-1]))} at the end",
            Evidence(
                Fact.METRIC, -slope / level, limit=self.gain, unit="an epoch", step=int(epochs[-1])
            ),
            where=Where(),
            location=history.run.place("epochs", "fit", "loop", "step"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def case(train: list[float], val: list[float], finished: bool = True) -> History:
            return situation(metrics={"loss": train}, val_metrics={"loss": val}, finished=finished)

        falling = [2.0 * 0.9**i for i in range(10)]
        above = [1.05 * v for v in falling]
        yield fires("ten percent an epoch", case(falling, above))
        slower = [2.0 * 0.95**i for i in range(8)]
        yield fires("five percent an epoch", case(slower, slower))
        yield quiet("it goes on", case(falling, above, finished=False))
        level = [0.5 + 0.5 * 0.5**i for i in range(12)]
        yield quiet("validation has levelled off", case([2.0 * 0.9**i for i in range(12)], level))
        turning = [*above[:7], 1.2, 1.3, 1.4]
        yield quiet("validation turns", case(falling, turning))
        yield quiet("three epochs", case(falling[:3], above[:3]))
