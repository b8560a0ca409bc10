"""A training loss that rises and stays up."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.learning_rates import observed_rates
from trema.checks.progress import one_sided, step_losses
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.checks.trends import block_means, trend
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Location, Severity
from trema.core.facts import Fact, LossInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import show

BLOCKS = 10


@register
@dataclass(frozen=True, kw_only=True)
class LossDiverging(Check):
    """A training loss that has risen to twice its best level, and above that of a constant
    prediction, and goes on rising.

    Why it matters: the steps lead uphill; what was learned is being lost.
    May be wrong when: the loss gets harder by design, as with a curriculum.
    References: Ben Braiek & Khomh (2022), TheDeepChecker (twice the minimum over five windows).
    """

    id = "loss-diverging"
    title = "the loss rises"
    cause = Cause.LEARNING_RATE
    severity = Severity.ERROR
    kind = Kind.SYMPTOM
    preview = True
    needs = frozenset({Fact.LOSS, Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.TARGET_STD, Fact.LEARNING_RATE})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "loss-spike", "underfitting"})
    fixes = (
        Fix("try a learning rate 3 to 10 times lower"),
        Fix("clip the norm of the gradient, or warm the learning rate up"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="training loss increases {framework}", torch="optim", keras="optimizers")
    rise: float = 2.0  # times the lowest block (TheDeepChecker)
    over: float = 1.2  # times the loss of a constant prediction
    least: int = 60  # observed steps
    certain: float = 2.5  # Mann–Kendall statistic since the lowest block

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, losses = step_losses(history)
        baseline = history.baseline_loss()
        if len(losses) < self.least or baseline is None or one_sided(history):
            return
        means = block_means(losses, BLOCKS)
        low = int(means.argmin())
        recent = means[-3:]
        if means[low] <= 0 or BLOCKS - low < 5:
            return
        if not (recent > max(self.rise * means[low], self.over * baseline)).all():
            return
        begin = len(losses) * low // BLOCKS
        going = trend(losses[begin:], independent=True)
        if going is None or going.z < self.certain or _bursts(losses[begin:]):
            return
        yield self.diagnosis(
            f"the training loss rose from {show(float(means[low]))} around step {steps[begin]} to "
            f"{show(float(means[-1]))} around step {steps[-1]}; a constant prediction reaches "
            f"{show(baseline)}",
            Evidence(
                Fact.LOSS,
                float(means[-1]),
                limit=max(self.rise * float(means[low]), self.over * baseline),
                step=int(steps[-1]),
            ),
            location=_rate_place(history) or history.run.place("step", "fit"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        rising = np.concatenate([noisy(CHANCE, 1.8, steps=60), noisy(2.0, steps=260)])
        rising[60:] *= np.linspace(1, 4, 260)
        yield fires("it turns and rises", training(losses=rising))
        yield fires("from the beginning", training(losses=noisy(CHANCE) * np.linspace(1, 6, 320)))
        yield quiet("it falls", training(losses=noisy(CHANCE, 0.4)))
        yield quiet("noise", training(losses=noisy(CHANCE, noise=0.5)))
        slightly = noisy(0.1) * np.linspace(1, 4, 320)
        yield quiet("far below a constant prediction", training(losses=slightly))
        spike = noisy(CHANCE)
        spike[200:205] = 50.0
        yield quiet("a spike", training(losses=spike))
        own = training(losses=rising)
        own.run = RunInfo(loss=LossInfo(kind="other"))
        yield quiet("a loss of one's own", own)
        ones = {Fact.TARGET_STD: [0.0] * 320}
        yield quiet("an adversarial loss", training(losses=rising, facts=ones))


def _bursts(losses: NDArray[np.float64]) -> bool:
    """Whether few large values make the means: then the median has not risen."""
    third = len(losses) // 3
    return bool(np.median(losses[-third:]) < 1.5 * np.median(losses[:third]))


def _rate_place(history: History) -> Location | None:
    rates = next(observed_rates(history), None)
    if rates is None:
        return None
    return rates.optimizer.learning_rate_location or rates.optimizer.location
