"""Columns that hold one number in every row."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, given, like_pixels, listed, place, table, tables
from trema.core.datasets import Columns
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, VALIDATION, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show
from trema.core.sketching import DISTINCT_ROWS


@register
@dataclass(frozen=True, kw_only=True)
class ConstantFeature(Check):
    """A column of a table with the same number in all training rows.

    Why it matters: such a column tells nothing. It mostly is the trace of a fault before: a
    join that found nothing, a default that was filled in, a sensor that was off. Where it varies
    later, the model meets numbers for which its weights were never trained.
    May be wrong when: the data are a subset in which the column happens to be the same.
    References: deepchecks, "Is Single Value"; Kuhn & Johnson (2019), Feature Engineering and
    Selection, on zero-variance predictors.
    """

    id = "constant-feature"
    title = "a column is constant"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("look at how the column is made or joined; restore its numbers, or drop it"),
        Fix("compare with the source: `np.flatnonzero(x.std(axis=0) == 0)`"),
    )
    snippets = snippets_beside(__file__)
    links = Links(search="constant feature column zero variance", torch="std", keras="ops/numpy")
    rows: int = 50  # rows read; fewer may agree by chance
    most: float = 0.25  # share of the columns; beyond, the data may be sparse by nature …
    dense: float = 0.75  # … unless all others are measurements, in a table of few columns
    few: int = 16  # columns
    values: float = 0.1  # distinct numbers of a measurement, as a share of the rows

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None or found.read < self.rows:
            return
        validation = as_read(history, VALIDATION)
        for name, columns in tables(history, found).items():
            constant = np.flatnonzero(columns.constant)
            if not len(constant):
                continue
            most = self.dense if self._measured(columns, found.read) else self.most
            if len(constant) > max(1, most * len(columns)):
                continue
            if len(columns) < 2 or like_pixels(columns):
                continue
            other = validation.inputs.get(name) if validation is not None else None
            after = other.columns if other is not None else None
            yield self._found(history, name, columns, constant, after, found.read)

    def _measured(self, columns: Columns, read: int) -> bool:
        """Whether a narrow table holds measurements only, beside its constant columns."""
        varying = columns.distinct[~columns.constant]
        least = max(20.0, self.values * min(read, DISTINCT_ROWS))
        return len(columns) < self.few and len(varying) > 0 and bool((varying >= least).all())

    def _found(
        self,
        history: History,
        name: str,
        columns: Columns,
        constant: np.ndarray,
        other: Columns | None,
        read: int,
    ) -> Diagnosis:
        parts = [f"{columns.label(c)} is {show(columns.low[c])}" for c in constant]
        message = f"{listed(parts)} in all {read} training rows"
        severity = self.severity
        if other is not None and len(other) == len(columns):
            varies = [c for c in constant if not other.constant[c]]
            if varies:
                severity = Severity.ERROR
                message += f"; {columns.label(varies[0])} varies in the validation data"
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, float(len(constant)), limit=0.0, unit="columns", name=name),
            where=Where(
                input=name or None,
                split=TRAIN,
                columns=tuple(columns.name(int(c)) for c in constant[:100]),
            ),
            location=place(history.run),
            severity=severity,
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes()
        dead = x.copy()
        dead[:, 3] = 0
        yield fires("a sensor that was off", given(dead, y), severity=Severity.WARNING)
        yield fires(
            "filled with a default, and real numbers in validation",
            given(dead + 5, y, validation=(table(100, seed=2), None)),
            severity=Severity.ERROR,
        )
        half = x[:, :4].copy()
        half[:, :2] = -1
        yield fires("two of four sensors were off", given(half, y))
        yield quiet("a sparse table of counts", given(np.floor(np.abs(half)), y))
        wide = np.concatenate([np.zeros((400, 20)), table(columns=20)], axis=1)
        yield quiet("half of many columns, as units that are off", given(wide, y))
        yield fires("seen in batches only", given(dead, y, source="batches"))
        yield quiet("every column varies", given(x, y))
        pixels = np.zeros((300, 64))
        pixels[:, 8:] = np.random.default_rng(3).integers(0, 17, size=(300, 56))
        yield quiet("the rim of small images", given(pixels, y[:300]))
        codes = np.eye(6)[classes(300, 5)]
        yield quiet("a category that does not occur", given(codes, y[:300]))
        yield quiet("a handful of rows", given(dead[:20], y[:20]))
        yield quiet("samples may change on the way", given(dead, y, source="beneath"))
        yield quiet(
            "token ids begin alike",
            given(dead, y, RunInfo(inputs="text", outputs="classification")),
        )
