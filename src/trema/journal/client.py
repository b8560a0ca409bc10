"""Requests to a team server: one kept connection, a token that goes to no other host.

Standard library only, because it runs inside somebody's training process. Redirects are not
followed and proxies are not used, so that the token reaches the server named and nobody else.
"""

from __future__ import annotations

import gzip
import http.client
import ipaddress
import json
import os
import re
import ssl
import time
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from trema.core.errors import UsageError
from trema.core.version import __version__

#: Bytes of an answer that are read; those of Trema are short.
_ANSWER_LIMIT = 2**20
_WAIT_LIMIT = 600.0  # seconds that a server may ask to wait
_TOKEN = re.compile(r"[\x21-\x7e]{1,4096}")
_GZIP_FROM = 512  # bytes; a shorter body gains nothing


class Unreachable(Exception):
    """No whole answer came; whether the request was carried out is not known."""


@dataclass(frozen=True)
class Server:
    """Where to send, and who is sending.

    path : what comes before ``/api``, without a slash at its end
    """

    secure: bool
    host: str
    port: int
    path: str = ""
    token: str | None = field(default=None, repr=False)

    @property
    def url(self) -> str:
        """The address without the token."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        usual = self.port == (443 if self.secure else 80)
        place = host if usual else f"{host}:{self.port}"
        return f"{'https' if self.secure else 'http'}://{place}{self.path}"

    @property
    def exposed(self) -> bool:
        """Whether what is sent crosses a network unencrypted."""
        if self.secure or self.host == "localhost":
            return False
        try:
            return not ipaddress.ip_address(self.host).is_loopback
        except ValueError:
            return True


def parse_server(url: str, token: str | None = None) -> Server:
    """The server of an address such as ``https://host:port/path``.

    Raises
    ------
    UsageError
        When it is no such address, or carries a name and password.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
        host = (parts.hostname or "").encode("idna").decode("ascii") if parts.hostname else ""
    except (ValueError, UnicodeError):
        parts, port, host = urlsplit(""), None, ""
    if "@" in parts.netloc:
        raise UsageError(
            "expected a server's address without a name and password: "
            "give the token in TREMA_TOKEN or by --token-file"
        )
    path = parts.path.rstrip("/")
    if parts.scheme not in ("http", "https") or not host or parts.query or parts.fragment:
        raise UsageError(f"expected a server such as https://host:port but got {url!r}")
    if re.search(r"[^\x21-\x7e]", host + path):
        raise UsageError(f"expected a server such as https://host:port but got {url!r}")
    secure = parts.scheme == "https"
    return Server(secure, host, port or (443 if secure else 80), path, token)


def read_token(file: Path | None = None) -> str | None:
    """The token in this file, or else in ``TREMA_TOKEN``; None when there is none.

    Raises
    ------
    UsageError
        When the file cannot be read or holds no token.
    """
    text, place = os.environ.get("TREMA_TOKEN", ""), "TREMA_TOKEN"
    if file is not None:
        place = str(file)
        try:
            with file.open(encoding="utf-8") as opened:
                text = opened.read(8192)
        except (OSError, UnicodeError) as error:
            reason = getattr(error, "strerror", None) or "it is no text"
            raise UsageError(f"the token file {file} cannot be read ({reason})") from None
    token = text.strip()
    if not token and file is None:
        return None
    if not _TOKEN.fullmatch(token):
        raise UsageError(f"expected a token of visible ASCII characters in {place}")
    return token


@dataclass(frozen=True)
class Answer:
    """What the server said.

    data : the JSON object of the body, empty when it is none
    retry_after : seconds that it asks to wait
    """

    status: int
    data: dict[str, Any]
    retry_after: float | None = None

    @property
    def good(self) -> bool:
        """Whether the request was carried out."""
        return 200 <= self.status < 300

    @property
    def error(self) -> str:
        """The server's sentence, or its status; never longer than a line or two."""
        said = self.data.get("error")
        return said[:300] if isinstance(said, str) and said else f"it answers {self.status}"


class Client:
    """One connection to a server, opened when it is needed and kept; for one thread at a time.

    timeout : seconds for each wait on the network
    """

    def __init__(self, server: Server, *, timeout: float = 20.0) -> None:
        self.server = server
        self.timeout = timeout
        self._connection: http.client.HTTPConnection | None = None
        self._context: ssl.SSLContext | None = None

    def request(
        self,
        method: str,
        words: tuple[str | int, ...],
        *,
        query: dict[str, Any] | None = None,
        json_body: dict[str, Any] | None = None,
        body: bytes | None = None,
    ) -> Answer:
        """The answer to ``/api/word/word?query``; a body is compressed on the way.

        Raises
        ------
        Unreachable
            When no whole answer came.
        """
        path = "/".join(quote(str(word), safe="") for word in ("api", *words))
        target = f"{self.server.path}/{path}" + (f"?{urlencode(query)}" if query else "")
        headers = {"Accept": "application/json", "User-Agent": f"trema/{__version__}"}
        if self.server.token is not None:
            headers["Authorization"] = f"Bearer {self.server.token}"
        if json_body is not None:
            body = json.dumps(json_body, allow_nan=False).encode("ascii")
            headers["Content-Type"] = "application/json"
        elif body is not None:
            headers["Content-Type"] = "application/x-ndjson"
        if body is not None and len(body) >= _GZIP_FROM:
            body = gzip.compress(body, compresslevel=4, mtime=0)
            headers["Content-Encoding"] = "gzip"
        kept = self._connection is not None
        try:
            try:
                return self._exchange(method, target, body, headers)
            except (ConnectionError, http.client.RemoteDisconnected):
                if not kept:
                    raise
                self.close()  # the server gave up an idle connection: every request may be repeated
                return self._exchange(method, target, body, headers)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self.close()
            raise Unreachable(_reason(error)) from error

    def _exchange(
        self, method: str, target: str, body: bytes | None, headers: dict[str, str]
    ) -> Answer:
        connection = self._connected()
        try:
            connection.request(method, target, body=body, headers=headers)
        except ConnectionError:
            if connection.sock is None:  # it never connected
                raise
            # a server may refuse a body before it has read all of it: look for its answer
        with connection.getresponse() as response:
            text = response.read(_ANSWER_LIMIT + 1)
            if len(text) > _ANSWER_LIMIT:
                raise ValueError("its answer is too long")
            if response.length:  # fewer bytes than it announced
                raise http.client.IncompleteRead(text, response.length)
            if response.will_close:
                self.close()
            status, after = response.status, _seconds(response.getheader("Retry-After"))
        if 300 <= status < 400:
            raise ValueError(f"it answers {status} and redirects, which is not followed")
        return Answer(status, _object(text), after)

    def _connected(self) -> http.client.HTTPConnection:
        if self._connection is None:
            place = (self.server.host, self.server.port)
            if self.server.secure:
                self._context = self._context or ssl.create_default_context()
                self._connection = http.client.HTTPSConnection(
                    *place, timeout=self.timeout, context=self._context
                )
            else:
                self._connection = http.client.HTTPConnection(*place, timeout=self.timeout)
        return self._connection

    def close(self) -> None:
        """Close the connection; the next request opens one."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}


def _seconds(header: str | None) -> float | None:
    """Seconds of a Retry-After: a number, or a date."""
    if header is None:
        return None
    try:
        seconds = float(header)
    except ValueError:
        try:
            seconds = parsedate_to_datetime(header).timestamp() - time.time()
        except (ValueError, TypeError, OverflowError):
            return None
    return min(max(seconds, 0.0), _WAIT_LIMIT) if seconds == seconds else None


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    if isinstance(error, TimeoutError):
        return "it does not answer in time"
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    if isinstance(error, http.client.HTTPException):
        return f"the connection broke off ({type(error).__name__})"
    return str(error) or type(error).__name__
