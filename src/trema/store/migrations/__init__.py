"""Bringing a database to the newest tables.

Many processes may open a fresh database at once: one migrates, the others wait. Everything is
one transaction, so a killed migration leaves nothing behind.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.util.exc import CommandError
from sqlalchemy import Connection, text

from trema.store.base import StoreError

#: An arbitrary number that names our lock among all advisory locks of a PostgreSQL database.
_LOCK = 7_236_341_590_112_348


def migrate(connection: Connection) -> None:
    """Create or upgrade the tables inside the transaction that has begun.

    On SQLite the transaction must hold the write lock (``BEGIN IMMEDIATE``).

    Raises
    ------
    StoreError
        When a newer Trema wrote the database.
    """
    lock(connection)
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise StoreError(
            f"expected tables that this Trema knows but got newer ones ({error}): "
            "upgrade Trema, or rebuild the index from the journals"
        ) from error


def lock(connection: Connection) -> None:
    """Keep other migrations out until the transaction ends."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
