"""Samples that stand in the training data several times."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import classes, given, informative, pictures, place, samples, table
from trema.core.datasets import DataSketch, Repeats
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import percent


@register
@dataclass(frozen=True, kw_only=True)
class Duplicates(Check):
    """Training samples that equal an earlier one in every value.

    Why it matters: a copy weighs its sample twice, and a split that separates copies measures
    what was memorized.
    May be wrong when: a class was oversampled on purpose, or a table has few possible rows.
    References: Barz & Denzler (2020), Do We Train on Test Data?, arXiv:1902.00423; cleanlab
    Datalab, near duplicates.
    """

    id = "duplicates"
    title = "training samples stand there several times"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("drop copies before the split: `np.unique(x, axis=0, return_index=True)`"),
        Fix("look whether a file was read twice, or a join multiplied rows"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="remove duplicate rows training data", torch="unique", keras="ops/numpy")
    note: float = 0.01  # share of the samples that is worth knowing; banknotes have 0.017
    many: float = 0.05  # share from which the data were likely put together wrongly
    rows: int = 50  # samples

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = samples(history)
        if found is None or found.repeats is None or found.samples < self.rows:
            return
        repeats, share = found.repeats, found.repeats.count / found.samples
        if repeats.count < 5 or share < self.note or not informative(history, found):
            return
        evened = _oversampled(found, repeats)
        message = (
            f"{repeats.count} of {found.samples} training samples ({percent(share)}) equal an "
            f"earlier one; sample {repeats.samples[0]} equals sample {repeats.twins[0]}"
        )
        if repeats.blank > 0.5 * repeats.count:
            message += f"; {repeats.blank} of them are empty: one number everywhere"
        if evened:
            message += "; they make the classes equal, as oversampling does"
        grave = share >= self.many and not evened
        yield self.diagnosis(
            message,
            Evidence(Fact.DATASET, share, limit=self.many, unit="of the samples"),
            where=Where(split=TRAIN, samples=repeats.samples, rows=repeats.samples),
            location=place(history.run),
            severity=Severity.WARNING if grave else Severity.INFO,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes()
        twice, labels = np.concatenate([x, x]), np.concatenate([y, y])
        yield fires("a file read twice", given(twice, labels), severity=Severity.WARNING)
        images = pictures()
        images[50:80] = 0
        run = RunInfo(inputs="image", outputs="classification")
        yield fires("thirty pictures that could not be read", given(images, y[:200], run))
        few = np.concatenate([x, x[:8]])
        yield fires("a few copies", given(few, labels[:408]), severity=Severity.INFO)
        index = np.concatenate(
            [np.flatnonzero(y == 0), np.resize(np.flatnonzero(y == 1)[:40], 200)]
        )
        even = x[index], y[index]
        yield fires("oversampling a class", given(*even), severity=Severity.INFO)
        yield quiet("no copy", given(x, y))
        codes = np.random.default_rng(0).integers(0, 3, size=(400, 4)).astype(float)
        yield quiet("a table of few possible rows", given(codes, y))
        yield quiet("batches may pass twice", given(twice, labels, source="batches"))
        yield quiet("two equal rows", given(np.concatenate([x, x[:2]]), labels[:402]))


def _oversampled(found: DataSketch, repeats: Repeats) -> bool:
    """Whether copies stand in some classes only and make all classes about equal."""
    labels = found.labels
    if labels is None or not repeats.classes or len(labels.counts) < 2:
        return False
    spared = [c for c in labels.counts if repeats.classes.get(c, 0) == 0]
    sizes = list(labels.counts.values())
    return bool(spared) and max(sizes) <= 1.25 * min(sizes)
