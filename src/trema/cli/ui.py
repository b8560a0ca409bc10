"""``trema ui``: the page of the runs in a folder, in the browser."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from trema.cli.folders import root_folder
from trema.core.errors import MissingExtra, UsageError
from trema.core.text import harmless

if TYPE_CHECKING:
    import socket

    from trema.api.settings import Settings

LOCAL = "127.0.0.1"
_WEB = re.compile(r"https?://", re.IGNORECASE)
_DATABASE = re.compile(r"(sqlite|postgres(ql)?)(\+\w+)?:", re.IGNORECASE)
_EXTRA = frozenset(
    {"fastapi", "starlette", "uvicorn", "pydantic", "sqlalchemy", "alembic", "psycopg"}
)


def run_ui(
    target: str | None,
    *,
    host: str,
    port: int | None,
    browser: bool,
    alerts: Path | None = None,
) -> None:
    """Serve the page of a folder or database until Ctrl-C, or open that of a server.

    Raises
    ------
    UsageError
        When there is no such folder, or the port is taken.
    MissingExtra
        When the packages of the extra ``server`` are not installed.
    """
    with extra_needed():
        if target is not None and _WEB.match(target):
            _open_server(target, browser=browser)
            return
        open_page(target, host=host, port=port, alerts=alerts).serve(browser=browser)


def _open_server(address: str, *, browser: bool) -> None:
    from trema.api.opening import has_display

    print(f"Trema at {harmless(address)}")
    if browser and has_display():
        import webbrowser

        webbrowser.open(address)


@dataclass(frozen=True)
class LocalPage:
    """The page of one folder or database, to be served by this process."""

    settings: Settings
    socket: socket.socket
    base: str

    @property
    def address(self) -> str:
        """Where the page is, with its token."""
        from trema.api.opening import fragment

        return f"{self.base}/{fragment(self.settings.token or '', self.settings.opens)}"

    def serve(self, *, browser: bool) -> None:
        """Print the address, open the browser and serve until Ctrl-C."""
        from trema.api import opening
        from trema.api.serve import serve

        def ready() -> None:
            shown = harmless(self.settings.root or "the database")
            print(f"Trema shows {shown} at\n  {self.address}\nCtrl-C ends it", flush=True)
            if browser and opening.has_display():
                opening.open_browser(f"{self.base}/open/{self.settings.ticket}")

        serve(self.settings, self.socket, ready)

    def trouble(self) -> str | None:
        """What is wrong with the page, None when it answers; nothing listens afterwards."""
        from trema.api.probing import trouble

        return trouble(self.settings, self.socket, self.base)


def open_page(
    target: str | None,
    *,
    host: str = LOCAL,
    port: int | None = None,
    run: str | None = None,
    alerts: Path | None = None,
) -> LocalPage:
    """The page of this folder or database; ``run`` is the run that it opens with.

    Raises
    ------
    UsageError
        When there is no such folder, the port is taken, or the alerts cannot be right.
    StoreError
        When the database cannot be used.
    """
    from trema.api import serve
    from trema.api.access import new_token
    from trema.api.alerts import load_rules
    from trema.api.settings import Settings
    from trema.store import open_store
    from trema.store.index import default_url

    root = None if target and _DATABASE.match(target) else folder_of(target)
    url = default_url(root) if root is not None else str(target)
    open_store(url).close()  # a database that cannot be used is told now, in one sentence
    if alerts is not None:
        load_rules(alerts)
    sock = serve.bind(host, port)
    bound: int = sock.getsockname()[1]
    base = serve.base_url(host, bound)
    settings = Settings(
        url=url, root=root, token=new_token(), opens=run, alerts=alerts, public=base
    )
    settings = serve.ticketed(serve.at_host(settings, host, bound, ()))
    if settings.any_address:
        print(WARNING.format(host=harmless(host)), file=sys.stderr)
    return LocalPage(settings, sock, base)


WARNING = (
    "trema: warning: other machines can reach {host}, and what travels, the token too, is not "
    "encrypted"
)


def folder_of(target: str | None) -> Path:
    """The folder that holds ``runs``: the one given, or ``.trema`` in it.

    Raises
    ------
    UsageError
        When there is no such folder.
    """
    if target is None:
        return root_folder(None)
    given = Path(target).absolute()
    if not given.is_dir():
        raise UsageError(
            f"expected a folder, a database or a server but got {target!r}: check the path"
        )
    return given if given.name == ".trema" or (given / "runs").is_dir() else given / ".trema"


@contextmanager
def extra_needed() -> Iterator[None]:
    """Where the packages of the extra ``server`` are imported.

    Raises
    ------
    MissingExtra
        When one of them is not installed.
    """
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in _EXTRA:
            raise MissingExtra("the web page", "server") from error
        raise
