"""A training loss that jumps up and down without getting anywhere."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.progress import epoch_losses, one_sided, progress, step_losses
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
    alternation: float = -0.6  # correlation of neighbouring steps; noise of batches has 0 or more
    least: int = 40  # successive steps
    swing: float = 0.1  # of the level: standard deviation, below it nothing is meant
    epoch_swing: float = 0.3  # of the level: median jump between epochs
    epochs: int = 6

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        steps, losses = step_losses(history)
        if len(losses) < self.least or one_sided(history):
            return
        found = self._by_step(steps, losses) or self._by_epoch(history, losses)
        if found is None or history.beats_baseline():
            return
        message, value, limit = found
        learned = progress(history)
        if learned is None or learned.below or (learned.falling and value > limit):
            return
        yield self.diagnosis(
            f"{message}, around {show(learned.now)}",
            Evidence(Fact.LOSS, value, limit=limit, step=int(steps[-1])),
            location=_rate_place(history) or history.run.place("step", "fit"),
        )

    def _by_step(
        self, steps: NDArray[np.int64], losses: NDArray[np.float64]
    ) -> tuple[str, float, float] | None:
        """Alternation between successive steps, in the longest dense stretch."""
        gaps = np.flatnonzero(np.diff(steps) != 1) + 1
        parts = np.split(losses, gaps)
        dense = max(parts, key=len)
        if len(dense) < self.least:
            return None
        dense = dense[len(dense) // 4 :]
        level = float(np.abs(dense).mean())
        rest = dense - np.convolve(np.pad(dense, 2, mode="edge"), np.ones(5) / 5, mode="valid")
        power = float(rest @ rest)
        if level <= 0 or power <= 0 or rest.std() < self.swing * level:
            return None
        # white noise less its own running mean of five correlates by about -0.2
        together = float(rest[1:] @ rest[:-1]) / power
        if together > self.alternation:
            return None
        jump = percent(2 * float(rest.std()) / level)
        message = f"the training loss jumps up and down with each step by {jump} of itself"
        return message, together, self.alternation

    def _by_epoch(
        self, history: History, losses: NDArray[np.float64]
    ) -> tuple[str, float, float] | None:
        """Jumps between epochs far above the error of a mean over the steps of one."""
        means = epoch_losses(history)
        if len(means) < self.epochs:
            return None
        late = means[-self.epochs :]
        level = float(np.abs(late).mean())
        jumps = np.diff(late)
        jump = float(np.median(np.abs(jumps)))
        turns = int((np.sign(jumps[1:]) != np.sign(jumps[:-1])).sum())
        taken = max(1.0, (history.step + 1) / max(1, history.epochs_finished))
        error = float(losses[len(losses) // 2 :].std()) / taken**0.5
        if level <= 0 or jump < max(self.epoch_swing * level, 4 * error) or turns < 3:
            return None
        return (
            f"the training loss jumps by {percent(jump / level)} of itself between epochs",
            jump / level,
            self.epoch_swing,
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        swinging = 4.0 + 2.0 * (-1.0) ** np.arange(320)
        jitter = noisy(1.0, noise=0.1)
        yield fires("it alternates", training(losses=swinging * jitter))
        yield fires("full batches, over many epochs", training(losses=swinging, epochs=320))
        yield quiet("noise of batches", training(losses=noisy(CHANCE, noise=0.3)))
        yield quiet("noise that wanders", training(losses=CHANCE + _wandering(0.9)))
        yield quiet("it learns", training(losses=noisy(CHANCE, 0.3, noise=0.3)))
        yield quiet("a ripple", training(losses=CHANCE * (1 + 0.01 * (-1.0) ** np.arange(320))))
        yield quiet("few steps", training(losses=swinging[:20]))


def _wandering(phi: float, *, steps: int = 320, scale: float = 0.1) -> NDArray[np.float64]:
    draws = scale * np.random.default_rng(0).standard_normal(steps)
    for i in range(1, steps):
        draws[i] += phi * draws[i - 1]
    return draws
