"""Binary cross-entropy over the classes of a softmax."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import combine, verdicts
from trema.checks.sketch import op
from trema.checks.sketch_batch import logits, loss, multi_hot, net, one_hot, seen_as, softmax
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class BinaryLossSoftmax(Check):
    """Binary cross-entropy with a softmax over several classes and one-hot targets.

    Why it matters: each class is judged as a question of its own, so the loss is averaged over
    mostly easy "no" answers: gradients are smaller and wrong classes count twice; in Keras the
    metric "accuracy" becomes a binary one and looks far too good.
    May be wrong when: the two are combined on purpose; with two classes both losses agree.
    References: Keras, probabilistic losses; Zhang et al. (2018), An Empirical Study on
    TensorFlow Program Bugs.
    """

    id = "binary-loss-softmax"
    title = "a loss for yes-or-no questions after a softmax over classes"
    cause = Cause.LOSS
    severity = Severity.WARNING
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MIN, Fact.TARGET_ROW_SUM_MAX})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.TARGET_INTEGER, Fact.OUTPUT_MIN, Fact.OUTPUT_MAX, Fact.OUTPUT_ROW_SUM_MAX}
    )
    fixes = (
        Fix("use the loss over classes: `categorical_crossentropy` (Keras), `nn.CrossEntropyLoss`"),
        Fix("if several classes may be true, end with one sigmoid a class instead"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="softmax with binary_crossentropy {framework}",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or not verdicts(seen, self.id):
            return
        units = seen.units or 0
        if units < 2 or seen.loss.reads == "logits":  # a softmax into logits is double-softmax
            return
        harmless = ": with two classes the result is the same" if units == 2 else ""
        yield self.diagnosis(
            f"{seen.loss_name} takes each of the {units} classes of the softmax for a question of "
            f"its own, but exactly one is true in each target row{harmless}",
            Evidence(Fact.TARGET_ROW_SUM_MAX, 1.0, unit="true classes a row"),
            where=Where(layer=seen.layer_name),
            location=seen.loss_location or seen.head_location,
            severity=Severity.INFO if units == 2 else None,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        binary = loss("binary-cross-entropy", "probabilities")
        yield fires(
            "softmax over ten classes",
            seen_as(net(binary, 10, "softmax"), outputs=softmax(), targets=one_hot()),
            severity=Severity.WARNING,
        )
        yield fires(
            "a softmax that only the outputs show",
            seen_as(net(binary, 10, then=op("other")), outputs=softmax(), targets=one_hot()),
        )
        yield fires(
            "two classes",
            seen_as(
                net(binary, 2, "softmax"), outputs=softmax(classes=2), targets=one_hot(classes=2)
            ),
            severity=Severity.INFO,
        )
        yield quiet(
            "cross-entropy over classes",
            seen_as(
                net(loss("cross-entropy", "probabilities", sparse=False), 10, "softmax"),
                outputs=softmax(),
                targets=one_hot(),
            ),
        )
        ones = net(binary, 10, "sigmoid")
        yield quiet(
            "one sigmoid a class with one-hot targets",
            seen_as(ones, outputs=logits() / 20 + 0.5, targets=one_hot()),
        )
        yield quiet(
            "multi-hot rows are another finding",
            seen_as(net(binary, 10, "softmax"), outputs=softmax(), targets=multi_hot()),
        )
        yield quiet(
            "soft rows", seen_as(net(binary, 10, "softmax"), outputs=softmax(), targets=softmax())
        )
