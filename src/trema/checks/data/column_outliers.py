"""A few rows of a column in another unit than all others."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, given, listed, place, table, tables
from trema.core.datasets import Columns, DataSketch, Faraway
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import percent, show


@register
@dataclass(frozen=True, kw_only=True)
class ColumnOutliers(Check):
    """Several different numbers of a column many times its range away, with nothing between.

    Why it matters: rows in cents among rows in euros set mean and deviation of the column;
    standardized, all other rows are one number to the model, and a few steps are far too large.
    May be wrong when: two kinds of things stand in one column on purpose.
    References: Tukey (1977), Exploratory Data Analysis, on far-out values; Breck et al. (2019),
    Data Validation for Machine Learning.
    """

    id = "column-outliers"
    title = "some rows lie far from all others in a column"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("look at these rows: a unit, a decimal sign or a currency may be mixed"),
        Fix("bring them into the unit of the others before computing mean and deviation"),
        Fix("drop them, or take the logarithm of the column, where the numbers are right"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="mixed units outliers column pandas", torch="quantile", keras="ops/numpy")
    gap: float = 20.0  # to the nearest other number, over the range of all others
    least: float = 0.005  # share of the rows, three at least
    most: float = 0.05  # share of the rows; more are a group of their own

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None:
            return
        known = tables(history, found)
        for name, one in found.inputs.items():
            columns = known.get(name)
            far = [
                f
                for f in one.faraway
                if f.gap >= self.gap and self.least * f.of <= f.count <= self.most * f.of
            ]
            if columns is not None and far and len(far) <= max(1, 0.5 * len(columns)):
                yield self._found(history, name, columns, far, found)

    def _found(
        self,
        history: History,
        name: str,
        columns: Columns,
        far: list[Faraway],
        found: DataSketch,
    ) -> Diagnosis:
        first = max(far, key=lambda f: f.gap)
        rows = first.rows if found.source == "arrays" else ()  # of batches, the order is lost
        message = (
            f"{columns.label(first.column)} is about {show(first.far)} in {first.count} of "
            f"{first.of} rows ({percent(first.count / first.of)}) and between {show(first.low)} "
            f"and {show(first.high)} in all others: {show(first.gap)} times that range lies "
            "empty between, as when units are mixed"
        )
        if len(far) > 1:
            more = [columns.label(f.column) for f in far if f is not first]
            message += f"; so it is with {listed(more)}"
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, first.gap, limit=self.gap, unit="ranges", name=name),
            where=Where(
                input=name or None,
                split=TRAIN,
                columns=tuple(columns.name(f.column) for f in far),
                rows=rows,
                samples=rows,
            ),
            location=place(history.run),
            confidence="likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes()
        metres = x.copy()
        metres[:, 2] = 1.7 + 0.1 * x[:, 2]
        mixed = metres.copy()
        mixed[5:200:20, 2] *= 100
        yield fires("centimetres among metres", given(mixed, y))
        scaled = (mixed - mixed.mean(axis=0)) / mixed.std(axis=0)
        yield fires("the same after scaling", given(scaled, y))
        yield quiet("one unit", given(metres, y))
        missing = metres.copy()
        missing[5:200:20, 2] = -999
        yield quiet("one number for missing", given(missing, y))
        yield quiet("heavy tails", given(np.exp(3 * x), y))
        cauchy = np.random.default_rng(1).standard_cauchy(size=(2000, 6))
        yield quiet("no mean at all", given(cauchy, classes(2000)))
        typo = metres.copy()
        typo[7, 2] = 500
        yield quiet("one row far away", given(typo, y))
        rare = np.zeros((400, 6))
        rare[::40] = 1000 * np.abs(x[::40])
        rare[:, :3] = x[:, :3]
        yield quiet("a rare event among zeros", given(rare, y))
        two = metres.copy()
        two[::4, 2] *= 100
        yield quiet("two groups", given(two, y))
        yield quiet("few rows", given(mixed[:50], y[:50]))
