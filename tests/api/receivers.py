"""Receivers of alerts: an HTTP server, an SMTP server and a program, as small as they can be."""

import socketserver
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Hook:
    """An HTTP server that keeps what was posted; ``answers`` are given in turn, then 200."""

    def __init__(self) -> None:
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.answers: list[tuple[int, dict[str, str]]] = []
        self.wait: threading.Event | None = None
        hook = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"]))
                hook.got.append((self.path, dict(self.headers.items()), body))
                if hook.wait is not None:
                    hook.wait.wait(10)
                code, headers = hook.answers.pop(0) if hook.answers else (200, {})
                self.send_response(code)
                for name, value in headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def url(self, path: str = "/hook", host: str = "127.0.0.1") -> str:
        """Its address."""
        return f"http://{host}:{self.port}{path}"

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


class Post:
    """An SMTP server that keeps what was sent."""

    def __init__(self, refuse: bytes | None = None) -> None:
        self.mails: list[tuple[list[str], str]] = []
        post = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                to: list[str] = []
                self.wfile.write(b"220 test\r\n")
                while line := self.rfile.readline():
                    word = line[:4].upper()
                    if word == b"RCPT":
                        to.append(line.decode().strip())
                        self.wfile.write(b"%s\r\n" % (refuse or b"250 ok"))
                    elif word == b"DATA":
                        self.wfile.write(b"354 go on\r\n")
                        text = b""
                        while (part := self.rfile.readline()) != b".\r\n":
                            text += part
                        post.mails.append((to, text.decode()))
                        self.wfile.write(b"250 ok\r\n")
                    elif word == b"QUIT":
                        self.wfile.write(b"221 bye\r\n")
                        return
                    else:
                        self.wfile.write(b"250 ok\r\n")

        class Server(socketserver.ThreadingTCPServer):
            allow_reuse_address = True
            daemon_threads = True

        self._server = Server(("127.0.0.1", 0), Handler)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def close(self) -> None:
        """End it."""
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def open_hook() -> Iterator[Hook]:
    """A running HTTP server."""
    hook = Hook()
    try:
        yield hook
    finally:
        hook.close()


@contextmanager
def open_post(refuse: bytes | None = None) -> Iterator[Post]:
    """A running SMTP server."""
    post = Post(refuse)
    try:
        yield post
    finally:
        post.close()


def wait_for(true: Callable[[], object], seconds: float = 10.0) -> None:
    """Wait until it holds.

    Raises
    ------
    AssertionError
        When it does not within so many seconds.
    """
    import time

    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError("it did not happen in time")
        time.sleep(0.01)
