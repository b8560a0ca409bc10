"""A column that holds the answer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, given, listed, place, table, tables
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History


@register
@dataclass(frozen=True, kw_only=True)
class FeatureLeak(Check):
    """A column of the inputs with one number for each class, or on an exact line with the target.

    Why it matters: the model learns to copy the column, validation looks perfect, and where the
    answer is not known yet the column does not exist.
    May be wrong when: the task is a toy one whose answer is one of its columns.
    References: Kaufman et al. (2012), Leakage in Data Mining; Kapoor & Narayanan (2023), Leakage
    and the reproducibility crisis; deepchecks, Feature Label Correlation.
    """

    id = "feature-leak"
    title = "a column repeats the targets"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("drop the column, and others that are only known after the answer"),
        Fix("check the slice that parts inputs from targets: `rows[:, :-1]`, `rows[:, -1]`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="target leakage feature equals label", torch="corrcoef", keras="ops/numpy")

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None:
            return
        known = tables(history, found)
        for name, one in found.inputs.items():
            columns = known.get(name)
            if columns is None or not one.leaks or len(one.leaks) > 0.5 * len(columns):
                continue
            parts = [columns.label(c) for c in one.leaks]
            how = "each class has its own number" if found.labels else "it is an exact line"
            yield self.diagnosis(
                f"the targets can be read from {listed(parts)} alone: {how}, in all rows looked at",
                Evidence(Fact.DATASET, float(len(one.leaks)), limit=0.0, unit="columns", name=name),
                where=Where(
                    input=name or None,
                    split=TRAIN,
                    columns=tuple(columns.name(c) for c in one.leaks),
                ),
                location=place(history.run),
                confidence="measured",
            )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes(count=3)
        leak = x.copy()
        leak[:, 4] = (y * 2.0 - 1.5) / 0.8
        yield fires("the label stands among the columns, scaled", given(leak, y))
        price = x @ np.arange(6.0) + 3
        regression = RunInfo(inputs="tabular", outputs="regression")
        net = np.column_stack([x, price / 1.19])
        yield fires("the price without tax", given(net, price[:, None], regression))
        yield quiet("no such column", given(x, y))
        near = x.copy()
        near[:, 4] = y + 0.01 * x[:, 4]
        yield quiet("a column that parts the classes well", given(near, y))
        toy = x[:, :1]
        yield quiet("a line through one column", given(toy, 3 * toy + 2, regression))
        some = x.copy()
        some[:, 4] = np.where(y == 2, 1, y)
        yield quiet("a column that tells one class of three", given(some, y))
        yield quiet("a few rows", given(leak[:30], y[:30]))
