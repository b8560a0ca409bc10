"""Squared error for class labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.combination import SQUARED, Combination, combine, verdicts
from trema.checks.datasets import samples
from trema.checks.sketch_batch import ROWS, labels, logits, loss, net, one_hot, seen_as, softmax
from trema.checks.targets import BINARY, INDICES, ONE_HOT, Targets
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, Observation, RunInfo
from trema.core.history import History
from trema.core.numbers import show
from trema.core.sketching import Split, sketch

#: Metrics that count right answers: whoever asks for one has classes.
COUNTING = frozenset({"accuracy", "acc", "binaryaccuracy", "categoricalaccuracy"})


@register
@dataclass(frozen=True, kw_only=True)
class MseClassification(Check):
    """Squared or absolute error while the targets are class labels.

    Why it matters: after a sigmoid or softmax the gradient of squared error vanishes exactly
    where the model is confidently wrong, so learning is slow and may stall; with class numbers
    as values, class 3 counts as nearer to class 4 than to class 9.
    May be wrong when: the Brier score is wanted, or the labels are ordered grades.
    References: Golik et al. (2013), Cross-Entropy vs. Squared Error Training; Braiek and Khomh
    (2023), TheDeepChecker; Hui and Belkin (2021) for the other side.
    """

    id = "mse-classification"
    title = "an error of values for class labels"
    cause = Cause.LOSS
    severity = Severity.WARNING
    needs = frozenset({Fact.LOSS_KIND, Fact.TARGET_MIN, Fact.TARGET_INTEGER})
    uses: ClassVar[frozenset[Fact]] = frozenset(
        {
            Fact.TARGET_ROW_SUM_MAX,
            Fact.TARGET_STD,
            Fact.DATASET,
            Fact.OUTPUT_MIN,
            Fact.OUTPUT_MAX,
            Fact.INPUT_MEAN,
            Fact.INPUT_STD,
            Fact.INPUT_MAX,
        }
    )
    fixes = (
        Fix("use cross-entropy: `categorical_crossentropy` (Keras), `nn.CrossEntropyLoss`"),
        Fix("for two classes use binary cross-entropy with one sigmoid unit"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="mean squared error for classification {framework}",
        torch="nn.CrossEntropyLoss",
        keras="losses/probabilistic_losses",
    )

    each: int = 10  # samples of each of two classes, before a column of 0 and 1 counts as labels

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = combine(history)
        if seen is None or seen.targets is None or seen.same_as_input:
            return
        what = self._classes(history, seen, seen.targets)
        if what is None:
            return
        yield self.diagnosis(
            f"{seen.loss_name} compares values, but the targets are {what}",
            Evidence(Fact.TARGET_MAX, seen.targets.maximum, name=seen.targets.name),
            where=Where(layer=seen.layer_name),
            location=seen.loss_location or seen.head_location,
            confidence="measured" if seen.form == ONE_HOT else "likely",
        )

    def _classes(self, history: History, seen: Combination, targets: Targets) -> str | None:
        """What shows that the targets are classes, or None."""
        rank = len(targets.shape or ())
        if verdicts(seen, self.id):
            if seen.form == ONE_HOT:
                return f"one-hot rows of {targets.width} classes" if rank <= 3 else None
            # a batch of ones alone is a discriminator's, whose squared error is on purpose
            if rank <= 2 and targets.least_std > 0:
                return f"0 and 1, and the model ends with {seen.function}"
        if seen.loss.kind in SQUARED and self._yes_or_no(history, seen):
            return "0 and 1 in all of the data, so two classes, and the model ends with no function"
        counted = {name.replace("_", "").lower() for name in seen.run.metrics} & COUNTING
        if seen.loss.kind in SQUARED and counted and seen.form in (BINARY, INDICES) and rank <= 2:
            span = f"{show(targets.minimum)} to {show(targets.maximum)}"
            return f"whole numbers {span}, of which `accuracy` counts the right ones"
        return None

    def _yes_or_no(self, history: History, seen: Combination) -> bool:
        """Whether the data themselves, and not the loop, give 0 or 1 to one linear unit."""
        if seen.form != BINARY or seen.units != 1 or seen.function != "linear":
            return False
        found = samples(history)
        labels = found.labels if found is not None else None
        return (
            labels is not None
            and set(labels.counts) == {0, 1}
            and min(labels.counts.values()) >= self.each
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        two = labels(ROWS, 2)[:, None].astype(np.float32)

        def run(units: int, activation: str | None, *metrics: str) -> RunInfo:
            return net(loss("mse"), units, activation, metrics=metrics)

        yield fires(
            "one-hot targets after a softmax",
            seen_as(run(10, "softmax"), outputs=softmax(), targets=one_hot()),
            severity=Severity.WARNING,
            confidence="measured",
        )
        yield fires(
            "one-hot targets and a linear head",
            seen_as(run(10, None), outputs=logits(), targets=one_hot()),
        )
        yield fires(
            "a sigmoid and yes-or-no labels",
            seen_as(run(1, "sigmoid"), outputs=softmax()[:, :1], targets=two),
        )
        yield fires(
            "class numbers as values, and accuracy counted",
            seen_as(run(1, None, "accuracy"), outputs=logits(classes=1), targets=labels()),
        )
        spam = labels(ROWS, 2)
        in_data = Observation(
            fact=Fact.DATASET,
            step=0,
            epoch=0,
            data=sketch(Split(inputs={"": logits(classes=4)}, targets=spam), TRAIN).as_dict(),
        )
        linear = seen_as(
            run(1, None), outputs=logits(classes=1), targets=two, observations=[in_data]
        )
        yield fires("yes-or-no labels in the data and a linear head", linear)
        yield quiet(
            "regression",
            seen_as(run(1, None), outputs=logits(classes=1), targets=logits(classes=1)),
        )
        yield quiet(
            "grades from 0 to 9, no accuracy",
            seen_as(run(1, None, "mae"), outputs=logits(classes=1), targets=labels()),
        )
        yield quiet(
            "a discriminator: batches of ones, then of zeros",
            seen_as(run(1, "sigmoid"), outputs=softmax()[:, :1], targets=np.ones((ROWS, 1))),
        )
        yield quiet(
            "an autoencoder of one-hot rows",
            seen_as(run(10, "softmax"), outputs=softmax(), targets=one_hot(), inputs=one_hot()),
        )
        yield quiet(
            "soft answers of a teacher",
            seen_as(run(10, "softmax"), outputs=softmax(), targets=softmax()[::-1]),
        )
        yield quiet(
            "yes-or-no values and a linear head, as in a least-squares GAN",
            seen_as(run(1, None), outputs=logits(classes=1), targets=two),
        )
