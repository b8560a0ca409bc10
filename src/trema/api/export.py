"""A run as one file: JSON, CSV of its numbers, or a page. Parts come as they are made.

Each function checks that the run exists before it gives its first part, and raises RunNotFound
there when it does not.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterator

import numpy as np

from trema.api.queries import Queries
from trema.api.report import report
from trema.core.facts import Fact
from trema.core.numbers import dumps, encode
from trema.store.base import SeriesKey, Store

#: Facts that are always part of a JSON export; the others are many and large.
CURVES = (str(Fact.METRIC), str(Fact.LOSS), str(Fact.LEARNING_RATE), str(Fact.LOG))
COLUMNS = ("fact", "name", "phase", "segment", "rank", "step", "value")
_PAGE = 500  # series read at once
_ROWS = 2000  # in one part
# a spreadsheet takes a cell that begins so for a formula
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def export_json(queries: Queries, run: str, *, facts: bool = False) -> Iterator[bytes]:
    """The findings document with settings, paths of source files and series.

    facts : all series, also those of layers and parameters, and those whose points are arrays
    """
    detail = queries.run(run)
    document = queries.document(run)
    head = {
        **document,
        "tags": detail.row.tags,
        "settings": detail.settings,
        "epochs": [mark.model_dump() for mark in detail.epochs],
        "sources": detail.sources,
    }
    # the series are the last key, so that they can be written one at a time
    yield dumps(head)[:-1].encode() + b',"series":['
    comma = b""
    for key in _series(queries.store, run, None if facts else CURVES):
        points = queries.store.series(run, key)
        item = {
            "fact": key.fact,
            "name": key.name,
            "phase": key.phase,
            "segment": key.segment,
            "rank": key.rank,
            "steps": points.steps.tolist(),
            "values": points.values.tolist(),
        }
        yield comma + dumps(item).encode("utf-8", "replace")
        comma = b","
    yield b"]}\n"


def export_csv(queries: Queries, run: str) -> Iterator[bytes]:
    """All numbers by step in long format; for the fact ``metric`` the steps are epochs.

    Series whose points are arrays are left out: the JSON has them.
    """
    queries.run(run)
    yield _lines([COLUMNS])
    for key in _series(queries.store, run, None):
        points = queries.store.series(run, key)
        if points.values.ndim != 1:
            continue
        names = (*map(cell, (key.fact, key.name, key.phase)), key.segment, key.rank)
        for start in range(0, len(points.steps), _ROWS):
            steps = points.steps[start : start + _ROWS].tolist()
            values = _numbers(points.values[start : start + _ROWS])
            rows = zip(steps, values, strict=True)
            yield _lines([(*names, step, value) for step, value in rows])


def export_html(queries: Queries, run: str) -> Iterator[bytes]:
    """A page that needs no server, no script and no network."""
    for part in report(queries, run):
        yield part.encode("utf-8", "replace")


def _series(store: Store, run: str, facts: Collection[str] | None) -> Iterator[SeriesKey]:
    after = 0
    while page := store.series_info(run, facts=facts, after=after, limit=_PAGE):
        for after, _, key, _ in page:  # noqa: B007  # the cursor of the last is used
            yield key


def _numbers(values: np.ndarray) -> list[str]:
    return [repr(value) if isinstance(value, float) else value for value in encode(values)]


def cell(text: str) -> str:
    """A name as a cell that no spreadsheet takes for a formula."""
    text = text.encode("utf-8", "replace").decode()
    return f"'{text}" if text.startswith(_FORMULA) else text


def _lines(rows: Collection[tuple[object, ...]]) -> bytes:
    text = io.StringIO()
    csv.writer(text, lineterminator="\r\n").writerows(rows)  # as RFC 4180 has it
    return text.getvalue().encode("utf-8")
