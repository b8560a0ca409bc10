"""Servers for tests: a real uvicorn on a free port, in a thread of the test."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import httpx

from trema.api.app import create_app
from trema.api.running import Running
from trema.api.serve import at_host, base_url, bind, make_server
from trema.api.settings import Limits, Settings

TOKEN = "a-token-of-the-test"


@dataclass
class Served:
    """A server that answers."""

    base: str
    settings: Settings
    running: Running

    @property
    def port(self) -> int:
        return int(self.base.rpartition(":")[2])

    def client(self, token: str | None = TOKEN, **headers: str) -> httpx.Client:
        if token is not None:
            headers["Authorization"] = f"Bearer {token}"
        return httpx.Client(base_url=self.base, headers=headers, timeout=20, trust_env=False)


@contextmanager
def served(settings: Settings) -> Iterator[Served]:
    """Serve in a thread; ended at the end."""
    sock = bind("127.0.0.1", 0)
    port = sock.getsockname()[1]
    settings = at_host(settings, "127.0.0.1", port, settings.hosts)
    ready = threading.Event()
    app = create_app(settings)
    server = make_server(app, ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]})
    thread.start()
    try:
        assert ready.wait(20)
        yield Served(base_url("127.0.0.1", port), settings, app.state.running)
    finally:
        if hasattr(app.state, "running"):
            app.state.running.feed.close()  # the signal does this outside of threads
        server.should_exit = True
        thread.join(20)
    assert not thread.is_alive()


def local(folder: Path, **limits: float) -> Settings:
    """The settings of ``trema ui`` for a folder."""
    url = f"sqlite:///{folder / 'index.db'}"
    settings = Settings(url=url, root=folder / ".trema", token=TOKEN)
    return replace(settings, limits=Limits(**limits)) if limits else settings  # type: ignore[arg-type]  # numbers


def team(folder: Path, **limits: float) -> Settings:
    """The settings of ``trema server`` over SQLite."""
    return replace(local(folder, **limits), root=None, token=None, mode="server")
