"""Regression targets far from the scale at which a network starts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import Combination, combine
from trema.checks.sketch import Facts
from trema.checks.sketch_batch import logits, loss, net, seen_as
from trema.checks.targets import Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Kind, Severity
from trema.core.facts import Fact, Observation
from trema.core.history import History
from trema.core.numbers import show

#: Losses whose size follows that of the targets.
VALUES = frozenset({"mse", "mae", "huber"})


@register
@dataclass(frozen=True, kw_only=True)
class TargetUnscaled(Check):
    """Targets with a mean or spread far above 1, which the outputs do not come near to.

    Why it matters: outputs begin near 0, so the model must first grow its weights to the scale
    of the targets; squared error makes gradients of that scale squared, and training crawls at a
    small learning rate and explodes at a large one.
    May be wrong when: the learning rate was chosen for this scale and training is only slow.
    References: LeCun et al. (1998), Efficient BackProp, section 4.3; Bishop (1995), Neural
    Networks for Pattern Recognition, section 8.2.
    """

    id = "target-unscaled"
    title = "targets are far from the scale of the outputs"
    cause = Cause.LABELS
    severity = Severity.WARNING
    kind = Kind.SYMPTOM
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MEAN, Fact.TARGET_STD, Fact.LOSS})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.OUTPUT_MEAN, Fact.OUTPUT_STD, Fact.OUTPUT_MIN, Fact.OUTPUT_MAX, Fact.TARGET_MIN}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"nonfinite-loss"})
    fixes = (
        Fix("standardize the targets: `y = (y - mean) / std`, with numbers of the training data"),
        Fix("or start the bias of the last layer at the mean of the targets"),
        Fix("predict the logarithm of quantities that span orders of magnitude"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="scale target variable neural network regression {framework}",
        torch="nn.MSELoss",
        keras="losses/regression_losses",
    )
    limit: float = 10.0  # |mean| or standard deviation; proposed in the catalogue, calibrated
    window: int = 10  # observed training steps that are looked at
    least_steps: int = 100  # training steps before "not near" means something …
    least_finished: int = 20  # … or so many, when the training has ended
    reached: float = 0.02  # share of the targets' mean by then: at that pace 5,000 steps are short

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None or seen.loss.kind not in VALUES:
            return
        targets = seen.targets
        if abs(targets.mean) <= self.limit and targets.std <= self.limit:
            return
        if self._exploded(history, targets):
            yield self._found(seen, targets, "and the loss is no longer finite")
            return
        average = self._short(history, seen, targets)
        if average is not None and history.beats_baseline() is not True:
            steps = history.step + 1
            yield self._found(
                seen, targets, f"and after {steps} steps outputs still average {show(average)}"
            )

    def _exploded(self, history: History, targets: Targets) -> bool:
        """A loss that is not finite, from targets whose squares are large."""
        _, losses = history.array(Fact.LOSS, last=self.window)
        origins = history.observations(Fact.NONFINITE_ORIGIN)
        if any(found.data.get("kind") in ("input", "target", "parameter") for found in origins):
            return False  # the scale of the targets is not what made it so
        grown = max(abs(targets.mean), targets.std) > self.limit**2
        return grown and len(losses) > 0 and not np.isfinite(losses[-1])

    def _short(self, history: History, seen: Combination, targets: Targets) -> float | None:
        """The mean of the outputs where it is still far from the mean of the targets."""
        least = self.least_finished if history.finished else self.least_steps
        if history.step + 1 < least or seen.outputs is None:
            return None
        if abs(targets.mean) <= self.limit:
            return None  # a spread alone tells nothing by the mean
        _, means = history.array(Fact.OUTPUT_MEAN, seen.outputs.name, last=self.window)
        if len(means) < self.window or not np.isfinite(means).all():
            return None
        average = float(means.mean())
        return average if average / targets.mean < self.reached else None

    def _found(self, seen: Combination, targets: Targets, effect: str) -> Diagnosis:
        return self.diagnosis(
            f"targets have mean {show(targets.mean)} and standard deviation {show(targets.std)}, "
            f"{effect}",
            Evidence(
                Fact.TARGET_MEAN,
                targets.mean,
                limit=self.limit,
                step=targets.first_step,
                name=targets.name,
            ),
            location=seen.target_location,
            confidence="likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = net(loss("mse"), 1)
        prices = 200_000 + 50_000 * logits(classes=1, scale=1.0)
        small = logits(classes=1, scale=1.0)
        rest: Facts = {Fact.LOSS: [4.3e10] * 60}  # as large as predicting 0
        yield fires(
            "prices, and outputs stay near 0",
            seen_as(run, outputs=small, targets=prices, steps=60, facts=rest, finished=True),
            cause=Cause.LABELS,
            severity=Severity.WARNING,
        )
        yield fires(
            "prices, and the loss explodes",
            seen_as(run, outputs=small, targets=prices, facts={Fact.LOSS: [4e10, np.inf]}),
        )
        yield quiet(
            "standardized targets",
            seen_as(run, outputs=small, targets=small, steps=60, facts={Fact.LOSS: [1.0] * 60}),
        )
        yield quiet(
            "the first steps",
            seen_as(run, outputs=small, targets=prices, facts={Fact.LOSS: [4e10] * 4}),
        )
        yield quiet(
            "the outputs are on their way",
            seen_as(run, outputs=prices * 0.1, targets=prices, steps=120, facts=rest),
        )
        yield quiet(
            "the loss is well below the variance of the targets",
            seen_as(run, outputs=small, targets=prices, steps=60, facts={Fact.LOSS: [1e6] * 60}),
        )
        bad_input = Observation(
            fact=Fact.NONFINITE_ORIGIN, step=1, epoch=0, data={"kind": "input", "value": "nan"}
        )
        yield quiet(
            "prices, and an input that is NaN",
            seen_as(
                run,
                outputs=small,
                targets=prices,
                facts={Fact.LOSS: [4e10, np.nan]},
                observations=[bad_input],
            ),
        )
        yield quiet(
            "small targets and a loss that explodes for another reason",
            seen_as(run, outputs=small, targets=small * 12, facts={Fact.LOSS: [1.0, np.nan]}),
        )
