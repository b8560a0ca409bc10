"""An output function that cannot give the targets."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import BOUNDS, EDGE, SQUARED, Combination, combine
from trema.checks.sketch_batch import ROWS, logits, loss, net, seen_as, softmax
from trema.checks.targets import Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class OutputRange(Check):
    """A sigmoid, tanh, ReLU or softmax head while a good part of the targets lies outside of it.

    Why it matters: whatever the weights are, the outputs cannot reach those targets; they stick
    at the border, where the function passes no gradient.
    May be wrong when: values beyond the border are to be cut off.
    References: Wardat et al. (2022), DeepDiagnosis (output range against label range);
    Goodfellow et al. (2016), Deep Learning, section 6.2.2.
    """

    id = "output-range"
    title = "the output function cannot reach the targets"
    cause = Cause.ACTIVATION
    severity = Severity.ERROR
    needs = frozenset({Fact.LOSS_KIND, Fact.LAYERS, Fact.TARGET_MIN, Fact.TARGET_MAX})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.TARGET_MEAN, Fact.TARGET_STD, Fact.TARGET_INTEGER, Fact.OUTPUT_MIN, Fact.OUTPUT_MAX}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"target-unscaled", "output-relu"})
    fixes = (
        Fix("end the model without an activation: a linear output reaches every value"),
        Fix("or scale the targets into the range of the function, and back when predicting"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="output activation regression range targets {framework}",
        torch="nn.Linear",
        keras="layers/activations",
    )
    share: float = 1.0  # standard deviations of the targets around their mean that must be reached

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None or seen.loss.kind not in SQUARED:
            return
        if seen.function not in BOUNDS or seen.function == "log-softmax":
            return
        if self._beyond(seen.function, seen.targets):
            yield self._found(seen, seen.targets)

    def _beyond(self, function: str, targets: Targets) -> bool:
        low, high = BOUNDS[function]
        reach = self.share * targets.std
        below = targets.minimum < low - EDGE and targets.mean - reach < low - EDGE
        above = targets.maximum > high + EDGE and targets.mean + reach > high + EDGE
        return below or above

    def _found(self, seen: Combination, targets: Targets) -> Diagnosis:
        low, high = BOUNDS[seen.function]
        bounds = f"{show(low)} to {show(high)}" if high < float("inf") else f"{show(low)} upwards"
        message = (
            f"the model ends with {seen.function}, which gives {bounds}, but targets go from "
            f"{show(targets.minimum)} to {show(targets.maximum)} (mean {show(targets.mean)})"
        )
        over = targets.maximum > high + EDGE
        return self.diagnosis(
            message,
            Evidence(
                Fact.TARGET_MAX if over else Fact.TARGET_MIN,
                targets.maximum if over else targets.minimum,
                limit=high if over else low,
                step=targets.first_step,
                name=targets.name,
            ),
            where=Where(layer=seen.layer_name),
            location=seen.head_location or seen.loss.location,
            confidence="measured" if seen.outputs is not None else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        squared = loss("mse")
        around_zero = logits(classes=1, scale=1.0)
        prices = 200_000 + 50_000 * around_zero
        inside = softmax()[:, :1]
        yield fires(
            "a sigmoid and prices",
            seen_as(net(squared, 1, "sigmoid"), outputs=inside, targets=prices),
            cause=Cause.ACTIVATION,
            severity=Severity.ERROR,
        )
        yield fires(
            "a ReLU and standardized targets",
            seen_as(net(squared, 1, "relu"), outputs=np.abs(around_zero), targets=around_zero),
        )
        yield fires(
            "a tanh and pixels 0 to 255",
            seen_as(
                net(squared, 10, "tanh"), outputs=np.tanh(logits()), targets=255 * softmax() / 0.9
            ),
        )
        yield fires(
            "a softmax and values",
            seen_as(net(loss("mae"), 10, "softmax"), outputs=softmax(), targets=logits()),
        )
        yield quiet(
            "a linear output", seen_as(net(squared, 1), outputs=around_zero, targets=prices)
        )
        yield quiet(
            "a sigmoid and pixels 0 to 1",
            seen_as(net(squared, 10, "sigmoid"), outputs=softmax(), targets=softmax()),
        )
        yield quiet(
            "a ReLU and counts",
            seen_as(net(squared, 1, "relu"), outputs=np.abs(around_zero), targets=inside * 40),
        )
        rare = np.full((ROWS, 1), 5.0) + inside
        rare[0] = -0.4
        yield quiet(
            "a ReLU and one value a little below zero",
            seen_as(net(squared, 1, "relu"), outputs=np.abs(around_zero), targets=rare),
        )
        yield quiet(
            "the values refute the structure",
            seen_as(net(squared, 1, "sigmoid"), outputs=prices, targets=prices),
        )
        yield quiet(
            "a tanh and targets −1 to 1",
            seen_as(net(squared, 1, "tanh"), outputs=inside, targets=np.tanh(around_zero)),
        )
