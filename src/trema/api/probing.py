"""Whether a server answers: started, asked for its page and its state, and ended."""

from __future__ import annotations

import json
import socket
import threading
import time
import urllib.request

from trema.api.app import create_app
from trema.api.serve import make_server
from trema.api.settings import Settings

_PATIENCE = 30.0  # seconds until it answers


def trouble(settings: Settings, sock: socket.socket, base: str) -> str | None:
    """What is wrong with the page or the API, None when both answer; nothing listens afterwards."""
    ready = threading.Event()
    server = make_server(create_app(settings), ready.set)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [sock]}, daemon=True)
    thread.start()
    try:
        if not (ready.wait(_PATIENCE) and _lists_runs(base, settings.token or "")):
            return "the server does not answer"
        built = b"<html" in _get(f"{base}/", {}).lower()
        return None if built else "the page is not built: npm run build in web/ builds it"
    finally:
        server.should_exit = True
        thread.join(_PATIENCE)


def _lists_runs(base: str, token: str) -> bool:
    """Whether the API lists a run, once the index is there."""
    end = time.monotonic() + _PATIENCE
    head = {"Authorization": f"Bearer {token}"}
    while time.monotonic() < end:
        runs = json.loads(_get(f"{base}/api/runs", head) or b"{}")
        if runs.get("total"):
            return True
        time.sleep(0.2)
    return False


def _get(address: str, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(address, headers=headers)  # only addresses of this server
    # a proxy of the environment must not see the token
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=_PATIENCE) as answer:
            return bytes(answer.read())
    except OSError:
        return b""
