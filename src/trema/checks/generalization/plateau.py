"""A loss that fell at first and has stood still since."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.learning_rates import observed_rates
from trema.checks.progress import epoch_losses, one_sided
from trema.checks.smoothing import noise
from trema.checks.trends import mann_kendall, theil_sen
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import VALIDATION, Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class Plateau(Check):
    """Training and validation losses that have not moved for ten epochs after falling before.

    Why it matters: further epochs of the same kind bring little; a lower learning rate often
    brings the loss down another step.
    May be wrong when: some tasks improve late, after a long plateau (grokking, delayed
    generalization): patience may pay.
    References: Goodfellow et al. (2016), section 8.3.1; Power et al. (2022), Grokking,
    arXiv:2201.02177.
    """

    id = "plateau"
    title = "the loss stands still"
    cause = Cause.LEARNING_RATE
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.METRIC})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LEARNING_RATE})
    fixes = (
        Fix("lower the learning rate by 3 to 10 times when the loss stands still"),
        Fix("stop here, or wait if the task is known to improve late"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="reduce learning rate on plateau {framework}",
        torch="optim.lr_scheduler.ReduceLROnPlateau",
        keras="callbacks/reduce_lr_on_plateau",
    )
    patience: int = 10  # epochs without a trend
    change: float = 0.01  # of the loss, over all of them
    fallen: float = 0.2  # of the first loss, before
    floor: float = 1e-3  # of the first loss; below it everything is learned

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        losses = epoch_losses(history)
        if len(losses) < 2 * self.patience or one_sided(history):
            return
        rates = list(observed_rates(history))
        if any(r.optimizer.scheduled or np.ptp(r.values) > 0 for r in rates):
            return  # a schedule is at work already
        late, first = losses[-self.patience :], float(losses[0])
        level = float(late.mean())
        if first <= 0 or level < self.floor * first or level > (1 - self.fallen) * first:
            return
        if not self._still(late) or not self._validation_still(history):
            return
        yield self.diagnosis(
            f"the training loss fell from {show(first)} to {show(level)} and has not moved by "
            f"more than {show(float(np.ptp(late)))} over the last {self.patience} epochs, at an "
            "unchanged learning rate",
            Evidence(
                Fact.METRIC,
                float(np.ptp(late) / level),
                limit=self.change,
                unit="of the loss",
                step=history.epochs_finished - 1,
            ),
            location=history.run.place("epochs", "fit", "loop", "step"),
            confidence="measured",
        )

    def _still(self, late: np.ndarray) -> bool:
        slope, _ = theil_sen(late)
        moved = abs(slope) * (len(late) - 1)
        return bool(moved < max(self.change * late.mean(), noise(late))) and (
            abs(mann_kendall(late)) < 1.6 or moved < 0.1 * self.change * late.mean()
        )

    def _validation_still(self, history: History) -> bool:
        _, values = history.array(Fact.METRIC, "loss", VALIDATION)
        values = values[np.isfinite(values)]
        return len(values) < self.patience or self._still(values[-self.patience :])

    @staticmethod
    def cases() -> Iterator[Case]:
        draws = np.random.default_rng(0).standard_normal(30)

        def case(train: np.ndarray, val: np.ndarray | None = None) -> History:
            return situation(
                metrics={"loss": train.tolist()},
                val_metrics={} if val is None else {"loss": val.tolist()},
            )

        falls = 0.5 + 1.8 * 0.5 ** np.arange(30) + 0.002 * draws
        yield fires("it fell and stands", case(falls))
        yield fires("so does validation", case(falls, falls + 0.1))
        yield quiet("it still falls", case(2.0 * 0.95 ** np.arange(30) + 0.002 * draws))
        yield quiet("it never fell", case(2.3 + 0.002 * draws))
        yield quiet("everything is learned", case(2.3 * 0.3 ** np.arange(30)))
        better = 1.0 - 0.02 * np.arange(30)
        yield quiet("validation improves late", case(falls, better))
        yield quiet("few epochs", case(falls[:12]))
