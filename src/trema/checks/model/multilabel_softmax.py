"""Several true classes a sample, and a loss or head that allows one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import CLASSES, Combination, combine, verdicts
from trema.checks.sketch_batch import (
    labels,
    logits,
    loss,
    multi_hot,
    net,
    one_hot,
    seen_as,
    softmax,
)
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class MultilabelSoftmax(Check):
    """Multi-hot targets with a softmax, in the model or in the loss.

    Why it matters: a softmax shares 1 among the classes, so two true classes can never both be
    near 1; cross-entropy over classes pulls them against each other.
    May be wrong when: targets are counts of a multinomial model, whose rows are not meant to sum
    to one.
    References: Goodfellow et al. (2016), Deep Learning, section 6.2.2.2; PyTorch,
    `nn.BCEWithLogitsLoss` (multi-label); Mahajan et al. (2018), who divide each row by its sum.
    """

    id = "multilabel-softmax"
    title = "several true classes a sample, but a softmax allows one"
    cause = Cause.LOSS
    severity = Severity.ERROR
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MIN, Fact.TARGET_ROW_SUM_MAX})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.TARGET_INTEGER, Fact.OUTPUT_MIN, Fact.OUTPUT_MAX, Fact.OUTPUT_ROW_SUM_MAX}
    )
    fixes = (
        Fix(
            "use one sigmoid a class: `BCEWithLogitsLoss` (PyTorch), `binary_crossentropy` (Keras)"
        ),
        Fix("if exactly one class is true, make each target row one-hot"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="multi label classification softmax sigmoid {framework}",
        torch="nn.BCEWithLogitsLoss",
        keras="losses/probabilistic_losses",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None or seen.same_as_input:
            return
        if verdicts(seen, self.id) and seen.targets.sums is not None:
            yield self._found(seen, seen.targets.sums)

    def _found(self, seen: Combination, sums: tuple[float, float]) -> Diagnosis:
        by_loss = seen.loss.kind in CLASSES
        reader = f"{seen.loss_name} expects one true class" if by_loss else "the model's softmax"
        end = "" if by_loss else " allows one"
        return self.diagnosis(
            f"target rows have {show(sums[0])} to {show(sums[1])} true classes, but {reader}{end}",
            Evidence(Fact.TARGET_ROW_SUM_MAX, sums[1], limit=1.0, unit="true classes"),
            where=Where(layer=seen.layer_name),
            location=seen.loss_location if by_loss else seen.head_location,
            cause=Cause.LOSS if by_loss else Cause.ACTIVATION,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        classes = loss("cross-entropy", "probabilities", sparse=False)
        binary = loss("binary-cross-entropy", "probabilities")
        on_logits = loss("cross-entropy", "logits", sparse=False)
        many = multi_hot()
        yield fires(
            "categorical cross-entropy with multi-hot rows",
            seen_as(net(classes, 10, "softmax"), outputs=softmax(), targets=many),
            cause=Cause.LOSS,
        )
        yield fires(
            "cross-entropy on logits with multi-hot rows",
            seen_as(net(on_logits, 10, framework="torch"), outputs=logits(), targets=many),
        )
        yield fires(
            "a softmax before binary cross-entropy",
            seen_as(net(binary, 10, "softmax"), outputs=softmax(), targets=many),
            cause=Cause.ACTIVATION,
        )
        yield quiet(
            "one sigmoid a class",
            seen_as(net(binary, 10, "sigmoid"), outputs=many * 0.3 + 0.2, targets=many),
        )
        yield quiet(
            "one-hot rows",
            seen_as(net(classes, 10, "softmax"), outputs=softmax(), targets=one_hot()),
        )
        shared = many / many.sum(axis=1, keepdims=True).clip(1)
        shared[many.sum(axis=1) == 0, 0] = 1
        yield quiet(
            "rows divided by their sum",
            seen_as(net(on_logits, 10, framework="torch"), outputs=logits(), targets=shared),
        )
        yield quiet(
            "class numbers 0 and 1 of a sequence",
            seen_as(
                net(loss("cross-entropy", "logits", sparse=True), 2, framework="torch"),
                outputs=logits(32, 20).reshape(32, 2, 10),
                targets=labels(320, 2).reshape(32, 10),
            ),
        )
        yield quiet(
            "a bag of words that is the input too",
            seen_as(net(classes, 10, "softmax"), outputs=softmax(), targets=many, inputs=many),
        )
