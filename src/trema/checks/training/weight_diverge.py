"""Weights that grow on and on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.graph import normalized_next
from trema.checks.kernels import Kernel, kernels, series
from trema.checks.progress import one_sided, progress
from trema.checks.sketch import Facts, dense, op
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training, with_weights
from trema.checks.trends import trend
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class WeightDiverge(Check):
    """A weight matrix whose norm has grown tenfold and goes on growing, without any gain.

    Why it matters: weights that run away make outputs and gradients larger until the run breaks.
    May be wrong when: weights began very small and are on their way to a usual size.
    References: Ben Braiek & Khomh (2022), TheDeepChecker (diverging weights, growth by windows).
    """

    id = "weight-diverge"
    title = "weights run away"
    cause = Cause.LEARNING_RATE
    severity = Severity.ERROR
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.WEIGHT_NORM, Fact.LOSS, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.GRAPH, Fact.METRIC})
    explains: ClassVar[frozenset[str]] = frozenset(
        {"loss-diverging", "loss-flat", "nonfinite-loss", "saturation", "underfitting"}
    )
    fixes = (
        Fix("try a learning rate 10 times lower"),
        Fix("clip the norm of the gradient, or add weight decay"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="weights diverge training {framework}", torch="optim", keras="optimizers")
    growth: float = 10.0  # times the norm of the first observed step
    usual: float = 3.0  # root mean square times the root of the inputs; initial weights have 1.4
    still: float = 1.1  # growth over the last third, so that it goes on

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        if one_sided(history) or history.step < 30:
            return
        found = [(g, k) for k in kernels(history.run) if (g := self._growth(history, k))]
        if not found:
            return
        learned = progress(history)
        if learned is None or learned.below or learned.falling:
            return
        growth, kernel = max(found, key=lambda one: one[0])
        norms = series(history, Fact.WEIGHT_NORM, kernel)
        yield self.diagnosis(
            f"the norm of `{kernel.name}` grew from {show(float(norms[0]))} to "
            f"{show(float(norms[-1]))} at step {history.step} and grows on, while the loss is "
            f"{show(learned.now)}",
            Evidence(
                Fact.WEIGHT_NORM,
                growth,
                limit=self.growth,
                unit="times the beginning",
                step=history.step,
                name=kernel.name,
            ),
            where=Where(layer=kernel.layer.name, parameter=kernel.name),
            location=kernel.layer.location,
            confidence="measured",
        )

    def _growth(self, history: History, kernel: Kernel) -> float | None:
        """How many times the norm has grown, when it has too much and goes on."""
        norms = series(history, Fact.WEIGHT_NORM, kernel)
        if len(norms) < 12 or norms[0] <= 0 or normalized_next(history.run, kernel.layer):
            return None
        growth = float(norms[-1] / norms[0])
        size = float(norms[-1]) * ((kernel.fan_in or 1) / kernel.size) ** 0.5
        if growth < self.growth or size < self.usual:
            return None
        going = trend(norms)
        on = going is not None and going.z > 2 and norms[-1] > self.still * norms[-len(norms) // 3]
        return growth if on else None

    @staticmethod
    def cases() -> Iterator[Case]:
        run = mlp(20, 32, 32, CLASSES)

        def facts(norms: np.ndarray) -> Facts:
            return {(Fact.WEIGHT_NORM, "fc1.weight"): norms}

        growing = np.linspace(6.0, 600.0, 320)
        yield fires("a hundredfold, and nothing is learned", training(run, facts=facts(growing)))
        worse = CHANCE * 1.01 ** np.arange(320)
        yield fires("the loss rises with it", training(run, worse, facts(growing)))
        yield quiet("it learns", training(run, noisy(CHANCE, 0.4), facts(growing)))
        yield quiet("small weights grow up", training(run, facts=facts(growing / 600)))
        settled = np.concatenate([np.linspace(6, 600, 100), np.full(220, 600.0)])
        yield quiet("it has settled", training(run, facts=facts(settled)))
        normal = with_weights(dense("fc1", 20, 32), op("normalization", "bn"), dense("fc2", 32, 10))
        yield quiet("before a normalization", training(normal, facts=facts(growing)))
        yield quiet("doubled", training(run, facts=facts(np.linspace(6, 12, 320))))
