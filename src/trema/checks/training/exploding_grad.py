"""Gradients that grow beyond measure in a run that does not learn."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import total_gradients
from trema.checks.progress import one_sided, step_losses
from trema.checks.sketch import Facts
from trema.checks.sketch_runs import CHANCE, noisy, training
from trema.checks.trends import trend
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class ExplodingGrad(Check):
    """A gradient norm that has grown a hundredfold while the loss rose.

    Why it matters: each step then moves the weights further than the last one, until numbers
    overflow.
    May be wrong when: the loss changes its scale by design during training.
    References: Pascanu et al. (2013), On the difficulty of training recurrent neural networks,
    arXiv:1211.5063; Ben Braiek & Khomh (2022), TheDeepChecker (growth over windows).
    """

    id = "exploding-grad"
    title = "gradients explode"
    cause = Cause.LEARNING_RATE
    severity = Severity.ERROR
    kind = Kind.SYMPTOM
    preview = True
    needs = frozenset({Fact.GRADIENT_NORM, Fact.LOSS})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"nonfinite-loss", "loss-diverging", "loss-oscillating", "weight-diverge"}
    )
    fixes = (
        Fix("try a learning rate 10 times lower"),
        Fix("clip the norm of the gradient: `clipnorm=1.0`, `clip_grad_norm_(parameters, 1.0)`"),
        Fix("scale the inputs and targets to about one"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="exploding gradient {framework}",
        torch="nn.utils.clip_grad_norm_",
        keras="optimizers",
    )
    growth: float = 100.0  # times the norm of the beginning
    rise: float = 2.0  # times the loss of the beginning, so that it is no harmless rescaling
    recent: int = 5  # observed steps, all above

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        norms = total_gradients(history)
        _, losses = step_losses(history)
        if len(norms) < 8 + self.recent or len(losses) < 8 + self.recent or one_sided(history):
            return
        start = float(np.median(norms[:5]))
        now = float(norms[-self.recent :].min())
        first, last = float(np.median(losses[:5])), float(losses[-self.recent :].min())
        if start <= 0 or now < self.growth * start or first <= 0 or last < self.rise * first:
            return
        going = trend(norms)
        if going is None or going.z < 1.6:
            return
        now = float(np.median(norms[-self.recent :]))
        yield self.diagnosis(
            f"the norm of the gradient grew from {show(start)} to {show(now)} at step "
            f"{history.step}, and the loss from {show(first)} to {show(float(losses[-1]))}",
            Evidence(
                Fact.GRADIENT_NORM,
                now,
                limit=self.growth * start,
                step=history.step,
            ),
            location=history.run.place("step", "fit"),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        def norms(values: np.ndarray) -> Facts:
            return {(Fact.GRADIENT_NORM, "fc1.weight"): values}

        growing = 0.5 * 1.05 ** np.arange(320)
        worse = CHANCE * 1.02 ** np.arange(320)
        yield fires("both grow", training(losses=worse, facts=norms(growing)))
        bursts = growing * np.exp(0.3 * np.random.default_rng(0).standard_normal(320))
        yield fires("with jitter", training(losses=worse, facts=norms(bursts)))
        yield quiet("the loss falls", training(losses=noisy(CHANCE, 0.4), facts=norms(growing)))
        yield quiet("the loss stays", training(facts=norms(growing)))
        spike = np.full(320, 0.5)
        spike[100] = 5e4
        yield quiet("one spike", training(losses=worse, facts=norms(spike)))
        tenfold = np.linspace(0.5, 5, 320)
        yield quiet("tenfold", training(losses=worse, facts=norms(tenfold)))
