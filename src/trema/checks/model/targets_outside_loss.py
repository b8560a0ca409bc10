"""Targets at which the loss is not defined, or says something else than is meant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import combine
from trema.checks.sketch_batch import ROWS, logits, loss, net, seen_as
from trema.checks.targets import Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, LossInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class TargetsOutsideLoss(Check):
    """Percentage errors of targets around zero, logarithms or counts of negative ones.

    Why it matters: an error over the target grows without bound where the target is near zero, so
    that a handful of samples rule the loss and predictions shrink to zero. Logarithmic and Poisson
    losses take negative targets for zero, or fall for ever.
    May be wrong when: targets near zero are so rare that they hardly count.
    References: Hyndman & Koehler (2006), Another look at measures of forecast accuracy; Keras,
    `MeanAbsolutePercentageError`, `MeanSquaredLogarithmicError`; PyTorch, `PoissonNLLLoss`.
    """

    id = "targets-outside-loss"
    title = "the loss is not made for such targets"
    cause = Cause.LOSS
    severity = Severity.ERROR
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MIN, Fact.TARGET_MAX})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.TARGET_MEAN, Fact.TARGET_STD})
    explains: ClassVar[frozenset[str]] = frozenset({"loss-flat", "exploding-grad"})
    fixes = (
        Fix("use the mean absolute or squared error: neither asks where zero is"),
        Fix("or give the loss targets in their own unit, all well above zero"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="mean absolute percentage error targets near zero {framework}",
        torch="nn.L1Loss",
        keras="losses/regression_losses",
    )
    beyond: float = 0.05  # of a standard deviation: so far on both sides is around zero
    zero: float = 1e-6  # of the mean; below it a relative error is that of rounding
    steps: int = 3  # observed, so that no single odd batch is judged

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None or seen.targets.steps < self.steps:
            return
        targets = seen.targets
        why = self._outside(seen.loss, targets)
        if why is None:
            return
        yield self.diagnosis(
            f"{seen.loss_name} {why}: the targets go from {show(targets.minimum)} to "
            f"{show(targets.maximum)}, with mean {show(targets.mean)}",
            Evidence(Fact.TARGET_MIN, targets.minimum, limit=0.0, name=targets.name),
            where=Where(output="targets"),
            location=seen.loss_location or history.run.place("compile", "fit", "step"),
            confidence="measured",
        )

    def _outside(self, loss: LossInfo, targets: Targets) -> str | None:
        """What the loss does with these targets, or None where it is made for them."""
        if loss.kind == "relative":
            least = self.beyond * targets.std
            if targets.minimum < -least and targets.maximum > least:
                return "divides by targets of both signs, so that those near zero rule it"
            if 0 <= targets.minimum <= self.zero * targets.mean:
                return "divides by targets of zero"
        below = targets.minimum < -self.beyond * targets.std
        if loss.kind == "log-squared" and below:
            return "takes the logarithm of one more than the target, and negative ones for zero"
        if loss.kind == "poisson" and below:
            return "is that of counts, and falls for ever where a target is negative"
        return None

    @staticmethod
    def cases() -> Iterator[Case]:
        values = logits(ROWS, 1)
        price = np.abs(values) + 3

        def seen(kind: str, targets: np.ndarray, steps: int = 4) -> History:
            run = net(loss(kind), 1)
            return seen_as(run, outputs=logits(ROWS, 1), targets=targets, steps=steps)

        yield fires("percentages of standardized targets", seen("relative", values))
        some = price.copy()
        some[3] = 0
        yield fires("percentages of zero", seen("relative", some))
        yield fires("logarithms of standardized targets", seen("log-squared", values))
        yield fires("negative counts", seen("poisson", values))
        yield quiet("percentages of prices", seen("relative", price))
        yield quiet("of negative numbers, none near zero", seen("relative", -price))
        yield quiet("logarithms of counts and zeros", seen("log-squared", np.round(price - 3)))
        yield quiet("counts", seen("poisson", np.round(price - 3)))
        yield quiet("absolute errors around zero", seen("mae", values))
        yield quiet("a single batch", seen("relative", values, 2))
