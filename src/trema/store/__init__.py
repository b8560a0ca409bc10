"""The index over journals: many runs, quick to query, rebuilt from journals at any time.

Needs the extra ``server``; importing this package alone loads neither SQLAlchemy nor Alembic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from trema.core.errors import MissingExtra

if TYPE_CHECKING:
    from trema.store.sql import SqlStore

_EXTRA = frozenset({"sqlalchemy", "alembic", "psycopg"})


def open_store(url: str) -> SqlStore:
    """The store at this URL, with its tables in place.

    Parameters
    ----------
    url : ``sqlite:///file`` or ``postgresql+psycopg://user@host/database``

    Raises
    ------
    MissingExtra
        When SQLAlchemy, Alembic or the driver is not installed.
    StoreError
        When the database cannot be opened, or was written by a newer Trema.
    """
    try:
        from trema.store.sql import SqlStore

        return SqlStore(url)
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _EXTRA:
            raise MissingExtra("the store", "server") from error
        raise
