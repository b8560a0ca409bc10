"""Columns of very different size that meet the same weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, given, place, subject, table, tables
from trema.checks.graph import first_use
from trema.checks.sketch import chain, dense, op
from trema.core.datasets import Columns
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class FeatureScalesApart(Check):
    """Columns whose spreads differ by more than a hundred, before the first weights.

    Why it matters: the gradient of a weight grows with its input, so one learning rate is too
    high for the wide column or too low for the narrow ones, which then are hardly used.
    May be wrong when: the narrow column is unimportant, or all share one unit.
    References: LeCun et al. (1998), Efficient BackProp, section 4.3; Bishop (1995), Neural
    Networks for Pattern Recognition, section 8.2.
    """

    id = "feature-scales-apart"
    title = "columns are of very different size"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET, Fact.LAYERS})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.INPUT_MIN, Fact.INPUT_MAX, Fact.GRAPH})
    fixes = (
        Fix("standardize each column with the mean and standard deviation of the training rows"),
        Fix("take the logarithm of columns that span several orders of magnitude"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="standardize features different scales neural network",
        torch="nn.BatchNorm1d",
        keras="layers/preprocessing_layers/numerical/normalization",
    )
    ratio: float = 100.0  # largest over smallest standard deviation, and range; the catalogue
    largest: float = 10.0  # values; scaled columns with rare outliers stay below

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None or found.read < 50:
            return
        tensors = history.names(Fact.INPUT_MIN)
        for name, columns in tables(history, found).items():
            if not first_use(history.run, name, tensors).raw:
                continue
            wide, narrow = self._ends(columns)
            if wide is None or narrow is None or not self._reaches(history, name, columns):
                continue
            yield self._found(history, name, columns, wide, narrow)

    def _ends(self, columns: Columns) -> tuple[int | None, int | None]:
        """The widest column and the narrowest real one, where they are apart."""
        usable = ~columns.constant & ~columns.binary & np.isfinite(columns.std) & (columns.std > 0)
        index = np.flatnonzero(usable)
        if len(index) < 2:
            return None, None
        std, span = columns.std[index], (columns.high - columns.low)[index]
        wide, narrow = int(std.argmax()), int(std.argmin())
        size = max(abs(columns.low[index[wide]]), abs(columns.high[index[wide]]))
        if std[wide] <= self.ratio * std[narrow] or span[wide] <= self.ratio * span[narrow]:
            return None, None
        if size <= self.largest:
            return None, None
        return int(index[wide]), int(index[narrow])

    def _reaches(self, history: History, name: str, columns: Columns) -> bool:
        """Whether the model is given these numbers and not scaled ones: its batches show it."""
        seen = [history.array(f, name)[1] for f in (Fact.INPUT_MIN, Fact.INPUT_MAX)]
        sizes = [np.abs(values[np.isfinite(values)]) for values in seen if len(values)]
        if not sizes or not all(len(size) for size in sizes):
            return False
        expected = float(np.nanmax(np.abs(columns.mean) + columns.std))
        return max(float(size.max()) for size in sizes) >= 0.5 * expected

    def _found(
        self, history: History, name: str, columns: Columns, wide: int, narrow: int
    ) -> Diagnosis:
        ratio = float(columns.std[wide] / columns.std[narrow])
        message = (
            f"{columns.label(wide)} of {subject(name)} has a standard deviation of "
            f"{show(columns.std[wide])}, {columns.label(narrow)} one of "
            f"{show(columns.std[narrow])}: {show(ratio)} times less"
        )
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, ratio, limit=self.ratio, unit="times", name=name),
            where=Where(
                input=name or None,
                split=TRAIN,
                columns=(columns.name(wide), columns.name(narrow)),
            ),
            location=place(history.run),
            confidence="measured",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        run = chain(dense("fc1", 6, 32, "relu"), dense("fc2", 32, 2), inputs="tabular")
        x, y = table(), classes()
        apart = x * np.array([1, 1, 1, 5000.0, 1, 1])
        big = {Fact.INPUT_MIN: -9000, Fact.INPUT_MAX: 9000}
        small = {Fact.INPUT_MIN: -3, Fact.INPUT_MAX: 3}
        yield fires("one column in grams, the others in tonnes", given(apart, y, run, facts=big))
        tiny = x * np.array([20, 20, 1e-4, 20, 20, 20])
        yield fires(
            "one column a hundred thousand times smaller",
            given(tiny, y, run, facts={Fact.INPUT_MIN: -60, Fact.INPUT_MAX: 60}),
        )
        yield quiet("standardized", given(x, y, run, facts=small))
        yield quiet("scaled on the way to the model", given(apart, y, run, facts=small))
        normalized = chain(op("normalization"), *run.layers, inputs="tabular")
        yield quiet("a normalization stands first", given(apart, y, normalized, facts=big))
        rare = x.copy()
        rare[:, 2] = np.arange(len(x)) == 7
        yield quiet("a rare yes-or-no column", given(rare, y, run, facts=small))
        heavy = np.abs(x) ** 5
        heavy = heavy / heavy.max(axis=0)
        yield quiet(
            "heavy tails divided by their maximum",
            given(heavy, y, run, facts={Fact.INPUT_MIN: 0, Fact.INPUT_MAX: 1}),
        )
