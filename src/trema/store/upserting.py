"""Writes of one ingestion transaction: findings and series, inserted or extended."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeVar

from sqlalchemy import Connection, Table, bindparam, select, update
from sqlalchemy.dialects import postgresql, sqlite

from trema.store.base import SeriesKey
from trema.store.packing import Column, PackedBlock, extend, unpacked_block
from trema.store.records import head, to_text, word
from trema.store.schema import blocks, findings, series

T = TypeVar("T")

#: Parameters of one query: SQLite before 3.32 allows 999.
AT_ONCE = 500


def upsert(
    db: Connection,
    table: Table,
    rows: Sequence[Mapping[str, Any]],
    key: Sequence[str],
    change: Mapping[str, Any] | None = None,
) -> int:
    """Insert rows; those whose key exists take the changes, or stay as they are without.

    The answer is the number of rows that were inserted or changed.
    """
    if not rows:
        return 0
    make = postgresql.insert if db.dialect.name == "postgresql" else sqlite.insert
    statement: Any = make(table)
    if change:
        statement = statement.on_conflict_do_update(index_elements=list(key), set_=dict(change))
    else:
        statement = statement.on_conflict_do_nothing(index_elements=list(key))
    statement = statement.execution_options(preserve_rowcount=True)
    return db.execute(statement, [dict(row) for row in rows]).rowcount


def replace(
    db: Connection, table: Table, rows: Sequence[Mapping[str, Any]], key: Sequence[str]
) -> None:
    """Insert rows; those whose key exists are replaced."""
    if rows:
        statement = _replacing(db.dialect.name, table, tuple(rows[0]), tuple(key))
        db.execute(statement, [dict(row) for row in rows])


@lru_cache
def _replacing(dialect: str, table: Table, names: tuple[str, ...], key: tuple[str, ...]) -> Any:
    make = postgresql.insert if dialect == "postgresql" else sqlite.insert
    statement: Any = make(table)
    new = {name: statement.excluded[name] for name in names if name not in key}
    return statement.on_conflict_do_update(index_elements=list(key), set_=new)


def write_findings(
    db: Connection,
    run: int,
    rank: int,
    revision: int,
    found: Mapping[tuple[int, str], Mapping[str, Any]],
) -> int:
    """Write what one rank says of findings; the run's new revision."""
    rows = []
    for (segment, identity), document in found.items():
        revision += 1
        rows.append(
            {
                "run": run,
                "segment": segment,
                "id": identity,
                "rank": rank,
                "check": word(document.get("check")),
                "cause": word(document.get("cause")),
                "severity": word(document.get("severity"), "info"),
                "state": word(document.get("state"), "active"),
                "revision": revision,
                "document": to_text(document),
                **head(document),
            }
        )
    replace(db, findings, rows, ["run", "segment", "id", "rank"])
    return revision


# made once: each batch uses them
_TAILS = (
    select(
        series.c.key,
        series.c.digest,
        series.c.points,
        blocks.c.number,
        blocks.c.start,
        blocks.c.shape,
        blocks.c.steps,
        blocks.c["values"].label("packed"),
    )
    .outerjoin(blocks, (series.c.key == blocks.c.series) & (series.c.last_block == blocks.c.number))
    .where(series.c.run == bindparam("run"))
    .where(series.c.digest.in_(bindparam("digests", expanding=True)))
)
_COUNT = (
    update(series)
    .where(series.c.key == bindparam("of"))
    .values(points=bindparam("points"), last_block=bindparam("last"))
)


def write_points(db: Connection, run: int, points: Mapping[SeriesKey, Column]) -> None:
    """Append points to their series; the run is locked, so nobody else extends them."""
    digests = {digest(key): key for key in points}
    for some in chunks(list(digests), AT_ONCE):
        known = db.execute(_TAILS, {"run": run, "digests": some}).all()
        if len(known) < len(some):
            new = set(some) - {row.digest for row in known}
            rows = [_series_row(run, mark, digests[mark]) for mark in some if mark in new]
            db.execute(series.insert(), rows)
            known = db.execute(_TAILS, {"run": run, "digests": some}).all()
        written: list[dict[str, object]] = []
        counts = []
        for row in known:
            added = points[digests[row.digest]]
            extended = list(extend(_tail(row), added))
            written += [block.row(row.key) for block in extended]
            counts.append(
                {"of": row.key, "points": row.points + len(added[0]), "last": extended[-1].number}
            )
        replace(db, blocks, written, ["series", "number"])
        db.execute(_COUNT, counts)


def _series_row(run: int, mark: str, key: SeriesKey) -> dict[str, object]:
    return {
        "run": run,
        "rank": key.rank,
        "segment": key.segment,
        "phase": key.phase,
        "fact": key.fact,
        "name": key.name,
        "digest": mark,
        "points": 0,
        "last_block": 0,
    }


def _tail(row: Any) -> PackedBlock | None:
    if row.number is None:  # a series without points
        return None
    return unpacked_block(row.number, row.start, row.shape, row.steps, row.packed)


def digest(key: SeriesKey) -> str:
    """A short name of a series in its run."""
    return short_name((str(key.rank), str(key.segment), key.phase, key.fact, key.name))


def short_name(parts: Iterable[str]) -> str:
    """A short name of strings that may be too long for an index."""
    text = "".join(f"{len(part)}:{part}" for part in parts)
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


def chunks(items: Sequence[T], size: int) -> Iterator[Sequence[T]]:
    """The items, so many at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]
