"""A queue before a database: its writers are served in the order in which they came."""

from __future__ import annotations

import threading
from collections import deque
from types import TracebackType


class Queue:
    """Lets some threads at a time through; the one that waits longest is next.

    SQLite's writers sleep and try again, and a pool of connections gives the next one to whoever
    asks first: a thread that is unlucky each time can wait for many seconds.
    """

    def __init__(self, places: int = 1) -> None:
        self._mutex = threading.Lock()
        self._waiting: deque[threading.Lock] = deque()
        self._free = places

    def __enter__(self) -> None:
        with self._mutex:
            if self._free > 0:
                self._free -= 1
                return
            turn = threading.Lock()
            turn.acquire()
            self._waiting.append(turn)
        turn.acquire()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._mutex:
            if self._waiting:
                self._waiting.popleft().release()
            else:
                self._free += 1
