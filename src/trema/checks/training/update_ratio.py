"""Updates far too large or too small beside the weights that they change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.kernels import Kernel, kernels, update_ratios
from trema.checks.learning_rates import observed_rates
from trema.checks.progress import stuck
from trema.checks.sketch import Facts
from trema.checks.sketch_runs import CHANCE, CLASSES, mlp, noisy, training
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@dataclass(frozen=True)
class Ratios:
    """Median norm of updates over norm of weights, by weight matrix, in the order of the model."""

    values: tuple[tuple[Kernel, float], ...]

    @property
    def middle(self) -> float:
        """The median over the matrices."""
        return float(np.median([ratio for _, ratio in self.values]))


def typical_ratios(history: History, window: int) -> Ratios | None:
    """The ratios over the last ``window`` observed steps; None when fewer were seen."""
    found = []
    for kernel in kernels(history.run):
        ratios = update_ratios(history, kernel, last=window)
        if len(ratios) >= window:
            found.append((kernel, float(np.median(ratios))))
    return Ratios(tuple(found)) if found else None


@register
@dataclass(frozen=True, kw_only=True)
class UpdateRatio(Check):
    """Steps that move most weights by more than a tenth of themselves each time, or by next to
    nothing, in a run that does not learn.

    Why it matters: what a learning rate means depends on the gradients; how far weights move is
    what counts. About a thousandth of their norm a step is usual.
    May be wrong when: weights began at zero, or their scale does not matter (before a
    normalization).
    References: Karpathy, CS231n, "ratio of weights:updates"; Ben Braiek & Khomh (2022),
    TheDeepChecker (between 1e-4 and 1e-1); SageMaker Debugger, WeightUpdateRatio.
    """

    id = "update-ratio"
    title = "updates do not fit the weights"
    cause = Cause.LEARNING_RATE
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.UPDATE_NORM, Fact.WEIGHT_NORM, Fact.LOSS, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LEARNING_RATE, Fact.METRIC})
    explains: ClassVar[frozenset[str]] = frozenset(
        {
            "dead-units", "exploding-grad", "loss-diverging", "loss-flat", "loss-oscillating",
            "saturation", "underfitting", "weight-diverge",
        }
    )  # fmt: skip
    fixes = (
        Fix("change the learning rate by the factor by which the ratio is off"),
        Fix("scale inputs and targets to about one"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="update to weight ratio learning rate {optimizer}", torch="optim", keras="optimizers"
    )
    high: float = 0.1  # of the norm of the weights, each step (TheDeepChecker)
    low: float = 1e-6  # the same; TheDeepChecker takes 1e-4, but fine-tuning lies below
    window: int = 24  # observed steps, the last ones

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = typical_ratios(history, self.window)
        if found is None or self.low <= found.middle <= self.high or found.middle == 0:
            return  # without any update the gradient is zero, or param-unchanged speaks
        if stuck(history) is None:
            return
        large = found.middle > self.high
        extreme = max if large else min
        kernel, ratio = extreme(found.values, key=lambda one: one[1])
        limit = self.high if large else self.low
        rates = next(observed_rates(history), None)
        message = (
            f"half of the weight matrices change by more than {show(found.middle)} times their "
            f"norm in each step; `{kernel.name}` by {show(ratio)}"
            if large
            else f"half of the weight matrices change by less than {show(found.middle)} of their "
            f"norm in each step"
        )
        if rates is not None:
            message += f"; the learning rate of {rates.optimizer.kind} is {show(rates.typical)}"
        place = None
        if rates is not None:
            place = rates.optimizer.learning_rate_location or rates.optimizer.location
        yield self.diagnosis(
            message,
            Evidence(
                Fact.UPDATE_NORM,
                found.middle,
                limit=limit,
                unit="of the norm of the weights",
                step=history.step,
            ),
            where=Where(),
            location=place or history.run.place("step", "fit"),
            fixes=(
                Fix(f"try a learning rate {show(max(3.0, found.middle / 0.003))} times lower")
                if large
                else Fix("try a learning rate 100 to 1000 times higher"),
                *self.fixes[1:],
            ),
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = mlp(20, 32, 32, CLASSES)

        def facts(*ratios: float) -> Facts:
            table: Facts = {}
            for kernel, ratio in zip(kernels(run), ratios, strict=True):
                table[Fact.WEIGHT_NORM, kernel.name] = np.full(320, 4.0)
                table[Fact.UPDATE_NORM, kernel.name] = np.full(320, 4.0 * ratio)
            return table

        yield fires("half of the norm each step", training(run, facts=facts(0.5, 0.4, 0.6)))
        yield fires("nothing moves", training(run, facts=facts(1e-9, 1e-8, 1e-8)))
        yield quiet("a thousandth", training(run, facts=facts(1e-3, 2e-3, 1e-3)))
        yield quiet("large, but it learns", training(run, noisy(CHANCE, 0.4), facts(0.5, 0.4, 0.6)))
        yield quiet("one layer only", training(run, facts=facts(0.5, 1e-3, 1e-3)))
        few = training(run, facts={k: v[:8] for k, v in facts(0.5, 0.4, 0.6).items()})
        yield quiet("eight steps", few)
