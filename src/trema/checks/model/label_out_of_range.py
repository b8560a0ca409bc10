"""Labels outside of what the loss can read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import CLASSES, Combination, combine, verdicts
from trema.checks.sketch_batch import ROWS, labels, logits, loss, net, one_hot, seen_as, softmax
from trema.checks.targets import BINARY, INDICES, PLUS_MINUS, Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import Fact
from trema.core.history import History
from trema.core.numbers import show

#: Losses of PyTorch that read −1 and 1.
SIGNED = frozenset({"soft_margin_loss", "hinge_embedding_loss"})


@register
@dataclass(frozen=True, kw_only=True)
class LabelOutOfRange(Check):
    """Labels that the loss cannot read: below 0, past the last class, −1 and 1, no whole numbers.

    Why it matters: binary cross-entropy with labels outside 0 to 1 has no lower end, so the
    model is driven to extremes; a class number past the last unit is an error, or is silently
    left out, by framework and device.
    May be wrong when: labels out of range are masked after the loss.
    References: PyTorch, `nn.BCEWithLogitsLoss` (targets between 0 and 1), `nn.SoftMarginLoss`;
    Keras, `SparseCategoricalCrossentropy` (`ignore_class`).
    """

    id = "label-out-of-range"
    title = "labels outside of what the loss can read"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MIN, Fact.TARGET_MAX, Fact.TARGET_INTEGER})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {Fact.TARGET_MEAN, Fact.TARGET_STD, Fact.TARGET_ROW_SUM_MAX}
    )
    explains: ClassVar[frozenset[str]] = frozenset({"nonfinite-loss"})
    fixes = (
        Fix("let labels begin at 0, and give the output one unit for each class"),
        Fix("for several classes use a softmax and cross-entropy over classes"),
        Fix("for values that are no classes use a regression loss"),
    )
    sign_fixes: ClassVar[tuple[Fix, ...]] = (
        Fix("map the labels to 0 and 1: `y = (y + 1) / 2`"),
        Fix("or use a loss for −1 and 1: `hinge` (Keras), `nn.SoftMarginLoss` (PyTorch)"),
    )
    signed_fixes: ClassVar[tuple[Fix, ...]] = (
        Fix("map the labels to −1 and 1: `y = 2 * y - 1`"),
        Fix("or use `nn.BCEWithLogitsLoss`, which reads 0 and 1"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="labels out of range {loss} target out of bounds {framework}",
        torch="nn.BCEWithLogitsLoss",
        keras="losses/probabilistic_losses",
    )

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None:
            return
        found = self._judge(seen, seen.targets)
        if found is None:
            return
        message, wrong = found
        fixes = None
        if seen.form == PLUS_MINUS:
            fixes = self.sign_fixes
        elif seen.loss.name in SIGNED:
            fixes = self.signed_fixes
        yield self.diagnosis(
            message,
            Evidence(
                Fact.TARGET_MIN if wrong == seen.targets.minimum else Fact.TARGET_MAX,
                wrong,
                step=seen.targets.first_step,
                name=seen.targets.name,
            ),
            where=Where(
                split="train", classes=(int(wrong) if wrong == int(wrong) else show(wrong),)
            ),
            location=seen.target_location,
            confidence="measured",
            fixes=fixes,
        )

    def _judge(self, seen: Combination, targets: Targets) -> tuple[str, float] | None:
        """The message and the label that is wrong, or None."""
        span = f"{show(targets.minimum)} to {show(targets.maximum)}"
        name = seen.loss_name
        if seen.loss.name in SIGNED and seen.form == BINARY:
            return f"{name} reads labels −1 and 1, but they are 0 and 1", 0.0
        whole = self._past_the_last(seen, targets)
        if whole is not None:
            return whole
        if not verdicts(seen, self.id) or self._masked(seen, targets):
            return None
        if seen.form == PLUS_MINUS:
            return f"{name} reads labels between 0 and 1, but they are −1 and 1", -1.0
        wrong = targets.minimum if targets.minimum < 0 else targets.maximum
        if seen.loss.kind not in CLASSES:
            what = "whole numbers" if targets.integer else "values"
            return f"{name} reads labels between 0 and 1, but they are {what} from {span}", wrong
        if not seen.loss.sparse:
            return f"{name} reads rows of shares between 0 and 1, but targets go from {span}", wrong
        if targets.integer:
            if targets.minimum >= 0:  # class numbers, though those seen may all be of one class
                return None
            return f"{name} reads class numbers from 0, but labels go from {span}", wrong
        return f"{name} reads class numbers, but targets are fractions from {span}", wrong

    def _past_the_last(self, seen: Combination, targets: Targets) -> tuple[str, float] | None:
        units = seen.units
        if seen.loss.kind not in CLASSES or not seen.loss.sparse or units is None or units < 2:
            return None
        if not targets.integer or targets.maximum < units or targets.ignored == targets.maximum:
            return None
        if seen.form not in (INDICES, PLUS_MINUS) and targets.minimum >= 0:
            return None
        last = show(targets.maximum)
        return (
            f"labels go up to {last}, but the output has {units} units, for classes 0 to "
            f"{units - 1}",
            targets.maximum,
        )

    def _masked(self, seen: Combination, targets: Targets) -> bool:
        """Whether labels out of range may be left out on purpose."""
        if targets.ignored is not None:
            return True
        single = seen.loss.config.get("reduction") == "none" or seen.loss.weighted
        return single and seen.form != PLUS_MINUS

    @staticmethod
    def cases() -> Iterator[Case]:
        binary = loss("binary-cross-entropy", "logits")
        numbers = loss("cross-entropy", "probabilities", sparse=True)
        signs = np.where(labels(ROWS, 2) == 1, 1.0, -1.0)[:, None]
        one = net(binary, 1, framework="torch")
        yield fires(
            "−1 and 1 into binary cross-entropy",
            seen_as(one, outputs=logits(classes=1), targets=signs),
            cause=Cause.LABELS,
            severity=Severity.CRITICAL,
            fixes=LabelOutOfRange.sign_fixes,
        )
        yield fires(
            "ten classes into binary cross-entropy",
            seen_as(one, outputs=logits(classes=1), targets=labels()[:, None]),
        )
        yield fires(
            "labels from 1 to 10 for ten units",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=labels() + 1),
        )
        yield fires(
            "a label of −1 that nothing leaves out",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=labels() - 1),
        )
        yield fires(
            "fractions for class numbers",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=softmax()[:, 0]),
        )
        margin = net(loss("hinge"), 1, framework="torch")
        named = replace(margin, loss=replace(loss("hinge"), name="soft_margin_loss"))
        yield fires(
            "0 and 1 into a loss for −1 and 1",
            seen_as(named, outputs=logits(classes=1), targets=labels(ROWS, 2)[:, None]),
        )
        yield quiet(
            "0 and 1 into binary cross-entropy",
            seen_as(one, outputs=logits(classes=1), targets=labels(ROWS, 2)[:, None]),
        )
        yield quiet(
            "class numbers 0 to 9",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=labels()),
        )
        yield quiet(
            "sorted data: all labels seen so far are of class 0",
            seen_as(net(numbers, 10, "softmax"), outputs=softmax(), targets=0 * labels()),
        )
        ignoring = loss("cross-entropy", "logits", sparse=True, ignore=-100)
        padded = labels().copy()
        padded[::3] = -100
        yield quiet(
            "padding that the loss leaves out",
            seen_as(net(ignoring, framework="torch"), outputs=logits(), targets=padded),
        )
        masking = loss("binary-cross-entropy", "logits", reduction="none")
        unknown = np.resize([0.0, 1.0, -1.0], (ROWS, 1))
        yield quiet(
            "unknown labels that are masked after the loss",
            seen_as(net(masking, 1, framework="torch"), outputs=logits(classes=1), targets=unknown),
        )
        yield quiet(
            "pixels between 0 and 1",
            seen_as(net(binary, 10, framework="torch"), outputs=logits(), targets=softmax()),
        )
        yield quiet(
            "one-hot rows",
            seen_as(
                net(loss("cross-entropy", "probabilities", sparse=False), 10, "softmax"),
                outputs=softmax(),
                targets=one_hot(),
            ),
        )
