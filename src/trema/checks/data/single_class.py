"""Training labels that are all the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import classes, classifies, given, place, samples, table
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, LossInfo, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class SingleClass(Check):
    """Only one class among the training labels of a classifier.

    Why it matters: the constant answer is perfect, so the loss falls to zero and nothing is
    learned from the inputs.
    May be wrong when: the model is one of one class on purpose, or labels come in another way.
    References: scikit-learn, `LogisticRegression.fit` refuses such data; catalogue of checks.
    """

    id = "single-class"
    title = "all training labels are the same"
    cause = Cause.LABELS
    severity = Severity.CRITICAL
    needs = frozenset({Fact.DATASET})
    explains: ClassVar[frozenset[str]] = frozenset({"train-validation-shift"})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LOSS_KIND})
    fixes = (
        Fix("count the labels where they are read: `np.unique(y, return_counts=True)`"),
        Fix("shuffle before the split; a sorted file gives one class to the first rows"),
        Fix("check the comparison or the column that makes the label"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="only one class in training labels", torch="unique", keras="ops/numpy")
    rows: int = 32  # labelled samples

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = samples(history)
        if found is None or found.labels is None or not classifies(history.run):
            return
        counts = found.labels.counts
        if len(counts) != 1 or found.labels.total < self.rows:
            return
        label = next(iter(counts))
        yield self.diagnosis(
            f"all {found.labels.total} training samples have the label {label}",
            Evidence(Fact.DATASET, 1.0, limit=2.0, unit="classes"),
            where=Where(split=TRAIN, output="targets", classes=(label,)),
            location=place(history.run),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x = table()
        ones = np.ones(len(x), dtype=np.int64)
        yield fires("a comparison that always holds", given(x, ones), severity=Severity.CRITICAL)
        binary = RunInfo(loss=LossInfo(kind="cross-entropy"))
        yield fires("the first rows of a sorted file", given(x, ones * 0, binary))
        yield quiet("two classes", given(x, classes()))
        yield quiet("a few samples to try", given(x[:20], ones[:20]))
        yield quiet("the same number to predict", given(x, ones, RunInfo(outputs="regression")))
        yield quiet("the first batches of a sorted stream", given(x, ones, source="batches"))
