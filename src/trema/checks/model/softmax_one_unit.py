"""A softmax over one unit, in the model or in the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, situation, snippets_beside
from trema.checks.combination import CLASSES, Combination, combine, verdicts
from trema.checks.outputs import EDGE
from trema.checks.sketch import classifier, dense, op
from trema.checks.sketch_batch import ROWS, labels, logits, loss, net, one_hot, seen_as, softmax
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact, Layer
from trema.core.history import History
from trema.core.numbers import show

_SOFTMAX = ("softmax", "log-softmax")


@register
@dataclass(frozen=True, kw_only=True)
class SoftmaxOneUnit(Check):
    """A softmax, or a cross-entropy over classes, over an axis of size one.

    Why it matters: a softmax over one number is always 1, so the outputs, or the loss, are
    constant, no gradient flows and nothing is learned.
    May be wrong when: the one unit is a score that something outside the model reads, and the
    loss seen is not the one that trains it.
    References: Goodfellow et al. (2016), Deep Learning, section 6.2.2; Keras, Dense and
    activations; PyTorch, `nn.Softmax`.
    """

    id = "softmax-one-unit"
    title = "softmax over one unit"
    cause = Cause.ACTIVATION
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.OUTPUT_MIN, Fact.OUTPUT_MAX, Fact.LAYERS, Fact.TARGET_MIN}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"missing-softmax", "label-out-of-range"})
    fixes = (
        Fix("for two classes use one unit with a sigmoid and binary cross-entropy"),
        Fix("use one unit per class with a softmax and cross-entropy"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="softmax one unit binary classification {framework}",
        torch="nn.BCEWithLogitsLoss",
        keras="losses/probabilistic_losses",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or not (verdicts(seen, self.id) or self._other_loss(seen)):
            return
        if seen.function in _SOFTMAX:
            if self._constant(seen):
                yield self._in_model(seen)
        elif seen.loss.kind in CLASSES and seen.output_shape is not None:
            yield self._in_loss(seen)

    def _other_loss(self, seen: Combination) -> bool:
        """A softmax over one unit is wrong before any loss."""
        return seen.function in _SOFTMAX and seen.units == 1

    def _constant(self, seen: Combination) -> bool:
        """Whether the structure says one unit and the measured outputs agree."""
        last, outputs = seen.head.last, seen.outputs
        if last is None or last.kind != "linear" or last.config.get("units") != 1:
            return False
        constant = 1.0 if seen.function == "softmax" else 0.0
        return outputs is None or (
            abs(outputs.minimum - constant) <= EDGE and abs(outputs.maximum - constant) <= EDGE
        )

    def _in_model(self, seen: Combination) -> Diagnosis:
        constant = 1.0 if seen.function == "softmax" else 0.0
        measured = seen.outputs.maximum if seen.outputs is not None else constant
        name = seen.layer_name or ""
        return self.diagnosis(
            f"the {seen.function} of `{name}` runs over one unit, so every output is "
            f"{show(constant)}",
            Evidence(Fact.OUTPUT_MAX, measured, limit=constant, name=name),
            where=Where(layer=name or None),
            location=seen.head_location,
            confidence="measured",
        )

    def _in_loss(self, seen: Combination) -> Diagnosis:
        shape = "×".join(map(str, seen.output_shape or ()))
        return self.diagnosis(
            f"{seen.loss_name} compares classes, but the outputs have one unit (shape {shape}): "
            "its share is always 1 and the loss tells nothing",
            Evidence("units", 1, limit=2, name=seen.layer_name or ""),
            where=Where(layer=seen.layer_name),
            location=seen.loss_location or seen.head_location,
            cause=Cause.LOSS,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        binary = loss("binary-cross-entropy", "probabilities")
        dense_classes = loss("cross-entropy", "logits", sparse=False)
        two = labels(ROWS, 2)[:, None].astype(np.float32)
        yield fires(
            "a softmax over one unit",
            seen_as(net(binary, 1, "softmax"), outputs=np.ones((ROWS, 1)), targets=two),
            severity=Severity.CRITICAL,
            cause=Cause.ACTIVATION,
        )
        yield fires("by the model alone", situation(net(binary, 1, "softmax")))
        yield fires(
            "squared error after a softmax over one unit",
            seen_as(net(loss("mse"), 1, "softmax"), outputs=np.ones((ROWS, 1)), targets=two),
        )
        yield fires(
            "cross-entropy over one logit",
            seen_as(
                net(dense_classes, 1, framework="torch"), outputs=logits(classes=1), targets=two
            ),
            cause=Cause.LOSS,
        )
        yield quiet(
            "a sigmoid over one unit",
            seen_as(net(binary, 1, "sigmoid"), outputs=softmax()[:, :1], targets=two),
        )
        yield quiet(
            "a softmax over two units",
            seen_as(
                net(loss("cross-entropy", "probabilities"), 2, "softmax"),
                outputs=softmax(classes=2),
                targets=one_hot(classes=2),
            ),
        )
        pooled = classifier(
            dense("score", 16, 1), op("softmax", axis=1), loss=loss("mse"), framework="keras"
        )
        weights = softmax(8, 6)[:, :, None]
        yield quiet(
            "weights over the places of a sequence",
            seen_as(pooled, outputs=weights, targets=weights),
        )
        maps = classifier(
            Layer(name="map", kind="conv", config={"units": 1}), op("softmax"), loss=binary
        )
        yield quiet("a softmax over the places of one map", situation(maps))
        yield quiet(
            "one sample without a batch axis",
            seen_as(
                net(dense_classes, 10, framework="torch"),
                outputs=logits()[0],
                targets=one_hot()[0],
            ),
        )
