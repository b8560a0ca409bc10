"""Engines and transactions: SQLite in WAL mode and PostgreSQL behave alike behind these."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import QueuePool

from trema.core.errors import UsageError
from trema.store.base import StoreError
from trema.store.migrations import lock, migrate
from trema.store.queueing import Queue
from trema.store.schema import VERSION_TABLE, metadata

WAIT = 60  # seconds to wait for another writer, or for a connection
#: Connections kept open by each process. PostgreSQL takes 100 by default, of all processes.
POSTGRES_CONNECTIONS = 20
SQLITE_CONNECTIONS = 16
#: Threads of one process that write at once: some connections are left to those that read.
POSTGRES_WRITERS = 12
_WRITE = "trema_write"


def open_engine(url: str) -> Engine:
    """An engine for SQLite or PostgreSQL.

    Raises
    ------
    UsageError
        When the URL names another database.
    """
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise UsageError(
            f"expected a URL such as sqlite:///index.db or postgresql+psycopg://host/name "
            f"but got {url!r}"
        ) from error
    if parsed.drivername in ("postgres", "postgresql"):  # SQLAlchemy before 2.1 means psycopg2
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.get_backend_name() == "postgresql":
        return create_engine(
            parsed,
            pool_pre_ping=True,
            pool_size=POSTGRES_CONNECTIONS,
            max_overflow=0,
            pool_timeout=WAIT,
        )
    if parsed.get_backend_name() != "sqlite":
        raise UsageError(
            f"expected a sqlite or postgresql+psycopg URL but got {parsed.drivername!r}"
        )
    in_memory = not parsed.database or parsed.database == ":memory:"
    if parsed.database and not in_memory:
        try:
            # the index holds the source of the runs, and other users may read the cache folder
            Path(parsed.database).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise StoreError(f"the folder of {parsed.database} cannot be made: {error}") from error
    engine = create_engine(
        parsed,
        connect_args={"timeout": WAIT, "check_same_thread": False},
        poolclass=QueuePool,
        # a database in memory is its one connection; one in a file has as many as are asked for
        pool_size=1 if in_memory else SQLITE_CONNECTIONS,
        max_overflow=0 if in_memory else -1,
        pool_timeout=WAIT,
    )
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _prepare_sqlite(connection: Any, _: Any) -> None:
    connection.isolation_level = None  # the driver begins nothing by itself: _begin_sqlite does
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = NORMAL")  # the journals can rebuild the index


def _begin_sqlite(connection: Connection) -> None:
    writes = connection.get_execution_options().get(_WRITE, False)
    # a transaction that reads first and writes later can fail at once instead of waiting
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """A transaction whose queries all see one state of the database."""
    with engine.connect() as connection:
        if engine.dialect.name == "postgresql":  # SQLite always does so
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
        yield connection


@contextmanager
def writing(engine: Engine) -> Iterator[Connection]:
    """A transaction that writes."""
    with (
        _queue(engine),
        engine.connect().execution_options(**{_WRITE: True}) as connection,
        connection.begin(),
    ):
        yield connection


def _queue(engine: Engine) -> Queue:
    """Where the threads of this process wait for their turn to write."""
    if engine.dialect.name != "sqlite":
        return _queue_of(engine.url.render_as_string(), POSTGRES_WRITERS)
    return _queue_of(os.path.realpath(engine.url.database or ""), 1)


@lru_cache
def _queue_of(database: str, places: int) -> Queue:
    return Queue(places)


def prepare(engine: Engine) -> None:
    """Create or upgrade the tables.

    Raises
    ------
    StoreError
        When the database cannot be opened, or was written by a newer Trema.
    """
    try:
        if engine.dialect.name == "sqlite":
            _use_wal(engine)
        with writing(engine) as connection:
            migrate(connection)
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise StoreError(f"the database {_shown(engine)} cannot be used: {error}") from error


def _use_wal(engine: Engine) -> None:
    end = time.monotonic() + WAIT
    while True:
        try:
            with closing(engine.raw_connection()) as connection:
                connection.cursor().execute("PRAGMA journal_mode = WAL")
            return
        except sqlite3.OperationalError as error:
            # SQLite does not wait here for another process that sets the mode
            if "locked" not in str(error) or time.monotonic() > end:
                raise
        except sqlite3.DatabaseError as error:
            raise StoreError(f"{engine.url.database} is no index of Trema: {error}") from error
        time.sleep(0.02)


def drop(url: str) -> None:
    """Remove the tables and all in them, whatever their version; a damaged SQLite file goes too.

    Raises
    ------
    StoreError
        When the database cannot be reached.
    """
    engine = open_engine(url)
    try:
        with writing(engine) as connection:
            lock(connection)
            metadata.drop_all(connection)
            connection.execute(text(f"DROP TABLE IF EXISTS {VERSION_TABLE}"))
    except (SQLAlchemyError, sqlite3.Error) as error:
        busy = isinstance(error, OperationalError | sqlite3.OperationalError)
        damaged = isinstance(error, DatabaseError | sqlite3.DatabaseError) and not busy
        if engine.dialect.name != "sqlite" or not damaged or not engine.url.database:
            raise StoreError(f"the database {_shown(engine)} cannot be emptied: {error}") from error
        engine.dispose()
        for suffix in ("", "-wal", "-shm"):
            Path(engine.url.database + suffix).unlink(missing_ok=True)
    finally:
        engine.dispose()


def _shown(engine: Engine) -> str:
    return engine.url.render_as_string(hide_password=True)
