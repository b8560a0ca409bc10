"""Whether a run learns, told from its training loss: what symptom checks ask before they speak."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trema.checks.smoothing import ACCURACIES
from trema.checks.trends import trend
from trema.core.facts import TRAIN, Fact
from trema.core.history import History

RECENT = 16  # observed steps whose mean is the level now
#: Mann–Kendall statistic below which a loss counts as still falling. It is lenient on purpose:
#: noise that looks like progress only keeps a symptom silent.
FALLING = -1.6
LEAST_DROP = 0.05  # of the level to beat; less is no progress (TheDeepChecker: 5 %)
NEAR = 0.15  # of the loss of a constant prediction: above it a loss stands somewhere else
ACCURACY_GAIN = 0.1  # of the samples: answers that get better count as learning


@dataclass(frozen=True)
class Progress:
    """The training loss over the run.

    start, now : level of the first observed steps and of the last ones
    baseline : loss of a constant prediction, or None
    falling : the loss of late still goes down
    step : last step seen
    """

    start: float
    now: float
    baseline: float | None
    falling: bool
    step: int

    @property
    def bar(self) -> float:
        """The level that a run that learns gets below."""
        return self.start if self.baseline is None else self.baseline

    @property
    def below(self) -> bool:
        """Whether the loss got anywhere: clearly below a constant prediction, or clearly below
        its beginning and not just down to a constant prediction. (Penalties and weights lift a
        loss, so that one that fell to some other level may well have learned.)"""
        fell = self.start - self.now > LEAST_DROP * abs(self.start)
        if self.baseline is None:
            return fell
        if self.now < (1 - LEAST_DROP) * self.baseline:
            return True
        return fell and self.now > (1 + NEAR) * self.baseline


def step_losses(history: History) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Steps and finite losses of observed training steps."""
    steps, losses = history.array(Fact.LOSS)
    keep = np.isfinite(losses)
    return steps[keep], losses[keep]


def epoch_losses(history: History) -> NDArray[np.float64]:
    """Finite mean training losses of the epochs, oldest first."""
    _, losses = history.array(Fact.METRIC, "loss")
    return losses[np.isfinite(losses)]


def progress(history: History) -> Progress | None:
    """The training loss over the run; None when it tells nothing.

    An adversarial loss (all targets of each batch equal) has no level to reach.
    """
    steps, losses = step_losses(history)
    if len(losses) < 8 or one_sided(history):
        return None
    epochs = epoch_losses(history)
    now = float(losses[-RECENT:].mean())
    if len(epochs) > 1:
        now = min(now, float(epochs[-1:].mean() if len(epochs) < 4 else epochs[-2:].mean()))
    return Progress(
        float(losses[:4].mean()),
        now,
        history.baseline_loss(),
        _falling(losses, epochs),
        int(steps[-1]),
    )


def _falling(losses: NDArray[np.float64], epochs: NDArray[np.float64]) -> bool:
    late = trend(losses[len(losses) // 2 :])
    if late is not None and late.z < FALLING:
        return True
    if len(epochs) >= 6:
        slow = trend(epochs[len(epochs) // 3 :], least=4)
        return slow is not None and slow.z < FALLING and slow.last < 0.99 * slow.first
    return len(epochs) >= 3 and bool(epochs[-1] < 0.98 * epochs[len(epochs) // 2])


def one_sided(history: History) -> bool:
    """Whether every observed batch has equal targets only, as in adversarial training."""
    for name in history.names(Fact.TARGET_STD):
        _, std = history.array(Fact.TARGET_STD, name, last=20)
        return bool(len(std) >= 8 and (std == 0).all())
    return False


def steps_taken(history: History) -> int:
    """Training steps so far, at least: the last one observed may lie well behind, so that whole
    epochs over data of known size count too."""
    run = history.run
    _, sizes = history.array(Fact.BATCH_SIZE, last=32)
    batch = max(float(run.batch_size or 0), float(sizes.max()) if len(sizes) else 0.0)
    samples = run.train_samples or 0
    for observation in history.observations(Fact.DATASET):
        if observation.data.get("split") == TRAIN and observation.data.get("source") == "arrays":
            samples = max(samples, int(observation.data.get("samples", 0)))
    by_epoch = math.ceil(samples / batch) if samples and batch else 0
    return max(history.step + 1, history.epochs_finished * by_epoch)


def waited(history: History, *, steps: int, epochs: int, end: int | None = None) -> bool:
    """Whether training went on long enough to judge it: so many steps and epochs, three times as
    many steps without epochs, ``end`` steps (else a third) when it is over."""
    taken = steps_taken(history)
    if history.finished:
        return taken >= (max(20, steps // 3) if end is None else end)
    if history.epochs_finished >= epochs:
        return taken >= steps
    return history.epochs_finished == 0 and taken >= 3 * steps


def stuck(
    history: History, *, steps: int = 200, epochs: int = 3, end: int | None = None
) -> Progress | None:
    """The progress of a run that had its time and does not learn, else None.

    It does not learn when its loss is not 5 % below that of a constant prediction (where this is
    not known: below its beginning), no longer falls, and no accuracy has risen.
    """
    if not waited(history, steps=steps, epochs=epochs, end=end) or history.beats_baseline():
        return None
    known = history.run.loss is not None and history.run.loss.kind != "other"
    if not known and not history.finished:
        return None  # a loss of one's own may be of any shape
    found = progress(history)
    if found is None or found.below or found.falling or answers_improve(history):
        return None
    return found


def answers_improve(history: History) -> bool:
    """Whether an accuracy has risen by a tenth."""
    for name in history.names(Fact.METRIC):
        if name in ACCURACIES or name.lower().endswith(("accuracy", "acc")):
            _, values = history.array(Fact.METRIC, name)
            values = values[np.isfinite(values)]
            if len(values) >= 2 and values[-2:].mean() - values[0] >= ACCURACY_GAIN:
                return True
    return False
