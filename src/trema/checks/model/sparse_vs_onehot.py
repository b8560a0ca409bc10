"""Class numbers where rows are expected, or rows where numbers are expected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import CLASSES, Combination, combine, verdicts
from trema.checks.sketch_batch import labels, logits, loss, net, one_hot, seen_as, softmax
from trema.checks.targets import ONE_HOT, Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class SparseVsOnehot(Check):
    """Targets encoded in another way than the loss over classes expects.

    Why it matters: class numbers and one-hot rows say the same, but a loss reads one of them;
    the other ends in an error about shapes, or in a comparison of the wrong things.
    May be wrong when: the targets change their form between batches.
    References: Keras, `SparseCategoricalCrossentropy`; PyTorch, `nn.CrossEntropyLoss` ("Target").
    """

    id = "sparse-vs-onehot"
    title = "targets are encoded in another way than the loss expects"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MIN, Fact.TARGET_INTEGER})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.TARGET_ROW_SUM_MAX})
    explains: ClassVar[frozenset[str]] = frozenset({"label-out-of-range"})
    fixes = (
        Fix("for class numbers: `sparse_categorical_crossentropy` (Keras), `y.long()` (PyTorch)"),
        Fix("or encode them: `keras.utils.to_categorical(y)`, `F.one_hot(y, classes).float()`"),
    )
    row_fixes: ClassVar[tuple[Fix, ...]] = (
        Fix("for one-hot rows: `categorical_crossentropy` (Keras), `y.float()` (PyTorch)"),
        Fix("or take the class numbers: `y.argmax(axis=-1)`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="categorical_crossentropy vs sparse one hot labels {framework}",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None or (seen.units or 0) < 2:
            return
        message = self._judge(seen, seen.targets)
        if message is None:
            return
        yield self.diagnosis(
            message,
            Evidence("target-axes", len(seen.targets.shape or ()), name=seen.targets.name),
            location=seen.loss.location or seen.target_location,
            confidence="measured",
            fixes=self.row_fixes if seen.form == ONE_HOT else None,
        )

    def _judge(self, seen: Combination, targets: Targets) -> str | None:
        shape = "×".join(map(str, targets.shape or ()))
        if verdicts(seen, self.id):
            if seen.form == ONE_HOT:
                return (
                    f"{seen.loss_name} reads class numbers, but targets are one-hot rows ({shape})"
                )
            if targets.width == 1 or len(targets.shape or ()) < len(seen.output_shape or ()):
                kind = f"class numbers in {targets.dtype}" if targets.dtype else "class numbers"
                rows = f"rows over {seen.units} classes"
                return f"{seen.loss_name} reads {rows} here, but targets are {kind} ({shape})"
            return None
        torch = seen.run.framework == "torch" and seen.loss.kind in CLASSES
        output, target = seen.output_shape or (), targets.shape or ()
        if torch and seen.loss.sparse and len(target) == len(output) and target[1:2] == (1,):
            return (
                f"{seen.loss_name} reads one axis of class numbers, but targets have shape {shape}"
            )
        return None

    @staticmethod
    def cases() -> Iterator[Case]:
        rows = loss("cross-entropy", "probabilities", sparse=False)
        numbers = loss("cross-entropy", "probabilities", sparse=True)
        on_logits = loss("cross-entropy", "logits", sparse=True)
        yield fires(
            "class numbers into categorical cross-entropy",
            seen_as(net(rows, 10, "softmax"), outputs=softmax(), targets=labels()[:, None]),
            cause=Cause.LABELS,
        )
        yield fires(
            "one-hot rows into sparse cross-entropy",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=one_hot()),
        )
        yield fires(
            "an axis too many",
            seen_as(net(on_logits, framework="torch"), outputs=logits(), targets=labels()[:, None]),
        )
        yield fires(
            "class numbers as floats",
            seen_as(
                net(loss("cross-entropy", "logits", sparse=False), framework="torch"),
                outputs=logits(),
                targets=labels().astype(np.float32),
            ),
        )
        yield quiet(
            "class numbers into sparse cross-entropy, with an axis that Keras takes away",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=labels()[:, None]),
        )
        yield quiet(
            "one-hot rows into categorical cross-entropy",
            seen_as(net(rows, 10, "softmax"), outputs=softmax(), targets=one_hot()),
        )
        yield quiet(
            "soft rows in torch",
            seen_as(
                net(loss("cross-entropy", "logits", sparse=False), framework="torch"),
                outputs=logits(),
                targets=softmax(),
            ),
        )
        yield quiet(
            "class maps",
            seen_as(
                net(on_logits, 2, framework="torch"),
                outputs=logits(32, 8).reshape(8, 2, 4, 4),
                targets=labels(128, 2).reshape(8, 4, 4),
            ),
        )
