"""A thread that tells what is put into it, so that slow receivers hold up nobody."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Sequence

from trema.api.alerts_news import News
from trema.api.alerts_rules import Rule
from trema.api.alerts_send import SendFailed, send

#: Seconds before each further try.
WAITS = (1.0, 5.0, 25.0)
#: Alerts that may wait for one receiver.
SIZE = 100
_log = logging.getLogger(__name__)


class Outbox:
    """The alerts of one rule on their way; ``error`` is what went wrong with the newest."""

    def __init__(
        self,
        rule: Rule,
        *,
        waits: Sequence[float] = WAITS,
        size: int = SIZE,
        told: Callable[[Rule, News], None] | None = None,
    ) -> None:
        self.rule = rule
        self.last: float | None = None
        self.error: str | None = None
        self._waits = tuple(waits)
        self._told = told
        self._queue: queue.Queue[News | None] = queue.Queue(size)
        self._closing = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def full(self) -> bool:
        """Whether no further alert is taken."""
        return self._queue.full()

    def put(self, news: News) -> bool:
        """Tell it soon; False when too many wait."""
        if self._thread is None:
            name = f"trema-alert-{self.rule.way}"
            self._thread = threading.Thread(target=self._work, name=name, daemon=True)
            self._thread.start()
        try:
            self._queue.put_nowait(news)
            return True
        except queue.Full:
            self.error = f"{self._queue.maxsize} alerts wait to be sent: later ones are left out"
            return False

    def close(self, timeout: float = 5.0) -> None:
        """Send what waits, for so many seconds at most; a failed try is not repeated."""
        self._closing.set()
        if self._thread is None:
            return
        try:
            self._queue.put(None, timeout=timeout)
        except queue.Full:
            return
        self._thread.join(timeout)
        if self._thread.is_alive():
            _log.warning("alert %r: some are not sent, the receiver is too slow", self.rule.name)

    def _work(self) -> None:
        while (news := self._queue.get()) is not None:
            try:
                self._deliver(news)
            except Exception as error:  # a mistake of ours must not end all later alerts
                _log.exception("an alert failed")
                self.error = f"failed inside Trema: {type(error).__name__}"

    def _deliver(self, news: News) -> None:
        for wait in (*self._waits, None):
            try:
                send(self.rule, news)
            except SendFailed as failure:
                self.error = str(failure)
                if wait is None or not failure.again:
                    _log.warning("alert %r: %s", self.rule.name, failure)
                    return
                if self._closing.wait(max(wait, failure.wait)):
                    return
            else:
                self.last, self.error = time.time(), None
                if self._told is not None:
                    self._told(self.rule, news)
                return
