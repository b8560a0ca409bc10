"""Classes of which there are far fewer samples than of others."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import (
    classes,
    classifies,
    given,
    listed,
    place,
    predicts_tokens,
    sketches,
    table,
)
from trema.checks.sketch import chain, dense, op
from trema.core.datasets import Labels
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, LossInfo, RunInfo
from trema.core.history import History
from trema.core.numbers import percent, show


def class_counts(history: History) -> tuple[Labels, bool] | None:
    """Labels of the training data and whether classes are weighted; None without classes."""
    for found in sketches(history, TRAIN):
        if found.labels is not None and (found.source != "batches" or found.labels.total >= 500):
            return found.labels, found.weighted
    return None


@register
@dataclass(frozen=True, kw_only=True)
class ClassImbalance(Check):
    """Training labels of which one class has more than ten times as many as another.

    Why it matters: the loss is a mean over samples, so a rare class hardly moves the weights,
    and a high accuracy can be had without ever naming it.
    May be wrong when: the classes are as rare in life and the probabilities are what is wanted.
    References: Japkowicz & Stephen (2002), The class imbalance problem; He & Garcia (2009),
    Learning from Imbalanced Data; SageMaker Debugger, ClassImbalance.
    """

    id = "class-imbalance"
    title = "some classes are rare"
    cause = Cause.LABELS
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LOSS_KIND})
    fixes = (
        Fix("look whether the file lost samples of the class; count the labels at the source"),
        Fix("weigh the classes in the loss, or draw samples by class"),
        Fix("measure balanced accuracy, or precision and recall by class"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="imbalanced classes class weights {framework}",
        torch="nn.CrossEntropyLoss",
        keras="models/model_training_apis",
    )
    ratio: float = 10.0  # samples of the largest class over those of the smallest; SageMaker
    severe: float = 20.0  # ratio from which it is a warning, as is a low entropy
    entropy: float = 0.5  # of the labels over that of equal classes; TheDeepChecker
    rows: int = 100  # labelled samples
    classes: int = 100  # beyond, rare classes are normal

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        seen = class_counts(history)
        if seen is None or not classifies(history.run) or predicts_tokens(history):
            return
        labels, weighted = seen
        loss = history.run.loss
        if weighted or (loss is not None and loss.weighted) or labels.total < self.rows:
            return
        if not 2 <= len(labels.counts) <= self.classes:
            return
        absent = self._absent(labels)
        if absent:
            yield self._found(history, labels, absent, 0, math.inf)
            return
        least, most = min(labels.counts.values()), max(labels.counts.values())
        rare = [c for c, n in labels.counts.items() if most > self.ratio * n]
        if rare:
            yield self._found(history, labels, rare, least, most / least)

    def _absent(self, labels: Labels) -> list[int]:
        """Classes between others that never occur, where each class has many samples."""
        least, most = min(labels.counts), max(labels.counts)
        if most - least >= self.classes or labels.total < 50 * (most - least + 1):
            return []
        missing = [c for c in range(least, most) if c not in labels.counts]
        return missing if len(labels.counts) >= 3 and len(missing) <= 2 else []

    def _found(
        self, history: History, labels: Labels, rare: list[int], least: int, ratio: float
    ) -> Diagnosis:
        names = listed([f"{c}" for c in rare])
        noun = "class" if len(rare) == 1 else "classes"
        count = sum(labels.counts.get(c, 0) for c in rare)
        have = "has" if len(rare) == 1 else "have"
        message = (
            f"{noun} {names} {have} {count} of {labels.total} training samples "
            f"({percent(count / labels.total)})"
        )
        if math.isfinite(ratio):
            message += f"; the largest class has {show(ratio)} times as many as the smallest"
        grave = ratio >= self.severe or _entropy(labels) < self.entropy
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, ratio, limit=self.ratio, unit="times"),
            where=Where(split=TRAIN, output="targets", classes=tuple(rare[:100])),
            location=place(history.run),
            severity=Severity.WARNING if grave else Severity.INFO,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, even = table(1000), classes(1000, 4)
        rare = np.where(classes(1000, 50) == 0, 1, 0)
        yield fires("one in fifty is ill", given(x, rare), severity=Severity.WARNING)
        lost = even.copy()
        lost[(even == 2) & (np.arange(1000) > 40)] = 0
        yield fires("a class that lost most of its samples", given(x, lost))
        none = np.where(even == 2, 3, even)
        yield fires("a class in the middle never occurs", given(x, none))
        yield quiet("equal classes", given(x, even))
        weighted = RunInfo(
            outputs="classification", loss=LossInfo(kind="cross-entropy", weighted=True)
        )
        yield quiet("weights in the loss", given(x, rare, weighted))
        letters = (np.random.default_rng(3).zipf(1.4, size=(1000, 5)) - 1) % 40
        layers = (op("embedding", inputs=40), dense("fc", 64, 40))
        following = chain(*layers, inputs="text", outputs="classification")
        yield quiet("the next letter", given(letters[:, :4], letters[:, 4], following))
        yield quiet("drawn by weight", given(x, rare, weighted=True))
        yield quiet("two to one", given(x, np.where(classes(1000, 3) == 0, 1, 0)))
        yield quiet("whole numbers to predict", given(x, rare * 30, RunInfo(outputs="regression")))


def _entropy(labels: Labels) -> float:
    """Entropy of the classes that occur over the greatest possible one: 0 to 1."""
    p = np.array(list(labels.counts.values())) / labels.total
    return float(-(p * np.log(p)).sum() / math.log(len(p)))
