"""A training loss that has not moved below that of a constant prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.learning_rates import observed_rates
from trema.checks.progress import LEAST_DROP, stuck
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class LossFlat(Check):
    """A training loss that stays where it began, or at what a constant prediction reaches.

    Why it matters: nothing is learned; longer training of the same kind changes nothing.
    May be wrong when: some networks sit on a plateau for epochs before they begin to learn, and
    targets of pure noise cannot be learned.
    References: Ben Braiek & Khomh (2022), TheDeepChecker, arXiv:2204.00694 (5 % over windows);
    Karpathy (2019), A Recipe for Training Neural Networks.
    """

    id = "loss-flat"
    title = "the loss does not fall"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.LOSS})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.METRIC, Fact.TARGET_STD, Fact.LOSS_KIND, Fact.LEARNING_RATE}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"underfitting"})
    fixes = (
        Fix("try learning rates 10 times higher and lower"),
        Fix(
            "check that a handful of samples can be learned by heart; if not, the code is at fault"
        ),
        Fix("check that inputs and labels still belong together"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="training loss not decreasing {framework} {loss}",
        torch="optim",
        keras="models/model_training_apis",
    )
    steps: int = 1000  # training steps: a small LSTM that adds two numbers begins after 350
    epochs: int = 5  # finished epochs
    zero: int = 20  # observed steps, all at a learning rate of zero
    end: int = 100  # training steps when training is over

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = stuck(history, steps=self.steps, epochs=self.epochs, end=self.end)
        if found is None:
            return
        message = f"the training loss began at {show(found.start)} and is {show(found.now)} at "
        message += f"step {found.step}"
        if found.baseline is not None:
            message += f"; a constant prediction reaches {show(found.baseline)}"
        rates = list(observed_rates(history))
        still = [r for r in rates if len(r.steps) >= self.zero and not r.values.any()]
        place = history.run.place("fit", "loop", "step")
        if still and len(still) == len(rates):
            message += f"; the learning rate was 0 in all {len(still[0].steps)} observed steps"
            own = still[0].optimizer
            place = own.learning_rate_location or own.location or place
        limit = found.bar - LEAST_DROP * abs(found.bar)
        yield self.diagnosis(
            message,
            Evidence(Fact.LOSS, found.now, limit=limit, step=found.step),
            location=place,
            confidence="likely" if found.baseline is not None else "possible",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield fires("at chance for the whole run", training())
        fell = [*noisy(40.0, CHANCE, steps=60), *noisy(CHANCE, steps=260, seed=1)]
        yield fires("it fell from far above to chance", training(losses=fell))
        long = noisy(CHANCE, steps=1000, seed=2)
        yield fires("a thousand steps", training(losses=long, epochs=5, finished=False))
        yield quiet("it learns", training(losses=noisy(CHANCE, 0.4)))
        yield quiet("slow, but it falls", training(losses=noisy(CHANCE, 0.8 * CHANCE, noise=0.01)))
        yield quiet("far above chance, and falling", training(losses=noisy(400.0, 5.0)))
        yield quiet("a plateau that may end", training(epochs=8, finished=False))
        yield quiet("the second epoch", training(epochs=2, finished=False))
        yield quiet("a short try", training(losses=noisy(CHANCE, steps=30)))
        rising = {"accuracy": [0.1, 0.3, 0.5, 0.6]}
        yield quiet("a penalty hides it, but answers improve", training(metrics=rising))
        ones = {Fact.TARGET_STD: [0.0] * 320}
        yield quiet("an adversarial loss", training(facts=ones))
