"""A team server in a thread of the test, and a proxy before it that breaks requests on demand."""

from __future__ import annotations

import contextlib
import random
import re
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import uvicorn

from trema.api.access import create_token
from trema.api.app import create_app
from trema.api.settings import Limits, Settings
from trema.journal.client import Client, parse_server
from trema.store import open_store
from trema.store.sql import SqlStore


class Team:
    """A running team server; it can be ended and started again at the same address."""

    def __init__(self, database: str) -> None:
        self.store: SqlStore = open_store(database)
        self.token = create_token(self.store, "tests", scope="write")[1]
        self._database = database
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._socket.listen(64)
        self.port: int = self._socket.getsockname()[1]
        self._server: uvicorn.Server | None = None
        self._clients: list[Client] = []
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def client(self, port: int | None = None, *, timeout: float = 30.0) -> Client:
        """A client of this server, or of a proxy before it."""
        server = parse_server(f"http://127.0.0.1:{port or self.port}", self.token)
        self._clients.append(Client(server, timeout=timeout))
        return self._clients[-1]

    def start(self) -> None:
        limits = Limits(rate=1e6, burst=10**6)
        app = create_app(Settings(url=self._database, mode="server", limits=limits))
        self._server = uvicorn.Server(
            uvicorn.Config(app, lifespan="on", log_config=None, timeout_graceful_shutdown=1)
        )
        sockets = [self._socket.dup()]
        self._thread = threading.Thread(
            target=self._server.run, kwargs={"sockets": sockets}, daemon=True
        )
        self._thread.start()
        while not self._server.started:
            assert self._thread.is_alive()
            time.sleep(0.01)

    def stop(self) -> None:
        if self._server is not None:
            self._server.should_exit = True
            self._thread.join(20)
            self._server = None

    def close(self) -> None:
        for client in self._clients:
            client.close()
        self.stop()
        self._socket.close()
        self.store.close()


@dataclass(frozen=True)
class Fault:
    """What becomes of one request.

    kind : pass, delay, cut-body, cut-answer, lost (carried out, no answer), refuse (status)
    """

    kind: str = "pass"
    amount: float = 0.0  # share of the bytes that get through, or seconds
    status: int = 0
    headers: str = ""


PASS = Fault()


def drawn(seed: int, share: float = 0.5) -> Callable[[str, int], Fault]:
    """Faults by chance, the same ones for the same seed."""
    dice = random.Random(seed)

    def next_fault(line: str, length: int) -> Fault:
        if dice.random() > share:
            return PASS
        kind = dice.choice(["delay", "cut-body", "cut-answer", "lost", "refuse", "refuse"])
        if kind == "refuse":
            status = dice.choice([500, 502, 503, 429, 413])
            if status == 413 and not line.startswith("POST"):  # what else is sent is small
                status = 500
            after = "Retry-After: 0\r\n" if status in (429, 503) else ""
            return Fault(kind, status=status, headers=after)
        return Fault(kind, amount=0.02 if kind == "delay" else dice.random())

    return next_fault


class Proxy:
    """Forwards requests, each of which may meet a fault."""

    def __init__(self, to: int, faults: Callable[[str, int], Fault]) -> None:
        self.met: Counter[str] = Counter()
        self._to, self._faults = to, faults
        self._listening = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.port: int = self._listening.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listening.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError, EOFError):
            while True:
                line, head, body = _message(sock)
                fault = self._faults(line, len(body))
                self.met[fault.kind] += 1
                if not self._meet(fault, sock, head, body):
                    return

    def _meet(self, fault: Fault, sock: socket.socket, head: bytes, body: bytes) -> bool:
        """Whether the connection is kept."""
        if fault.kind == "refuse":
            text = b'{"error": "refused by the proxy"}'
            sock.sendall(
                f"HTTP/1.1 {fault.status} Refused\r\n{fault.headers}"
                f"Content-Length: {len(text)}\r\n\r\n".encode()
                + text
            )
            return True
        if fault.kind == "delay":
            time.sleep(fault.amount)
        with socket.create_connection(("127.0.0.1", self._to), timeout=30) as server:
            if fault.kind == "cut-body":
                server.sendall(head + body[: int(fault.amount * len(body))])
                return False
            server.sendall(head + body)
            _, answer, rest = _message(server)
        answer += rest
        if fault.kind == "lost":
            return False
        if fault.kind == "cut-answer":
            sock.sendall(answer[: int(fault.amount * len(answer))])
            return False
        sock.sendall(answer)
        return b"connection: close" not in answer.lower()


def _message(sock: socket.socket) -> tuple[str, bytes, bytes]:
    """First line, head and body of what comes."""
    data = b""
    while b"\r\n\r\n" not in data:
        data += _some(sock)
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        body += _some(sock)
    return head.split(b"\r\n")[0].decode(), head + b"\r\n\r\n", body


def _some(sock: socket.socket) -> bytes:
    data = sock.recv(65536)
    if not data:
        raise EOFError
    return data


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """The port of a server that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield listening.getsockname()[1]


@contextlib.contextmanager
def answering(answer: bytes, certificate: Path | None = None) -> Iterator[int]:
    """The port of a server that gives this answer to everything and closes."""
    context = None
    if certificate is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve(plain: socket.socket) -> None:
            sock = context.wrap_socket(plain, server_side=True) if context else plain
            with sock, contextlib.suppress(OSError, EOFError):
                _message(sock)  # whole: what is not read costs the client the answer
                sock.sendall(answer)

        def run() -> None:
            while True:
                try:
                    sock, _ = listening.accept()
                except OSError:
                    return
                with sock, contextlib.suppress(OSError):
                    serve(sock)

        threading.Thread(target=run, daemon=True).start()
        yield listening.getsockname()[1]
        with contextlib.suppress(OSError):
            listening.shutdown(socket.SHUT_RDWR)
