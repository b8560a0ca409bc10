"""The gate before all routes: host, origin, token, limits.

A page of another site that a person has open can send requests to a server on this machine, and by
a name that it points here (DNS rebinding) read the answers. So a request must name a host that
is served, must not come from another origin, and must carry a token that only the address which
was opened holds; no header lets another origin read.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from typing import TYPE_CHECKING

from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Receive, Scope, Send

from trema.api.access import CALLER as CALLER
from trema.api.access import Caller, bearer
from trema.api.answers import is_api, path_of
from trema.api.limits import Rate, body_limit, bounded, too_many
from trema.api.settings import LOOPBACK, Settings
from trema.core.text import harmless

if TYPE_CHECKING:
    from trema.api.access import Access

_READS = ("GET", "HEAD", "OPTIONS")
_OPEN = "/api/openapi.json"  # holds nothing of any run
_HOST = re.compile(r"(\[[0-9a-f:.]+\]|[^\[\]:/@\s]+)(?::(\d{1,5}))?", re.IGNORECASE)


class Guard:
    """Middleware that lets through what may pass.

    access : what knows the tokens, asked for once the application has started
    """

    def __init__(self, app: ASGIApp, settings: Settings, access: Callable[[], Access]) -> None:
        limits = settings.limits
        self._app, self._settings, self._access = app, settings, access
        self._rate = Rate(limits.rate, limits.burst)
        self._refused = Rate(limits.refused, limits.refused)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Check a request and pass it on, or refuse it."""
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return  # no web sockets here
        path, headers = path_of(scope), Headers(scope=scope)
        self._check_host(headers)
        if is_api(path):
            _check_origin(scope, headers)
            if path != _OPEN:
                scope[CALLER] = await self._check_caller(scope, headers)
            receive = bounded(scope, receive, body_limit(path, self._settings.limits))
        await self._app(scope, receive, send)

    def _check_host(self, headers: Headers) -> None:
        given = headers.getlist("host")
        found = _HOST.fullmatch(given[0]) if len(given) == 1 else None
        if found is None or not self._serves(found[1].strip("[]").lower(), found[2]):
            came = harmless(given[0] if given else "none", 100)
            raise HTTPException(
                421,
                f"expected the host of this server but got {came}: open the address that Trema "
                "printed, or name the host with --allow-host",
            )

    def _serves(self, name: str, port: str | None) -> bool:
        settings = self._settings
        if port is not None and settings.port is not None and int(port) != settings.port:
            return False
        if name in LOOPBACK or name in settings.hosts:
            return True
        # an address of its own that the browser shows cannot be a name pointed here by others
        return settings.any_address and _is_address(name)

    async def _check_caller(self, scope: Scope, headers: Headers) -> Caller:
        address = scope["client"][0] if scope.get("client") else ""
        token = bearer(headers.get("authorization", "").encode("latin-1"))
        caller = None
        if token is not None:
            access = self._access()
            caller = access.known(token)
        if token is not None and caller is None:
            if self._refused.empty(address) and not access.remembers(token):
                raise too_many("too many wrong tokens came from this address: wait", 1)
            caller = await run_in_threadpool(access.caller, token)
        if caller is None:
            if wait := self._refused.take(address):
                raise too_many("too many wrong tokens came from this address: wait", wait)
            what = "no token" if token is None else "one that is not known"
            raise HTTPException(
                401,
                f"expected a token but got {what}: open the address that Trema printed",
                {"WWW-Authenticate": "Bearer"},
            )
        if wait := self._rate.take(caller.key):
            raise too_many("too many requests came from this client: wait", wait)
        if caller.scope != "write" and scope["method"] not in _READS:
            raise HTTPException(
                403, "expected a token that may write but got one that may only read"
            )
        return caller


def _check_origin(scope: Scope, headers: Headers) -> None:
    site = headers.get("sec-fetch-site", "same-origin")
    if site not in ("same-origin", "none"):
        raise HTTPException(403, "expected a request of Trema's own page but got one of another")
    origin = headers.get("origin")
    own = f"{scope['scheme']}://{headers['host']}"
    if origin is not None and origin.lower() != own.lower():
        raise HTTPException(
            403, f"expected a request from {own} but got one from {harmless(origin, 100)}"
        )


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True
