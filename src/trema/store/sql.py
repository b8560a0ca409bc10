"""The store on SQLite or PostgreSQL, by SQLAlchemy Core; each part stands in its own module."""

from __future__ import annotations

from trema.store.curves import Curves
from trema.store.ingesting import Ingesting
from trema.store.people import People
from trema.store.reading import Reading


class SqlStore(Ingesting, Reading, Curves, People):
    """A :class:`~trema.store.base.Store` in a database; opening it brings the tables up to date.

    Parameters
    ----------
    url : ``sqlite:///file`` or ``postgresql+psycopg://user@host/database``

    Raises
    ------
    StoreError
        When the database cannot be opened, or was written by a newer Trema.
    UsageError
        When the URL names another kind of database.
    """
