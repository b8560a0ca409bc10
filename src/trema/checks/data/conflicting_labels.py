"""Equal inputs with different labels."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import (
    classes,
    classifies,
    given,
    informative,
    pictures,
    place,
    samples,
    table,
)
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class ConflictingLabels(Check):
    """Training samples that are equal in every value and have different labels.

    Why it matters: no function gives both answers, so the model can at best give each a part;
    the loss stays above zero and the labels of other samples are in doubt.
    May be wrong when: the inputs lack what tells the cases apart, and the answer is a chance.
    References: deepchecks, Conflicting Labels; Northcutt et al. (2021), Pervasive Label Errors,
    arXiv:2103.14749.
    """

    id = "conflicting-labels"
    title = "equal inputs have different labels"
    cause = Cause.LABELS
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET})
    explains: ClassVar[frozenset[str]] = frozenset({"duplicates"})
    fixes = (
        Fix("look at the pairs named here, and at where their labels come from"),
        Fix("keep one label by vote, or drop the samples; check the join of labels and inputs"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="conflicting labels same input", torch="unique", keras="ops/numpy")
    least: int = 5  # samples
    some: float = 0.005  # share of the samples
    many: float = 0.05  # share from which labels and inputs were likely joined wrongly

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = samples(history)
        if found is None or found.repeats is None or not classifies(history.run):
            return
        repeats = found.repeats
        share = repeats.conflicting / max(1, found.samples)
        if repeats.conflicting < self.least or share < self.some:
            return
        if not informative(history, found) or not repeats.conflicts:
            return
        yield self.diagnosis(
            f"{repeats.conflicting} of {found.samples} training samples ({percent(share)}) equal "
            f"another one but have another label; samples {repeats.conflicts[0]} and "
            f"{repeats.conflict_twins[0]} are such a pair",
            Evidence(Fact.DATASET, share, limit=self.some, unit="of the samples"),
            where=Where(
                split=TRAIN,
                output="targets",
                samples=repeats.conflicts,
                rows=repeats.conflicts,
            ),
            location=place(history.run),
            severity=Severity.ERROR if share >= self.many else Severity.WARNING,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes()
        half = np.concatenate([x, x[:80]])
        wrong = np.concatenate([y, 1 - y[:80]])
        yield fires("rows labelled twice", given(half, wrong), severity=Severity.ERROR)
        images, labels = pictures(1000), classes(1000, 10)
        images[900:910] = images[:10]
        labels[900:910] = (labels[:10] + 1) % 10
        run = RunInfo(inputs="image", outputs="classification")
        yield fires("ten pictures", given(images, labels, run), severity=Severity.WARNING)
        yield quiet("copies agree", given(half, np.concatenate([y, y[:80]])))
        yield quiet("no copy", given(x, y))
        codes = np.random.default_rng(0).integers(0, 3, size=(400, 4)).astype(float)
        yield quiet("a table of few possible rows", given(codes, y))
        blank = pictures(200)
        blank[100:130] = 0
        yield quiet("blank pictures of every class", given(blank, classes(200, 5), run))
        yield quiet(
            "measured twice", given(half, wrong, RunInfo(inputs="tabular", outputs="regression"))
        )
