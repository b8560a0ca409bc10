"""A column of row numbers among the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from trema.checks.base import Case, Check, Links, fires, quiet, register, snippets_beside
from trema.checks.datasets import as_read, classes, classifies, given, place, table, tables
from trema.core.datasets import Counter
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Fix, Severity, Where
from trema.core.facts import TRAIN, Fact, RunInfo
from trema.core.history import History
from trema.core.numbers import show


@register
@dataclass(frozen=True, kw_only=True)
class IndexColumn(Check):
    """A feature that only numbers the rows: evenly spaced, each number once.

    Why it matters: the number says where a row stood in a file. Where the file was sorted it tells
    the label, validation rows fit between their neighbours and look easy, and new rows have numbers
    that no row had before.
    May be wrong when: the number is a time, and the future is not what is asked for.
    References: Kaufman et al. (2012), Leakage in Data Mining; Kapoor & Narayanan (2023), Leakage
    and the reproducibility crisis; deepchecks, Identifier Label Correlation.
    """

    id = "index-column"
    title = "a feature numbers the rows"
    cause = Cause.DATA
    severity = Severity.ERROR
    needs = frozenset({Fact.DATASET})
    uses: ClassVar[frozenset[Fact]] = frozenset({Fact.LOSS_KIND})
    explains: ClassVar[frozenset[str]] = frozenset({"suspicious-validation"})
    fixes = (
        Fix("drop the column: read the file with `index_col=0`, write it with `index=False`"),
        Fix("if it is a time, split by time, so that validation comes after training"),
    )
    snippets = snippets_beside(__file__)
    links = Links(
        search="pandas to_csv index column as feature leak",
        torch="utils.data.random_split",
        keras="ops/numpy",
    )
    times: float = 3.0  # mean run of one class in the order of the column over that of chance
    rows: int = 100  # in training

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        found = as_read(history)
        if found is None or found.read < self.rows:
            return
        known = tables(history, found)
        for name, one in found.inputs.items():
            columns = known.get(name)
            if columns is None or len(one.counters) != 1:
                continue  # where several are so, numbers were replaced by their ranks
            counter = one.counters[0]
            tells = classifies(history.run) and self._tells(counter)
            message = (
                f"{columns.label(counter.column)} numbers the rows: its values are evenly spaced, "
                "each there once"
            )
            if tells:
                message += (
                    f"; in its order {show(counter.mean_run)} samples of one class follow each "
                    f"other, shuffled it were {show(counter.expected_run)}: it tells the label"
                )
            yield self.diagnosis(
                message,
                Evidence(
                    Fact.DATASET,
                    counter.mean_run,
                    limit=self.times * counter.expected_run,
                    unit="samples",
                    name=name,
                ),
                where=Where(
                    input=name or None, split=TRAIN, columns=(columns.name(counter.column),)
                ),
                location=place(history.run),
                severity=Severity.ERROR if tells else Severity.INFO,
                confidence="measured",
            )

    def _tells(self, counter: Counter) -> bool:
        return counter.mean_run >= self.times * counter.expected_run > 0

    @staticmethod
    def cases() -> Iterator[Case]:
        y = np.sort(classes(400, 3))
        order = np.random.default_rng(5).permutation(400)

        def numbered(rows: np.ndarray, number: np.ndarray) -> np.ndarray:
            return np.column_stack([number, rows])

        x = table(400)
        number = (np.arange(400) - 200) / 115.5
        sorted_file = numbered(x, number)[order][:300].astype(np.float32)
        told = {"severity": Severity.ERROR}
        yield fires(
            "of a sorted file, scaled and split", given(sorted_file, y[order][:300]), **told
        )
        info = {"severity": Severity.INFO}
        yield fires("of a shuffled file", given(numbered(x, number), classes(400, 3)), **info)
        regression = RunInfo(inputs="tabular", outputs="regression")
        price = x @ np.arange(6.0)
        yield fires("of prices", given(numbered(x, number), price[:, None], regression), **info)
        yield quiet("measurements", given(x, y))
        yield quiet("a position to learn from", given(number[:, None], y))
        drawn = np.random.default_rng(6).permutation(90_000)[:400]
        yield quiet("numbers of customers", given(numbered(x, drawn), y))
        yield quiet("years that repeat", given(numbered(x, np.arange(400) // 4), y))
        ranks = np.argsort(np.argsort(x, axis=0), axis=0)
        yield quiet("ranks instead of numbers", given(ranks, y))
