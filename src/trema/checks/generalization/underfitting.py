"""A model that ended training hardly better than a constant prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.progress import progress
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class Underfitting(Check):
    """A training loss that at the end is within a fifth of that of a constant prediction.

    Why it matters: the model does not even describe its training data; validation and
    regularization are not the question yet.
    May be wrong when: the targets are mostly noise, so that little can be learned.
    References: Goodfellow et al. (2016), Deep Learning, section 5.2; Ng (2018), Machine Learning
    Yearning, chapters 20 to 26.
    """

    id = "underfitting"
    title = "the model underfits"
    cause = Cause.ARCHITECTURE
    severity = Severity.INFO
    preview = True
    needs = frozenset({Fact.LOSS, Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.METRIC, Fact.TARGET_STD, Fact.TARGET_MEAN})
    fixes = (
        Fix("train longer, as long as the loss falls"),
        Fix("use a larger network, or better features", caution="changes the model"),
        Fix("take regularization out until the training data are learned"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="underfitting neural network {framework}",
        torch="nn.Sequential",
        keras="models/model_training_apis",
    )
    share: float = 0.8  # of the loss of a constant prediction
    steps: int = 100  # training steps
    epochs: int = 3

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        if not history.finished or history.step < self.steps:
            return
        if history.epochs_finished < self.epochs:
            return
        found = progress(history)
        if found is None or found.baseline is None or found.baseline <= 0:
            return
        share = found.now / found.baseline
        if not self.share < share <= 1.15:  # above, the loss holds more than the error
            return
        message = (
            f"training ended with a loss of {show(found.now)}; always giving the same answer "
            f"costs {show(found.baseline)}, so that {percent(max(0.0, 1 - share))} is gained"
        )
        if found.falling:
            message += "; the loss still falls"
        yield self.diagnosis(
            message,
            Evidence(Fact.LOSS, found.now, limit=self.share * found.baseline, step=found.step),
            location=history.run.place("model", "fit", "loop"),
            cause=Cause.BUDGET if found.falling else None,
            confidence="possible",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        slow = noisy(CHANCE, 0.85 * CHANCE, noise=0.01)
        yield fires("a small gain", training(losses=slow))
        yield fires("none", training())
        yield quiet("it learns", training(losses=noisy(CHANCE, 0.5)))
        yield quiet("training goes on", training(losses=slow, finished=False))
        yield quiet("two epochs", training(losses=slow, epochs=2))
        yield quiet("a penalty lifts the loss", training(losses=noisy(9.0, 6.0)))
