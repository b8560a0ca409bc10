"""The address that a browser is started with.

Other users of the machine can read the arguments of every process, so the browser is not given the
token but a ticket: it leads to the address with the token, once, and on Linux only the same user.
"""

from __future__ import annotations

import hmac
import os
import sys
import threading
import webbrowser
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from trema.api.peers import is_stranger

OPEN = "/open/{ticket}"


class Ticket:
    """The endpoint that leads to the page with its token, once.

    target : the fragment of the address, with the token
    """

    def __init__(self, ticket: str, target: str) -> None:
        self._ticket, self._target = ticket, target
        self._lock = threading.Lock()
        self._used = False

    def redirect(self, request: Request) -> Response:
        """To the page; with the token for the first who brings the ticket."""
        given = str(request.path_params["ticket"]).encode("utf-8", "replace")
        with self._lock:
            good = (
                hmac.compare_digest(given, self._ticket.encode())
                and not self._used
                and not _from_stranger(request)
            )
            self._used = self._used or good
        place = f"../{self._target}" if good else "../"
        return RedirectResponse(place, 303, {"Cache-Control": "no-store"})


def _from_stranger(request: Request) -> bool:
    """Whether it comes from another user, who was faster than the browser."""
    server = request.scope.get("server")
    if request.client is None or server is None or server[1] is None:
        return False
    return is_stranger(request.client.port, server[1])


def fragment(token: str, run: str | None = None) -> str:
    """The part of the page's address that a browser keeps to itself: which page, and the token."""
    place = f"run/{quote(run, safe='')}" if run else ""
    return f"#/{place}?token={token}"


def has_display() -> bool:
    """Whether a browser with windows can be started."""
    if sys.platform in ("win32", "darwin") or os.environ.get("BROWSER"):
        return True
    return bool(os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY"))


def open_browser(address: str) -> None:
    """Start the browser, without waiting for it."""
    threading.Thread(target=_open, args=(address,), name="trema-browser", daemon=True).start()


def _open(address: str) -> None:
    try:
        webbrowser.open(address)
    except (OSError, webbrowser.Error):
        pass  # the address stands in the terminal
