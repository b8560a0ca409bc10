"""``trema mcp``: the runs for a coding assistant, over the Model Context Protocol."""

from __future__ import annotations

from pathlib import Path

from trema.cli.folders import root_folder
from trema.core.errors import MissingExtra, UsageError

_EXTRA = frozenset({"mcp", "mcp_types", "pydantic", "sqlalchemy", "alembic", "psycopg"})


def run_mcp(dir: Path | None, database: str | None) -> None:
    """Serve the runs of a folder or database over standard input and output.

    Raises
    ------
    UsageError
        When both are given.
    MissingExtra
        When the packages of the extra ``mcp`` are not installed.
    StoreError
        When the database cannot be used.
    """
    if dir is not None and database is not None:
        raise UsageError("expected --dir or --database but got both: leave one out")
    try:
        from trema.api import mcp
        from trema.api.queries import Queries
        from trema.store import open_store
        from trema.store.following import Follower
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _EXTRA:
            raise MissingExtra("trema mcp", "mcp") from error
        raise
    if database is not None:
        store = open_store(database)
        try:
            mcp.serve(Queries(store, mode="server", writable=False), lambda: None)
        finally:
            store.close()
        return
    root = root_folder(dir)
    follower = Follower(root)
    try:
        queries = Queries(follower.store, root=root, writable=False)
        mcp.serve(queries, mcp.Refresh(follower.step))
    finally:
        follower.close()
