"""Bounds on what one client may take: requests a second, bytes of a body, open streams."""

from __future__ import annotations

import math
import re
import time
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

from trema.api.settings import Limits

_CLIENTS = 10_000  # whose buckets are kept; those longest silent are forgotten
_JOURNAL = re.compile(r"/api/runs/[^/]+/journals/[^/]+")
_SOURCES = re.compile(r"/api/runs/[^/]+/sources")
#: A source file of a million characters, each escaped as six bytes of JSON.
_SOURCE_BYTES = 6 * 2**20 + 4096


class Rate:
    """A bucket of allowances a client, refilled steadily."""

    def __init__(
        self, rate: float, burst: float, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._rate, self._burst, self._clock = rate, burst, clock
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def take(self, client: str) -> float:
        """0 when one more is allowed, else the seconds until it is."""
        left, now = self._left(client)
        wait = 0.0 if left >= 1 else (1 - left) / self._rate
        self._buckets[client] = (left - 1 if not wait else left), now
        self._buckets.move_to_end(client)
        if len(self._buckets) > _CLIENTS:
            self._buckets.popitem(last=False)
        return wait

    def empty(self, client: str) -> bool:
        """Whether nothing is left."""
        return self._left(client)[0] < 1

    def _left(self, client: str) -> tuple[float, float]:
        now = self._clock()
        left, since = self._buckets.get(client, (self._burst, now))
        return min(self._burst, left + (now - since) * self._rate), now


class Places:
    """How many things may be open at once, in all and of one client."""

    def __init__(self, total: int, each: int) -> None:
        self._total, self._each = total, each
        self._open: Counter[str] = Counter()

    @contextmanager
    def take(self, client: str) -> Iterator[None]:
        """Hold a place.

        Raises
        ------
        HTTPException
            429 when none is free.
        """
        if self._open[client] >= self._each or self._open.total() >= self._total:
            whose = "of yours " if self._open[client] >= self._each else ""
            raise too_many(f"too many streams {whose}are open: close one, or ask /api/changes", 5)
        self._open[client] += 1
        try:
            yield
        finally:
            self._open[client] -= 1
            self._open += Counter()  # forget clients at 0


def too_many(error: str, wait: float) -> HTTPException:
    """The refusal that names when to come again."""
    return HTTPException(429, error, {"Retry-After": str(max(1, math.ceil(wait)))})


def body_limit(path: str, limits: Limits) -> int:
    """Bytes that a request to this path may carry."""
    if _JOURNAL.fullmatch(path):
        return limits.journal
    return max(limits.body, _SOURCE_BYTES) if _SOURCES.fullmatch(path) else limits.body


def bounded(scope: Scope, receive: Receive, limit: int) -> Receive:
    """Receive a body of at most ``limit`` bytes, whatever it says of its length.

    Raises
    ------
    HTTPException
        413 at once when the length given is larger; from the answer, when more than that comes.
    """
    error = f"expected a body of at most {limit:,} bytes but got more: send less at once"
    length = dict(scope["headers"]).get(b"content-length", b"0")
    if length.isdigit() and int(length[:20]) > limit:
        raise HTTPException(413, error)
    seen = 0

    async def counted() -> Message:
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > limit:
            raise HTTPException(413, error)
        return message

    return counted
