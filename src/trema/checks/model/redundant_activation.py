"""An activation at the outputs that takes away what the loss needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.combination import BOUNDS
from trema.checks.outputs import EDGE, Head, Outputs, read_head, read_outputs, several_outputs
from trema.checks.sketch import Facts, classifier, cross_entropy, dense, op, relu
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer, RunInfo
from trema.core.history import History
from trema.core.numbers import show

#: These cut logits off or hold them within narrow bounds; the others only bend them.
CUTTING = frozenset({"relu", "relu6", "tanh", "hard-tanh", "softsign", "sigmoid"})
_ANY_SOFTMAX = frozenset({"softmax", "log-softmax"})
_PROBABILITIES = _ANY_SOFTMAX | {"sigmoid"}
CLASS_LOSSES = frozenset({"cross-entropy", "nll", "binary-cross-entropy"})


@register
@dataclass(frozen=True, kw_only=True)
class RedundantActivation(Check):
    """A hidden-layer activation on logits.

    Why it matters: ReLU sets half of the logits to the same zero and stops their gradients; tanh
    holds them within -1…1.
    May be wrong when: logits are bounded on purpose, or the layer is not the head of a classifier.
    References: Schoop et al. (2021), Umlaut's `activation_final_layer`; Goodfellow et al. (2016),
    Deep Learning, section 6.2.2.
    """

    id = "redundant-activation"
    title = "an activation stands before the loss or softmax"
    cause = Cause.ACTIVATION
    severity = Severity.ERROR
    needs = frozenset({Fact.LOSS_KIND, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.OUTPUT_MIN, Fact.OUTPUT_MAX})
    fixes = (Fix("remove the activation: logits may take any value"),)
    snippets = snippets_beside(__file__)
    links = Links(
        search="relu on output layer classification {framework}",
        torch="nn.CrossEntropyLoss",
        keras="layers/activations",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        loss = history.run.loss
        if loss is None or several_outputs(history):
            return
        head, outputs = read_head(history.run), read_outputs(history)
        if loss.kind in CLASS_LOSSES:
            found = self._on_logits(loss.reads, head, outputs)
            if found is not None:
                yield found

    # an activation on logits --------------------------------------------------------------

    def _on_logits(self, reads: str, head: Head, outputs: Outputs | None) -> Diagnosis | None:
        if reads == "logits" and head.layer is not None:
            if head.function in _PROBABILITIES or head.function not in BOUNDS:
                return None  # a sigmoid here is double-softmax
            if not _within(head.function, outputs):
                return None
            return self._found(head.function, head.layer, "the loss, which reads logits", outputs)
        if head.function in ("softmax", "log-softmax", "sigmoid") and head.before is not None:
            function, layer = head.before
            if function in BOUNDS and function not in _ANY_SOFTMAX:
                return self._found(function, layer, head.function or "", None)
        return None

    def _found(
        self, function: str, layer: Layer, reader: str, outputs: Outputs | None
    ) -> Diagnosis:
        low, high = BOUNDS[function]
        bounds = f"within {show(low)} to {show(high)}"
        if high == float("inf"):
            bounds = f"above {show(low)}"
        message = f"`{layer.name}` applies {function} right before {reader}: logits stay {bounds}"
        seen = Evidence("activations-on-logits", 1, limit=0, name=layer.name)
        if outputs is not None:
            message += f" (seen: {show(outputs.minimum)} to {show(outputs.maximum)})"
            seen = Evidence(
                Fact.OUTPUT_MIN, outputs.minimum, step=outputs.first_step, name=outputs.name
            )
        return self.diagnosis(
            message,
            seen,
            where=Where(layer=layer.name),
            location=layer.location,
            severity=Severity.ERROR if function in CUTTING else Severity.WARNING,
            confidence="measured" if outputs is not None else "likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        yield from _firing_cases()
        yield from _quiet_cases()


def _within(function: str, outputs: Outputs | None) -> bool:
    """Whether the measured outputs are what the function can give; True when not measured."""
    if outputs is None:
        return True
    low, high = BOUNDS[function]
    return outputs.minimum >= low - EDGE and outputs.maximum <= high + EDGE


def _seen(low: float, high: float) -> Facts:
    return {Fact.OUTPUT_MIN: low, Fact.OUTPUT_MAX: high}


def _net(*head: Layer, reads: str, kind: str = "cross-entropy") -> RunInfo:
    loss = cross_entropy(reads, kind)
    return classifier(dense("fc1", 64, 32, "relu"), *head, loss=loss, head=len(head))


def _firing_cases() -> Iterator[Case]:
    yield fires(
        "ReLU before a loss on logits",
        situation(_net(dense("fc2", 32, 10), relu("relu"), reads="logits"), facts=_seen(0, 3.2)),
        cause=Cause.ACTIVATION,
        severity=Severity.ERROR,
    )
    built_in = _net(dense("fc2", 32, 10, "relu"), op("softmax"), reads="probabilities")
    yield fires("ReLU before a softmax", situation(built_in, facts=_seen(0, 1)))
    bounded = _net(dense("fc2", 32, 10, "tanh"), reads="logits")
    yield fires("tanh on logits", situation(bounded, facts=_seen(-0.9, 0.95)))


def _quiet_cases() -> Iterator[Case]:
    yield quiet(
        "logits",
        situation(_net(dense("fc2", 32, 10), reads="logits"), facts=_seen(-3, 4)),
    )
    yield quiet(
        "softmax built in",
        situation(
            _net(dense("fc2", 32, 10, "softmax"), reads="probabilities"), facts=_seen(0, 0.9)
        ),
    )
    yield quiet(
        "sigmoid over one unit",
        situation(
            _net(
                dense("fc2", 32, 1, "sigmoid"), reads="probabilities", kind="binary-cross-entropy"
            ),
            facts=_seen(0.1, 0.9),
        ),
    )
    yield quiet(
        "regression of prices, which are never negative",
        situation(_net(dense("out", 32, 1, "relu"), reads="values", kind="mse"), facts=_seen(0, 9)),
    )
    yield quiet(
        "the values refute the structure",
        situation(_net(dense("fc2", 32, 10, "relu"), reads="logits"), facts=_seen(-3, 4)),
    )
    scaled = _net(dense("fc2", 32, 10, "tanh"), op("scale", "times_10", scale=10.0), reads="logits")
    yield quiet("bounded logits, scaled afterwards", situation(scaled, facts=_seen(-9, 9)))
