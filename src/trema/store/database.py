"""The database behind a store, and what all parts of the store ask it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import Connection, Engine, Row, Select, select

from trema.core.errors import RunNotFound
from trema.store.connecting import open_engine, prepare
from trema.store.schema import runs
from trema.store.upserting import AT_ONCE, chunks


class Database:
    """A database whose tables are in place.

    Raises
    ------
    StoreError
        When the database cannot be opened, or was written by a newer Trema.
    UsageError
        When the URL names another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._engine: Engine = open_engine(url)
        try:
            prepare(self._engine)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def shared(self) -> bool:
        """Whether others may keep their runs here."""
        return self._engine.dialect.name != "sqlite"

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()


def run_row(db: Connection, run: str, *, lock: bool = False) -> Row[Any]:
    """The row of a run.

    Raises
    ------
    RunNotFound
        When the store has no such run.
    """
    query = select(runs).where(runs.c.id == run)
    row = db.execute(query.with_for_update() if lock else query).one_or_none()
    if row is None:
        raise RunNotFound(f"the store has no run {run!r}: index it, or list the runs it has")
    return row


def run_key(db: Connection, run: str) -> int:
    """The number of a run in the database.

    Raises
    ------
    RunNotFound
        When the store has no such run.
    """
    key = db.execute(select(runs.c.key).where(runs.c.id == run)).scalar_one_or_none()
    if key is None:
        raise RunNotFound(f"the store has no run {run!r}: index it, or list the runs it has")
    return int(key)


def each_of(
    db: Connection, query: Select[Any], column: Any, values: Collection[Any]
) -> Iterator[Row[Any]]:
    """Rows whose column is among the values, asked for some hundred at a time."""
    for some in chunks(list(values), AT_ONCE):
        yield from db.execute(query.where(column.in_(some)))
