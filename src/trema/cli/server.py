"""``trema server``: the page and the API of a team, over one database; and its tokens."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from trema.cli.ui import WARNING, extra_needed
from trema.core.errors import UsageError
from trema.core.text import harmless

if TYPE_CHECKING:
    from trema.store.sql import SqlStore

VARIABLE = "TREMA_DATABASE"  # keeps a password out of the list of processes


def run_server(
    database: str | None,
    *,
    host: str,
    port: int | None,
    workers: int,
    hosts: Sequence[str],
    rate: float,
    alerts: Path | None = None,
    public: str | None = None,
) -> None:
    """Serve the runs in a database until Ctrl-C; the first start makes a token.

    Raises
    ------
    UsageError
        Without a database, when the port is taken, or when the alerts cannot be right.
    StoreError
        When the database cannot be used.
    """
    with opened(database) as store:
        first = not store.tokens()
        token = _first_token(store) if first else None
    with extra_needed():
        from trema.api import serve
        from trema.api.alerts import load_rules
        from trema.api.settings import Limits, Settings

        if alerts is not None:
            load_rules(alerts)
        sock = serve.bind(host, serve.PORT if port is None else port)
        limits = Limits(rate=rate, burst=max(1, round(2 * rate)))
        # a proxy in front listens at another port, so the port of a request says nothing
        bound: int = sock.getsockname()[1]
        base = serve.base_url(host, bound)
        settings = Settings(
            url=str(database), mode="server", limits=limits, alerts=alerts, public=public or base
        )
        settings = serve.at_host(settings, host, None, hosts)
        if settings.any_address:
            warning = WARNING.format(host=harmless(host))
            print(f"{warning}: put a proxy with TLS before it", file=sys.stderr)
        print(f"Trema serves from {_plural(workers, 'process', 'processes')} at {base}")
        if token is not None:
            print(
                f"the first token, printed only now: {token}\n"
                f"it may write; open {base}/#/?token={token}\n"
                "trema server token create makes others, trema server token revoke ends one"
            )
        sys.stdout.flush()
        if workers == 1:
            serve.serve(settings, sock)
        else:
            sock.close()  # it was free; the processes share one of their own
            serve.serve_many(settings, host, bound, workers)


def _first_token(store: SqlStore) -> str:
    from trema.api.access import create_token

    return create_token(store, "first", scope="write")[1]


def new_token(database: str | None, name: str, *, write: bool) -> None:
    """Make a token and print it, once."""
    with opened(database) as store:
        from trema.api.access import create_token

        token, text = create_token(store, name, scope="write" if write else "read")
    may = "read and write" if write else "read"
    print(f"token {token.id} of {harmless(token.name)} may {may}; it is printed only now:")
    print(text)


def list_tokens(database: str | None) -> None:
    """Print the tokens, without their secrets."""
    with opened(database) as store:
        tokens = store.tokens()
    if not tokens:
        print("no tokens: make one with trema server token create --name NAME")
    for token in tokens:
        state = "" if token.revoked is None else f"  revoked {_day(token.revoked)}"
        print(f"{token.id}  {token.scope:5}  {_day(token.created)}  {harmless(token.name)}{state}")


def revoke_token(database: str | None, id: str) -> None:
    """End a token.

    Raises
    ------
    UsageError
        When there is no such token in force.
    """
    with opened(database) as store:
        if not store.revoke_token(id):
            raise UsageError(
                f"there is no token {id!r} in force: trema server token list shows them"
            )
    print(f"token {harmless(id)} is refused from now on")


@contextmanager
def opened(database: str | None) -> Iterator[SqlStore]:
    """The store of this database.

    Raises
    ------
    UsageError
        Without one.
    """
    if not database:
        raise UsageError(
            "expected a database but got none: give --database "
            f"postgresql+psycopg://user@host/name, or the variable {VARIABLE}"
        )
    with extra_needed():
        from trema.store import open_store

        store = open_store(database)
    try:
        yield store
    finally:
        store.close()


def _day(seconds: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(seconds))


def _plural(count: int, one: str, many: str) -> str:
    return f"{count} {one if count == 1 else many}"
