"""A transformer that begins at its full rate and is thrown back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.sketch import dense, op
from trema.checks.sketch_runs import noisy, training, with_weights
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity
from trema.core.facts import Fact, Layer, OptimizerInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class WarmupMissing(Check):
    """A transformer trained by Adam from its full rate on, whose loss rose at once and did not
    come back below where it began.

    Why it matters: Adam's first steps are as long as the rate allows, because its averages know
    nothing yet; attention saturates, and the loss stays near that of guessing by frequency.
    May be wrong when: the rate is too high with any warm-up.
    References: Vaswani et al. (2017), arXiv:1706.03762, section 5.3; Xiong et al. (2020), On
    Layer Normalization in the Transformer Architecture, arXiv:2002.04745; Ma & Yarats (2021).
    """

    id = "warmup-missing"
    title = "no warm-up, and the loss rose"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    preview = True
    needs = frozenset({Fact.LOSS, Fact.LEARNING_RATE, Fact.OPTIMIZER, Fact.LAYERS})
    fixes = (
        Fix("let the rate rise over the first 2 to 10 % of the steps"),
        Fix("try a rate 3 to 10 times lower"),
        Fix("normalize before attention instead of behind it", caution="changes the model"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="transformer learning rate warmup {framework}",
        torch="optim.lr_scheduler.LinearLR",
        keras="optimizers/learning_rate_schedules",
    )
    early: int = 100  # steps in which a warm-up would be seen and the loss rises
    rose: float = 1.3  # highest early loss over the first one
    back: float = 0.95  # mean loss of the last epoch, over the first loss
    epochs: int = 2  # the loss of the last of so many, at least, must be back

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        run = history.run
        kinds = {optimizer.kind for optimizer in run.optimizers}
        if not any(attends(layer) for layer in run.layers) or not any("adam" in k for k in kinds):
            return
        names = history.names(Fact.LEARNING_RATE)
        at, rates = history.array(Fact.LEARNING_RATE, names[0])
        steps, losses = history.array(Fact.LOSS)
        _, means = history.array(Fact.METRIC, "loss")
        if not len(steps) or steps[0] > 1 or len(means) < self.epochs:
            return
        warm = rates[0] < 0.9 * rates[at <= self.early].max()
        first, late, peak = float(losses[0]), float(means[-1]), losses[steps <= self.early]
        if warm or first <= 0 or not np.isfinite(losses).all():
            return
        if float(peak.max()) < self.rose * first or late < self.back * first:
            return
        place = run.optimizers[0]
        yield self.diagnosis(
            f"the rate is {show(float(rates[0]))} from the first step on; the loss rose from "
            f"{show(first)} to {show(float(peak.max()))} within {self.early} steps and is "
            f"{show(late)} in the last epoch",
            Evidence(Fact.LOSS, float(peak.max()), limit=self.rose * first, name="early"),
            Evidence(Fact.LEARNING_RATE, float(rates[0])),
            location=place.learning_rate_location or place.location,
            confidence="possible",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        layers = (op("attention", "attn"), dense("fc", 32, 10))
        adam = OptimizerInfo(name="0", kind="adamw", learning_rates=(5e-3,))
        run = with_weights(*layers, optimizers=(adam,))
        full, low = np.full(320, 5e-3), np.linspace(1e-5, 5e-3, 320)

        def case(losses: np.ndarray, rates: np.ndarray = full) -> History:
            return training(run, losses, {(Fact.LEARNING_RATE, "0.0"): rates})

        stuck = noisy(2.3, 2.35)
        stuck[5:30] = 4.0
        yield fires("it rose and stays", case(stuck))
        higher = noisy(2.3, 2.9)
        higher[2:90] = 6.0
        yield fires("it stays above", case(higher))
        back = noisy(2.3, 0.5)
        back[5:30] = 4.0
        yield quiet("it came back", case(back))
        yield quiet("with warm-up", case(stuck, low))
        yield quiet("it never rose", case(noisy(2.3, 2.35)))
        plain = with_weights(dense("fc1", 20, 32), dense("fc2", 32, 10), optimizers=(adam,))
        yield quiet("no transformer", training(plain, stuck, {(Fact.LEARNING_RATE, "0.0"): full}))


def attends(layer: Layer) -> bool:
    """Whether a layer is, or is a part of, attention: those of libraries tell by their names."""
    parts = layer.name.lower().split(".")
    return layer.kind == "attention" or any(
        part in ("attn", "attention", "self_attn", "selfattention") for part in parts
    )
