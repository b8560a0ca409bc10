"""So few updates, or batches so small, that the learning rate cannot make up for it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.progress import progress, step_losses, steps_taken
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class BatchLrMismatch(Check):
    """Batches that hold nearly the whole data set, so that an epoch is one or two updates and
    training ends after a handful of them.

    Why it matters: weights change only in updates. Ten epochs with one update each are ten steps,
    whatever the number of samples.
    May be wrong when: training is only tried out, or a second-order method needs few steps.
    References: Keskar et al. (2017), arXiv:1609.04836; Masters & Luschi (2018), arXiv:1804.07612;
    Goyal et al. (2017), arXiv:1706.02677.
    """

    id = "batch-lr-mismatch"
    title = "too few updates for the number of epochs"
    cause = Cause.BUDGET
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.BATCH_SIZE, Fact.LOSS, Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.METRIC, Fact.LEARNING_RATE})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "still-improving", "underfitting"})
    fixes = (
        Fix("use batches of 32 to 256 samples"),
        Fix("train for more epochs, or raise the learning rate with the size of the batch"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="batch size too large few updates {framework}",
        torch="utils.data.DataLoader",
        keras="models/model_training_apis",
    )
    updates: int = 200  # in the whole run; fewer rarely train a network from the beginning
    each: float = 3.0  # updates an epoch
    batch: int = 256  # samples; small data sets have few batches anyway
    epochs: int = 3

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        epochs = history.epochs_finished
        if not history.finished or epochs < self.epochs:
            return
        taken = steps_taken(history)
        if taken >= self.updates:
            return
        _, sizes = history.array(Fact.BATCH_SIZE)
        size = float(np.median(sizes))
        optimizers = history.run.optimizers
        if size < self.batch or taken / epochs > self.each:
            return
        if any(o.kind == "lbfgs" for o in optimizers) or history.beats_baseline() is not False:
            return
        learned = progress(history)
        if learned is None or learned.below or not self._goes_down(history):
            return
        yield self.diagnosis(
            f"{epochs} epochs made {taken} updates, for a batch holds {show(size)} samples; the "
            f"loss is {show(learned.now)} and a constant prediction reaches {show(learned.bar)}",
            Evidence(Fact.BATCH_SIZE, size, limit=self.batch, unit="samples", step=history.step),
            location=history.run.place("batch-size", "fit", "loop", "step"),
            confidence="measured",
        )

    def _goes_down(self, history: History) -> bool:
        """Whether updates do lower the loss: else more of them would not help."""
        _, losses = step_losses(history)
        return bool(losses[-1] < 0.995 * losses[0] and np.median(np.diff(losses)) < 0)

    @staticmethod
    def cases() -> Iterator[Case]:
        flat = CHANCE * np.linspace(1.02, 0.98, 12)
        yield fires("one update an epoch", training(losses=flat, epochs=12, batch=6000))
        yield fires("two updates", training(losses=flat, epochs=6, batch=3000))
        yield quiet("full batches for many epochs", training(epochs=320, batch=6000))
        still = CHANCE + 0.01 * np.sin(np.arange(12.0))
        yield quiet("updates bring nothing", training(losses=still, epochs=12, batch=6000))
        learned = noisy(CHANCE, 0.3, steps=12)
        yield quiet("it learns all the same", training(losses=learned, epochs=12, batch=6000))
        yield quiet("a small data set", training(losses=flat, epochs=12, batch=100))
        yield quiet("many batches", training(losses=flat, epochs=3, batch=512))
        more = training(losses=flat, epochs=12, batch=6000, finished=False)
        yield quiet("it has only begun", more)
