"""A softmax that runs over the wrong axis."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import CLASSES, LEAST_STEPS, Combination, combine
from trema.checks.sketch import op
from trema.checks.sketch_batch import ROWS, labels, logits, loss, net, one_hot, seen_as, softmax
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import show

_SOFTMAX = ("softmax", "log-softmax")


@register
@dataclass(frozen=True, kw_only=True)
class SoftmaxWrongDim(Check):
    """A softmax over the samples of a batch, or over another axis than that of the classes.

    Why it matters: the samples of a batch compete with each other, so an output depends on
    which other samples happen to be in the batch, and a row is no distribution over classes.
    May be wrong when: scores over the samples are wanted, as in some attention or matching models.
    References: PyTorch, `nn.Softmax` (`dim`); Braiek and Khomh (2023), TheDeepChecker.
    """

    id = "softmax-wrong-dim"
    title = "softmax over the wrong axis"
    cause = Cause.ACTIVATION
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOSS_KIND})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {
            Fact.OUTPUT_MIN,
            Fact.OUTPUT_MAX,
            Fact.OUTPUT_MEAN,
            Fact.OUTPUT_ROW_SUM_MIN,
            Fact.OUTPUT_ROW_SUM_MAX,
            Fact.BATCH_SIZE,
            Fact.LAYERS,
        }
    )
    explains: ClassVar[frozenset[str]] = frozenset({"missing-softmax"})
    fixes = (
        Fix("give the axis of the classes: `dim=1` (PyTorch), `axis=-1` (Keras)"),
        Fix("or leave the softmax to the loss: `nn.CrossEntropyLoss`, `from_logits=True`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="softmax dim axis classes batch {framework}",
        torch="nn.Softmax",
        keras="layers/activation_layers/softmax",
    )
    tolerance: float = 1e-3  # relative, of the sum over a batch; float32 rounds below 1e-5

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.output_shape is None or len(seen.output_shape) < 2:
            return
        found = self._by_axis(seen) if seen.function in _SOFTMAX else None
        if found is None and seen.head.function is None:
            found = self._by_sums(seen, history)
        if found is not None:
            yield found

    def _by_axis(self, seen: Combination) -> Diagnosis | None:
        """The axis as the layer has it; only where nothing moves axes afterwards."""
        layer, shape = seen.head.layer, seen.output_shape or ()
        if layer is None or not seen.run.head or seen.run.head[0] != layer.name:
            return None
        axis = _axis(layer.config.get("axis", -1), len(shape))
        classes = 1 if seen.run.framework == "torch" and seen.loss.kind in CLASSES else None
        if classes is None and len(shape) == 2:
            classes = 1
        right = axis == classes if classes is not None else axis != 0
        if axis is None or right or shape[axis] == 1:
            return None
        sums = seen.outputs.sums if seen.outputs is not None else None
        if seen.function == "softmax" and seen.outputs is not None and seen.outputs.sums_to_one:
            return None
        over = "the samples of the batch" if axis == 0 else f"axis {axis} of {len(shape)}"
        message = f"the {seen.function} of `{layer.name}` runs over {over}"
        if seen.function == "softmax" and sums is not None:
            message += f": rows of the outputs sum to {show(sums[0])} to {show(sums[1])}, not to 1"
        evidence = Evidence("softmax-axis", float(axis), limit=classes, name=layer.name)
        return self._found(seen, message, evidence)

    def _by_sums(self, seen: Combination, history: History) -> Diagnosis | None:
        """Each column sums to one when the mean of the outputs is one by the rows, exactly."""
        outputs, shape = seen.outputs, seen.output_shape or ()
        if outputs is None or len(shape) != 2 or not outputs.within_unit:
            return None
        if outputs.sums is None or outputs.sums_to_one or outputs.steps < LEAST_STEPS:
            return None
        mean = history.array(Fact.OUTPUT_MEAN, outputs.name, TRAIN)[1]
        rows = history.array(Fact.BATCH_SIZE)[1]
        if len(mean) != len(rows) or len(mean) < LEAST_STEPS or rows.min() < 4:
            return None
        if rows.min() <= shape[1] <= rows.max():  # a softmax over classes has the same mean
            return None
        if not bool((np.abs(mean * rows - 1) <= self.tolerance).all()):
            return None
        low, high = outputs.sums
        message = (
            "outputs sum to 1 over the samples of each batch, not over the classes: rows sum to "
            f"{show(low)} to {show(high)}"
        )
        evidence = Evidence(Fact.OUTPUT_ROW_SUM_MAX, high, limit=1.0, step=outputs.first_step)
        return self._found(seen, message, evidence)

    def _found(self, seen: Combination, message: str, evidence: Evidence) -> Diagnosis:
        return self.diagnosis(
            message,
            evidence,
            where=Where(layer=seen.layer_name),
            location=seen.head_location or seen.run.place("model") or seen.loss.location,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        classes = loss("cross-entropy", "probabilities", sparse=False)
        nll = loss("nll", "log-probabilities", sparse=True)
        columns = softmax(axis=0)
        by_batch = op("softmax", axis=0)
        yield fires(
            "a softmax over the samples",
            seen_as(net(classes, then=by_batch), outputs=columns, targets=one_hot()),
            severity=Severity.CRITICAL,
        )
        yield fires(
            "a log-softmax over the samples",
            seen_as(
                net(nll, then=op("log-softmax", axis=0), framework="torch"),
                outputs=np.log(columns),
                targets=labels(),
            ),
        )
        yield fires(
            "an operation that is not known",
            seen_as(
                net(classes, then=op("other")),
                outputs=columns,
                targets=one_hot(),
                facts={Fact.BATCH_SIZE: [float(ROWS)] * 4},
            ),
        )
        maps = np.log(softmax(40, 60).reshape(4, 10, 10, 6))
        yield fires(
            "over the width of class maps",
            seen_as(
                net(nll, then=op("log-softmax", axis=-1), framework="torch"),
                outputs=maps,
                targets=labels(240).reshape(4, 10, 6),
            ),
        )
        yield quiet(
            "over the classes",
            seen_as(
                net(classes, then=op("softmax", axis=-1)), outputs=softmax(), targets=one_hot()
            ),
        )
        yield quiet(
            "over the classes of maps",
            seen_as(
                net(nll, then=op("log-softmax", axis=1), framework="torch"),
                outputs=maps,
                targets=labels(240).reshape(4, 10, 6),
            ),
        )
        yield quiet(
            "sigmoids of no known layer",
            seen_as(
                net(loss("binary-cross-entropy", "probabilities"), then=op("other")),
                outputs=1 / (1 + np.exp(-logits())),
                targets=one_hot(),
                facts={Fact.BATCH_SIZE: [float(ROWS)] * 4},
            ),
        )
        yield quiet(
            "as many samples as classes, and both sums are one",
            seen_as(
                net(classes, then=op("other")),
                outputs=np.full((10, 10), 0.1),
                targets=one_hot(10),
                facts={Fact.BATCH_SIZE: [10.0] * 4},
            ),
        )


def _axis(value: object, rank: int) -> int | None:
    """The axis counted from the front; ``None`` is PyTorch's old implicit choice."""
    if value is None:
        return 0 if rank in (0, 1, 3) else 1
    return value % rank if isinstance(value, int) and -rank <= value < rank else None
