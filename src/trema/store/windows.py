"""Windows of series: their sketches, and the values of the blocks where these are too coarse."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Row, select

from trema.store.base import Window
from trema.store.database import each_of
from trema.store.packing import unpack
from trema.store.schema import blocks
from trema.store.thinning import (
    STRETCH,
    Stretches,
    in_order,
    of_points,
    read_sketch,
    thin,
    too_wide,
    whole,
)
from trema.store.upserting import chunks

#: Blocks whose values are read by one query: 4 MB of numbers, and 500 parameters at most.
_BLOCKS_AT_ONCE = 250


PACKED = (
    blocks.c.series,
    blocks.c.number,
    blocks.c.start,
    blocks.c["count"].label("n"),
    blocks.c.shape,
    blocks.c.steps,
    blocks.c["values"].label("packed"),
)


def windows(
    db: Connection, points: Mapping[int, int], start: int | None, end: int | None, width: int
) -> dict[int, Window]:
    """Windows by key of the series; ``points`` is the count of points of each."""
    found = _sketches(db, points, start, end)
    spans = {key: _Span(found.get(key, ()), start, end) for key in points}
    while missing := [(key, n) for key, span in spans.items() for n in sorted(span.missing(width))]:
        for key, number, row in _values(db, missing):
            spans[key].take(number, row)
    return {key: span.window(width, points[key]) for key, span in spans.items()}


class _Span:
    """A series of numbers between two steps, of which the sketches are known."""

    def __init__(self, found: Sequence[Row[Any]], start: int | None, end: int | None) -> None:
        self.start, self.end = start, end
        self.found = found
        self.points: dict[int, tuple[NDArray[np.int64], NDArray[np.float64]]] = {}
        self.numbers = [row.number for row in found]
        self.cut = {  # only part of these blocks is inside, or they have no sketch
            row.number
            for row in found
            if row.sketch is None
            or (start is not None and row.first_step < start)
            or (end is not None and row.last_step > end)
        }

    @property
    def count(self) -> int:
        """Points inside; of a block that is cut and not read, all."""
        return sum(
            len(self.points[row.number][0]) if row.number in self.points else row.n
            for row in self.found
        )

    def take(self, number: int, row: Row[Any]) -> None:
        """Keep the points of a block that are inside."""
        _, steps, values = unpack(row.shape, row.steps, row.packed)
        inside = np.ones(len(steps), np.bool_)
        if self.start is not None:
            inside &= steps >= self.start
        if self.end is not None:
            inside &= steps <= self.end
        self.points[number] = steps[inside], values[inside]

    def parts(self) -> Stretches:
        """What is known, in the order of the journal."""
        parts: list[Stretches] = [np.empty(0, STRETCH)]
        sketches: list[bytes] = []
        for row in self.found:
            if row.number in self.points:
                if sketches:
                    parts.append(read_sketch(b"".join(sketches)))
                    sketches = []
                parts.append(of_points(*self.points[row.number]))
            else:
                sketches.append(row.sketch)
        if sketches:
            parts.append(read_sketch(b"".join(sketches)))
        return np.concatenate(parts)

    def missing(self, width: int) -> set[int]:
        """Blocks whose points are needed as well for a window of this width."""
        unread = set(self.numbers) - self.points.keys()
        if not unread or self.count <= width:
            return unread
        if unread & self.cut:
            return unread & self.cut
        parts = self.parts()
        if not in_order(parts):  # a run that was resumed: its steps went back
            return unread
        wide = too_wide(parts, int(parts["first"][0]), int(parts["last"][-1]), width)
        if not wide.any():
            return set()
        steps = parts["first"][wide]
        return {
            row.number
            for row in self.found
            if row.number in unread and _any_between(steps, row.first_step, row.last_step)
        }

    def window(self, width: int, position: int) -> Window:
        """What was found, thinned to the width."""
        if len(self.points) == len(self.found):
            pairs = [self.points[number] for number in self.numbers]
            steps, values = whole([pair[0] for pair in pairs], [pair[1] for pair in pairs])
            if len(steps) <= width:
                return Window(steps, values, position=position)
            return thin(of_points(steps, values), width, position)
        return thin(self.parts(), width, position)


def _any_between(ordered: NDArray[np.int64], low: int, high: int) -> bool:
    left = np.searchsorted(ordered, low, "left")
    return bool(left < len(ordered) and ordered[left] <= high)


def _sketches(
    db: Connection, keys: Collection[int], start: int | None, end: int | None
) -> dict[int, list[Row[Any]]]:
    query = select(
        blocks.c.series,
        blocks.c.number,
        blocks.c["count"].label("n"),
        blocks.c.first_step,
        blocks.c.last_step,
        blocks.c.sketch,
    ).where(blocks.c.shape == "")
    if start is not None:
        query = query.where(blocks.c.last_step >= start)
    if end is not None:
        query = query.where(blocks.c.first_step <= end)
    found: dict[int, list[Row[Any]]] = {}
    for row in each_of(db, query.order_by(blocks.c.series, blocks.c.number), blocks.c.series, keys):
        found.setdefault(row.series, []).append(row)
    return found


def _values(db: Connection, wanted: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, Any]]:
    numbers: dict[int, list[int]] = {}
    for key, number in wanted:
        numbers.setdefault(key, []).append(number)
    alike: dict[tuple[int, ...], list[int]] = {}  # SQLite has no index for pairs of both
    for key, found in numbers.items():
        alike.setdefault(tuple(found), []).append(key)
    query = select(*PACKED)
    for same, keys in alike.items():
        for some in chunks(same, _BLOCKS_AT_ONCE):
            of_numbers = query.where(blocks.c.number.in_(some))
            for few in chunks(keys, max(1, _BLOCKS_AT_ONCE // len(some))):
                for row in db.execute(of_numbers.where(blocks.c.series.in_(few))):
                    yield row.series, row.number, row
