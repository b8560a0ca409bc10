"""A ReLU at the output of a regression that is dead, or that cuts off targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import SQUARED, Combination, combine
from trema.checks.sketch_batch import ROWS, logits, loss, net, seen_as, softmax
from trema.checks.targets import Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show

_RELU = ("relu", "relu6")


@register
@dataclass(frozen=True, kw_only=True)
class OutputRelu(Check):
    """A ReLU right before a regression loss that gives only zeros, or cuts off negative targets.

    Why it matters: where a ReLU is zero it passes no gradient; at the output nothing else can
    bring it back, so a model that once answers 0 for everything never learns again.
    May be wrong when: the few negative targets are noise around zero.
    References: Lu et al. (2019), Dying ReLU and Initialization, arXiv:1903.06733; Nikanjam et al.
    (2021), NeuraLint (activation of the last layer).
    """

    id = "output-relu"
    title = "a ReLU at the output"
    cause = Cause.ACTIVATION
    severity = Severity.WARNING
    needs = frozenset({Fact.LOSS_KIND, Fact.LAYERS, Fact.OUTPUT_MAX})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.OUTPUT_MIN, Fact.TARGET_MIN, Fact.TARGET_MAX, Fact.TARGET_MEAN, Fact.TARGET_STD}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"target-unscaled"})
    fixes = (
        Fix("end the model without an activation"),
        Fix("if answers must not be negative, use softplus, which always passes a gradient"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="relu output layer regression predicts zero {framework}",
        torch="nn.Softplus",
        keras="layers/activations",
    )
    window: int = 5  # observed training steps in a row with zeros only
    tail: float = 0.25  # least target below zero, in standard deviations: less is noise

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.loss.kind not in SQUARED or seen.function not in _RELU:
            return
        if seen.outputs is None or seen.targets is None:
            return
        steps, most = history.array(Fact.OUTPUT_MAX, seen.outputs.name, last=self.window)
        if len(steps) == self.window and bool((most == 0).all()) and seen.targets.maximum > 0:
            yield self._dead(seen, int(steps[0]), int(steps[-1]))
        elif self._cuts(seen.targets):
            yield self._cutting(seen, seen.targets)

    def _cuts(self, targets: Targets) -> bool:
        return targets.minimum < 0 and targets.minimum <= -self.tail * targets.std

    def _dead(self, seen: Combination, first: int, last: int) -> Diagnosis:
        name = seen.layer_name or ""
        return self._found(
            seen,
            f"every output of the {seen.function} of `{name}` is 0 from step {first} to {last}: "
            "no gradient passes",
            Evidence(Fact.OUTPUT_MAX, 0.0, limit=0.0, step=last, name=name),
            Severity.CRITICAL,
        )

    def _cutting(self, seen: Combination, targets: Targets) -> Diagnosis:
        return self._found(
            seen,
            f"the model ends with {seen.function}, so no output is negative, but targets go down "
            f"to {show(targets.minimum)}",
            Evidence(
                Fact.TARGET_MIN,
                targets.minimum,
                limit=0.0,
                step=targets.first_step,
                name=targets.name,
            ),
            Severity.WARNING,
        )

    def _found(
        self, seen: Combination, message: str, evidence: Evidence, severity: Severity
    ) -> Diagnosis:
        return self.diagnosis(
            message,
            evidence,
            where=Where(layer=seen.layer_name),
            location=seen.head_location or seen.loss.location,
            severity=severity,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = net(loss("mse"), 1, "relu")
        zeros, some = np.zeros((ROWS, 1)), np.abs(logits(classes=1))
        above = softmax()[:, :1] * 40
        yield fires(
            "only zeros",
            seen_as(run, outputs=zeros, targets=above, steps=6),
            severity=Severity.CRITICAL,
        )
        yield fires(
            "some targets are negative",
            seen_as(run, outputs=some, targets=logits(classes=1) + 2),
            severity=Severity.WARNING,
        )
        yield quiet("positive targets", seen_as(run, outputs=some, targets=above, steps=6))
        yield quiet("zeros at the first steps only", seen_as(run, outputs=zeros, targets=above))
        noise = above.copy()
        noise[0] = -0.01
        yield quiet("noise around zero", seen_as(run, outputs=some, targets=noise))
        yield quiet(
            "a linear output of zeros at the start",
            seen_as(net(loss("mse"), 1), outputs=zeros, targets=above, steps=6),
        )
