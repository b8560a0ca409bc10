"""A number far from all others that stands for "not known"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import (
    as_read,
    classes,
    features,
    given,
    like_pixels,
    place,
    sketches,
    table,
    tables,
)
from trema.core.datasets import Columns, Spike
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class SentinelValue(Check):
    """One number repeated at the end of a column, far away from all other numbers of it.

    Why it matters: -999 for "missing" is read as a measurement. It spreads the column so that
    scaling presses all real numbers together, and the model learns from the gap.
    May be wrong when: a device really saturates there.
    References: Kandel et al. (2011), Research directions in data wrangling; pandas, `na_values`.
    """

    id = "sentinel-value"
    title = "a number seems to stand for missing values"
    cause = Cause.DATA
    severity = Severity.WARNING
    needs = frozenset({Fact.DATASET})
    fixes = (
        Fix("read it as missing: `na_values=[...]`, then fill or drop before scaling"),
        Fix("add a column that says whether the value was known"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="missing values coded -999 neural network", torch="where", keras="ops/numpy"
    )
    least: int = 3  # rows with that number
    most: float = 0.5  # share of the rows
    gap: float = 0.45  # to the nearest other number, over the range of all others; in series 2

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        # a number met again and again, far from all others, is one in few batches too
        seen = [s for s in sketches(history, TRAIN) if s.source != "beneath" and s.read >= 50]
        found = as_read(history) or (seen[0] if seen else None)
        if found is None or found.read < 50:
            return
        known = tables(history, found) | features(history, found)
        for name, one in found.inputs.items():
            columns = known.get(name)
            spikes = [
                s
                for s in one.spikes
                if s.count >= self.least
                and s.gap >= self.gap
                and (one.form == "series" or s.count <= self.most * found.samples)
            ]
            if columns is None or not spikes or (one.form == "table" and like_pixels(columns)):
                continue
            yield self._found(history, name, columns, spikes)

    def _found(
        self, history: History, name: str, columns: Columns, spikes: list[Spike]
    ) -> Diagnosis:
        first = max(spikes, key=lambda spike: spike.gap)
        message = (
            f"{columns.label(first.column)} holds {show(first.value)} in {first.count} rows, "
            f"{show(first.gap)} times the range of all its other numbers away from them"
        )
        if len(spikes) > 1:
            message += f"; {len(spikes)} columns have such a number"
        return self.diagnosis(
            message,
            Evidence(Fact.DATASET, first.gap, limit=self.gap, unit="ranges", name=name),
            where=Where(
                input=name or None,
                split=TRAIN,
                columns=tuple(dict.fromkeys(columns.name(s.column) for s in spikes)),
                rows=first.rows,
                samples=first.rows,
            ),
            location=place(history.run),
            confidence="likely",
        )

    @staticmethod
    def cases() -> Iterator[Case]:
        x, y = table(), classes()
        missing = x.copy()
        missing[5:200:20, 2] = -999
        yield fires("-999 for missing", given(missing, y))
        scaled = (missing - missing.mean(axis=0)) / missing.std(axis=0)
        yield fires("the same after scaling", given(scaled, y))
        series = np.cumsum(table(130, 1), axis=0)[:, 0]
        series[5:120:9] = -9999
        windows = np.lib.stride_tricks.sliding_window_view(series, 12)[:, :, None]
        run = RunInfo(inputs="sequence", outputs="regression")
        yield fires("months without a count", given(windows, None, run))
        yield fires("in the first batches", given(windows[:90], None, run, source="batches"))
        short = np.random.default_rng(0).uniform(10, 20, size=(300, 12, 1))
        short[np.arange(12) >= np.arange(300)[:, None] % 9 + 4] = -99
        yield quiet("series that are filled up at the end", given(short, None, run))
        calm = np.random.default_rng(1).normal(size=(300, 12, 1))
        calm[::20, 6] = np.random.default_rng(2).normal(80, 5, size=(15, 1))
        yield quiet("events of several sizes", given(calm, None, run))
        yield quiet("no such number", given(x, y))
        heavy = np.exp(2 * x)
        yield quiet("heavy tails", given(heavy, y))
        capped = np.minimum(np.abs(x), 2.0)
        yield quiet("a device that saturates", given(capped, y))
        zeros = np.where(np.arange(400)[:, None] % 3 == 0, 0, np.abs(x))
        yield quiet("many zeros", given(zeros, y))
        outlier = x.copy()
        outlier[7, 2] = 500
        yield quiet("one row far away", given(outlier, y))
