"""Reading series: whole, by position, by step, and thinned to what a screen can show."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Row, select

from trema.core.errors import UsageError
from trema.store.base import Block, Points, SeriesKey, Window
from trema.store.connecting import reading
from trema.store.database import Database, each_of, run_key
from trema.store.packing import unpack
from trema.store.schema import blocks, series
from trema.store.schema import runs as run_table
from trema.store.upserting import chunks, digest
from trema.store.windows import PACKED, windows

_KEY = (series.c.fact, series.c.name, series.c.phase, series.c.segment, series.c.rank)


class Curves(Database):
    """The series of a store."""

    def series_keys(self, run: str) -> dict[SeriesKey, int]:
        """The series of a run in order of appearance, with their number of points."""
        return {key: points for _, _, key, points in self.series_info(run)}

    def series_info(
        self,
        run: str,
        *,
        facts: Collection[str] | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[tuple[int, str, SeriesKey, int]]:
        """Series in order of appearance: cursor to pass as ``after``, digest, key and points."""
        query = select(series.c.key, series.c.digest, series.c.points, *_KEY)
        with reading(self._engine) as db:
            query = query.where(series.c.run == run_key(db, run), series.c.key > after)
            if facts is not None:
                query = query.where(series.c.fact.in_(list(facts)))
            found = db.execute(query.order_by(series.c.key).limit(limit))
            return [(row.key, row.digest, _key(row), row.points) for row in found]

    def keys_of(self, runs: Collection[str], fact: str) -> dict[str, dict[SeriesKey, int]]:
        """The series of one fact of many runs, with their number of points."""
        query = (
            select(run_table.c.id.label("run_id"), series.c.key, series.c.points, *_KEY)
            .join(run_table, run_table.c.key == series.c.run)
            .where(series.c.fact == fact)
            .order_by(series.c.key)
        )
        found: dict[str, dict[SeriesKey, int]] = {}
        with reading(self._engine) as db:
            for row in each_of(db, query, run_table.c.id, runs):
                found.setdefault(row.run_id, {})[_key(row)] = row.points
        return found

    def find_series(self, run: str, digests: Collection[str]) -> dict[str, SeriesKey]:
        """The series of these digests; those that are not known are left out."""
        with reading(self._engine) as db:
            query = select(series.c.digest, *_KEY).where(series.c.run == run_key(db, run))
            return {row.digest: _key(row) for row in each_of(db, query, series.c.digest, digests)}

    def series(self, run: str, key: SeriesKey, *, after: int = 0) -> Points:
        """The points of a series from a position on, oldest first."""
        later = blocks.c.start + blocks.c["count"] > after
        found = self._of_series(run, key, PACKED, later)
        if not found:
            return Points(position=after)
        steps, values = [], []
        for item in found:
            if item.shape == found[-1].shape:
                _, indices, numbers = unpack(item.shape, item.steps, item.packed)
                skipped = max(0, after - item.start)
                steps.append(indices[skipped:])
                values.append(numbers[skipped:])
        return Points(np.concatenate(steps), np.concatenate(values), found[-1].start + found[-1].n)

    def rows_at(self, run: str, key: SeriesKey, *, start: int, end: int) -> Points:
        """The points from step ``start`` to step ``end``, both included, numbers or arrays."""
        overlap = (blocks.c.last_step >= start) & (blocks.c.first_step <= end)
        return _between(self._of_series(run, key, PACKED, overlap), start, end)

    def many_series(
        self,
        run: str,
        keys: Collection[SeriesKey],
        *,
        start: int | None = None,
        end: int | None = None,
    ) -> dict[SeriesKey, Points]:
        """As :meth:`rows_at` for many series in few queries; those without a point are left out."""
        wanted = {digest(key): key for key in keys}
        query = (
            select(series.c.digest, *PACKED)
            .join(blocks, series.c.key == blocks.c.series)
            .order_by(series.c.key, blocks.c.number)
        )
        if start is not None:
            query = query.where(blocks.c.last_step >= start)
        if end is not None:
            query = query.where(blocks.c.first_step <= end)
        found: dict[str, list[Row[Any]]] = {}
        with reading(self._engine) as db:
            query = query.where(series.c.run == run_key(db, run))
            for row in each_of(db, query, series.c.digest, wanted):
                found.setdefault(row.digest, []).append(row)
        points = {wanted[mark]: _between(rows, start, end) for mark, rows in found.items()}
        return {key: part for key, part in points.items() if len(part.steps)}

    def blocks(self, run: str, key: SeriesKey) -> list[Block]:
        """The blocks of a series, oldest first."""
        names = ("count", "first_step", "last_step", "minimum", "maximum", "nonfinite")
        found = self._of_series(run, key, [blocks.c[name] for name in names])
        return [Block(**item._mapping) for item in found]

    def _of_series(
        self,
        run: str,
        key: SeriesKey,
        columns: Sequence[ColumnElement[Any]],
        *narrowing: ColumnElement[bool],
    ) -> list[Row[Any]]:
        with reading(self._engine) as db:
            query = (
                select(*columns)
                .join(series, series.c.key == blocks.c.series)
                .where(series.c.run == run_key(db, run), series.c.digest == digest(key))
                .where(*narrowing)
                .order_by(blocks.c.number)
            )
            return list(db.execute(query))

    def window(
        self,
        run: str,
        key: SeriesKey,
        *,
        start: int | None = None,
        end: int | None = None,
        width: int = 1000,
    ) -> Window:
        """The points from step ``start`` to step ``end``, both included, in ``width`` stretches."""
        _check_width(width)
        with reading(self._engine) as db:
            found = db.execute(
                select(series.c.key, series.c.points).where(
                    series.c.run == run_key(db, run), series.c.digest == digest(key)
                )
            ).one_or_none()
            if found is None:
                return Window()
            return windows(db, {found.key: found.points}, start, end, width)[found.key]

    def curves(self, wanted: Mapping[str, SeriesKey], width: int = 64) -> dict[str, Window]:
        """One series of each of many runs, thinned; runs and series not known are left out."""
        _check_width(width)
        digests = {run: digest(key) for run, key in wanted.items()}
        query = select(
            run_table.c.id.label("run_id"), series.c.key, series.c.digest, series.c.points
        ).join(run_table, run_table.c.key == series.c.run)
        with reading(self._engine) as db:
            found = []
            for some in chunks(list(digests), 250):
                names = {digests[run] for run in some}
                rows = db.execute(query.where(run_table.c.id.in_(some), series.c.digest.in_(names)))
                found += [row for row in rows if digests[row.run_id] == row.digest]
            thinned = windows(db, {row.key: row.points for row in found}, None, None, width)
        return {row.run_id: thinned[row.key] for row in found}


def _between(found: Sequence[Row[Any]], start: int | None, end: int | None) -> Points:
    """The points of blocks between two steps; of a changed width, those of the newest."""
    if not found:
        return Points()
    steps, values = [], []
    for item in found:
        if item.shape == found[-1].shape:
            _, indices, numbers = unpack(item.shape, item.steps, item.packed)
            if start is not None or end is not None:
                inside = np.ones(len(indices), np.bool_)
                if start is not None:
                    inside &= indices >= start
                if end is not None:
                    inside &= indices <= end
                indices, numbers = indices[inside], numbers[inside]
            steps.append(indices)
            values.append(numbers)
    return Points(np.concatenate(steps), np.concatenate(values), found[-1].start + found[-1].n)


def _check_width(width: int) -> None:
    if width < 2:
        raise UsageError(f"expected a width of at least 2 stretches but got {width}")


def _key(row: Any) -> SeriesKey:
    return SeriesKey(
        fact=row.fact, name=row.name, phase=row.phase, segment=row.segment, rank=row.rank
    )
