"""A training loss that jumps up and down without getting anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.progress import (
    epoch_losses,
    one_sided,
    progress,
    step_losses,
    steps_taken,
)
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.checks.training.loss_diverging import _rate_place
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class LossOscillating(Check):
    """A training loss that swings from step to step, or from epoch to epoch, by more than the
    noise of batches explains, at a level that is not learned.

    Why it matters: the steps overshoot: each one leaps over the valley and lands on the other
    side.
    May be wrong when: single epochs meet very different data.
    References: Zhang et al. (2021), AUTOTRAINER (oscillating loss); Ben Braiek & Khomh (2022),
    TheDeepChecker; LeCun et al. (1998), Efficient BackProp, section 4.6.
    """

    id = "loss-oscillating"
    title = "the loss oscillates"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    preview = True
    needs = frozenset({Fact.LOSS, Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.METRIC, Fact.TARGET_STD, Fact.LEARNING_RATE})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "loss-spike", "underfitting"})
    fixes = (
        Fix("try a learning rate 3 to 10 times lower"),
        Fix("use larger batches, or average gradients over several"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="training loss oscillates {framework}", torch="optim", keras="optimizers")
    swing: float = 0.1  # of the level: median jump; less is told by no one (AUTOTRAINER: 3 points)
    rises: float = 0.3  # share of jumps that go up
    least: int = 20  # steps without noise of batches
    epochs: int = 6
    errors: float = 4.0  # standard errors of the mean of an epoch

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, losses = step_losses(history)
        if len(losses) < self.least or one_sided(history) or history.beats_baseline():
            return
        found = self._by_step(history, steps, losses) or self._by_epoch(history, losses)
        if found is None:
            return
        message, swing = found
        learned = progress(history)
        if learned is None or learned.below or learned.falling:
            return
        yield self.diagnosis(
            f"{message}, around {show(learned.now)}",
            Evidence(Fact.LOSS, swing, limit=self.swing, unit="of the loss", step=int(steps[-1])),
            location=_rate_place(history) or history.run.place("step", "fit"),
        )

    def _by_step(
        self, history: History, steps: NDArray[np.int64], losses: NDArray[np.float64]
    ) -> tuple[str, float] | None:
        """Jumps between successive steps when each reads all data, so that no draw of a batch
        makes them."""
        if steps_taken(history) > 1.5 * history.epochs_finished:
            return None
        next_to = np.diff(steps) == 1
        jumps = np.diff(losses)[next_to][-2 * self.least :]
        level = float(np.abs(losses[-self.least :]).mean())
        if len(jumps) < self.least or level <= 0:
            return None
        swing = float(np.median(np.abs(jumps))) / level
        if swing < self.swing or (jumps > 0).mean() < self.rises:
            return None
        return (
            f"every step reads all data, yet the training loss jumps by {percent(swing)} of itself "
            f"and rises in {percent(float((jumps > 0).mean()))} of the steps",
            swing,
        )

    def _by_epoch(self, history: History, losses: NDArray[np.float64]) -> tuple[str, float] | None:
        """Jumps between epochs far above the error of a mean over the steps of one."""
        means = epoch_losses(history)
        if len(means) < self.epochs:
            return None
        late = means[-self.epochs :]
        level = float(np.abs(late).mean())
        jumps = np.diff(late)
        jump = float(np.median(np.abs(jumps)))
        turns = int((np.sign(jumps[1:]) != np.sign(jumps[:-1])).sum())
        each = max(1.0, steps_taken(history) / max(1, history.epochs_finished))
        error = float(losses[len(losses) // 2 :].std()) * (2.0 / each) ** 0.5
        if level <= 0 or jump < max(self.swing * level, self.errors * error) or turns < 3:
            return None
        message = f"the training loss jumps by {percent(jump / level)} of itself between epochs"
        return message, jump / level

    @staticmethod
    def cases() -> Iterator[Case]:
        swinging = 4.0 + 2.0 * (-1.0) ** np.arange(320)
        wild = 30.0 * np.exp(0.2 * np.random.default_rng(0).standard_normal(320))
        yield fires("full batches, up and down", training(losses=swinging, epochs=320))
        yield fires("full batches, wildly", training(losses=wild, epochs=320))
        by_epoch = np.repeat([4.0, 8.0, 4.0, 8.0, 4.0, 8.0, 4.0, 8.0], 40)
        yield fires("epochs up and down", training(losses=by_epoch * noisy(1.0), epochs=8))
        yield quiet("noise of batches", training(losses=noisy(CHANCE, noise=0.3)))
        yield quiet("noise that wanders", training(losses=CHANCE + _wandering(0.9)))
        yield quiet("it learns", training(losses=noisy(CHANCE, 0.3, noise=0.3)))
        yield quiet("a ripple", training(losses=CHANCE * (1 + 0.01 * (-1.0) ** np.arange(320))))
        yield quiet("few steps", training(losses=swinging[:16], epochs=16))
        smooth = training(losses=noisy(CHANCE, 0.3, noise=0.0), epochs=320)
        yield quiet("full batches, downhill", smooth)


def _wandering(phi: float, *, steps: int = 320, scale: float = 0.1) -> NDArray[np.float64]:
    draws = scale * np.random.default_rng(0).standard_normal(steps)
    for i in range(1, steps):
        draws[i] += phi * draws[i - 1]
    return draws
