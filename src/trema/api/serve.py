"""Serving: the port, uvicorn, the address that is opened, and several processes for a team."""

from __future__ import annotations

import json
import logging
import os
import secrets
import socket
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import uvicorn
from fastapi import FastAPI

from trema.api.app import create_app
from trema.api.prompt import PromptProtocol
from trema.api.settings import LOOPBACK, Limits, Settings
from trema.core.errors import UsageError

PORT = 6120
_NEXT = 50  # ports that are tried after the first
_GRACE = 2  # seconds for open answers when the server ends
_HANDED = "TREMA_SERVE"  # environment variable that hands the settings to other processes
_FACTORY = "trema.api.serve:from_environment"


def bind(host: str, port: int | None) -> socket.socket:
    """A socket that listens: at this port, or without one at the first free from 6120 on.

    Raises
    ------
    UsageError
        When the port is taken or the host is none of this machine.
    """
    wanted = [port] if port is not None else [*range(PORT, PORT + _NEXT), 0]
    try:
        family = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)[0][0]
    except OSError:
        raise UsageError(f"expected a host of this machine but got {host!r}: check it") from None
    reason = ""
    for candidate in wanted:
        sock = socket.socket(family, socket.SOCK_STREAM)
        if os.name == "posix":  # elsewhere it would share a port that is taken
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind((host, candidate))
            sock.listen(128)  # now, or another process could still take it
        except OSError as error:
            sock.close()
            reason = (error.strerror or type(error).__name__).lower()
            continue
        return sock
    raise UsageError(
        f"cannot listen at {host} port {port} ({reason}): choose another with --host and --port"
    )


def base_url(host: str, port: int) -> str:
    """How a browser on this machine reaches a server that listens there."""
    name = {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, host)
    return f"http://{f'[{name}]' if ':' in name and name[0] != '[' else name}:{port}"


def at_host(settings: Settings, host: str, port: int | None, allowed: Sequence[str]) -> Settings:
    """The settings for a server that listens there."""
    local = host in LOOPBACK
    names = [] if local else [host, socket.gethostname()]
    hosts = tuple(name.strip("[]").lower() for name in (*names, *allowed))
    return replace(settings, hosts=hosts, port=port, any_address=not local)


def ticketed(settings: Settings) -> Settings:
    """The settings with a ticket that opens the page once."""
    return replace(settings, ticket=secrets.token_urlsafe(16))


class _Server(uvicorn.Server):
    """uvicorn, telling when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self._ready is not None and not self.should_exit:
            self._ready()


def make_server(
    app: FastAPI, ready: Callable[[], None] | None = None, *, proxy: bool = False
) -> uvicorn.Server:
    """A server for the application; ``ready`` is called when it answers."""
    return _Server(uvicorn.Config(app, **_options(proxy=proxy)), ready)


def _options(*, proxy: bool) -> dict[str, Any]:
    return {
        "http": PromptProtocol,
        "lifespan": "on",
        "ws": "none",
        "access_log": False,
        "log_config": None,
        "log_level": "warning",
        "server_header": False,
        "proxy_headers": proxy,  # which proxies are trusted: the variable FORWARDED_ALLOW_IPS
        "timeout_graceful_shutdown": _GRACE,
    }


def serve(settings: Settings, sock: socket.socket, ready: Callable[[], None] | None = None) -> None:
    """Serve until somebody ends it."""
    log_plainly()
    proxy = settings.mode == "server"
    server = make_server(create_app(settings), ready, proxy=proxy)
    try:
        server.run(sockets=[sock])
    except KeyboardInterrupt:
        pass  # the way to end it


def serve_many(settings: Settings, host: str, port: int, workers: int) -> None:
    """Serve from several processes that share one port, until somebody ends it."""
    log_plainly()
    limits = settings.limits
    os.environ[_HANDED] = json.dumps(
        {
            "url": settings.url,
            "hosts": settings.hosts,
            "port": settings.port,
            "any_address": settings.any_address,
            "alerts": str(settings.alerts) if settings.alerts else None,
            "public": settings.public,
            "rate": limits.rate,
            "burst": limits.burst,
        }
    )
    options = _options(proxy=True)
    uvicorn.run(_FACTORY, factory=True, host=host, port=port, workers=workers, **options)


def from_environment() -> FastAPI:
    """The application of one process among several."""
    log_plainly()
    given = json.loads(os.environ[_HANDED])
    limits = Limits(rate=given.pop("rate"), burst=given.pop("burst"))
    given["hosts"] = tuple(given["hosts"])
    given["alerts"] = Path(given["alerts"]) if given["alerts"] else None
    return create_app(Settings(mode="server", limits=limits, **given))


def log_plainly() -> None:
    """Warnings and errors go to stderr, a line each."""
    logging.basicConfig(format="trema: %(levelname)s: %(message)s", level=logging.WARNING)
