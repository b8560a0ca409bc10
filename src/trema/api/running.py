"""What a server process holds while it runs: the store, the queries, the feed, the follower."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any

from starlette.concurrency import run_in_threadpool

from trema.api.access import Access, OneToken, StoredTokens
from trema.api.alerts import Watcher, find_rules
from trema.api.events import Feed
from trema.api.follow import Follow
from trema.api.limits import Places
from trema.api.queries import Queries
from trema.api.settings import Settings
from trema.core.errors import UsageError
from trema.core.text import harmless
from trema.store import open_store
from trema.store.following import Follower

if TYPE_CHECKING:
    from trema.store.sql import SqlStore


_SENDING = 2.0  # seconds for alerts that are on their way when the server ends


class Running:
    """The parts of a running server; a context that ends them all."""

    def __init__(self, settings: Settings, store: SqlStore, queries: Queries) -> None:
        self.settings, self.store, self.queries = settings, store, queries
        self.access: Access = (
            StoredTokens(store) if settings.token is None else OneToken(settings.token)
        )
        self.places = Places(settings.limits.streams, settings.limits.client_streams)
        self.problem: str | None = None
        self.watcher = self._watcher()
        self.follower = Follower(settings.root, store) if settings.root is not None else None
        self.follow = Follow(self._steps())
        self.feed: Feed
        self._ending = ExitStack()

    @classmethod
    def open(cls, settings: Settings) -> Running:
        """Open the store.

        Raises
        ------
        StoreError
            When the database cannot be used.
        """
        store = open_store(settings.url)
        return cls(settings, store, Queries(store, root=settings.root, mode=settings.mode))

    @property
    def problems(self) -> list[str]:
        """What does not work at present, a sentence each."""
        found = [*self.follow.problems, *self.watcher.problems]
        if self.follower is not None:
            found += self.follower.problems
        return [*found, *filter(None, (self.problem, self.feed.problem))]

    def _watcher(self) -> Watcher:
        """What tells somebody; without rules when these cannot be read."""
        settings, rules = self.settings, []
        try:
            rules = find_rules(settings.root, settings.alerts)
        except UsageError as error:
            self.problem = harmless(error, 500)
        return Watcher(self.queries, rules, base_url=settings.public)

    def _steps(self) -> dict[str, Callable[[], object]]:
        """What the thread does each time, by what a person would call it."""
        steps: dict[str, Callable[[], object]] = {}
        if self.follower is not None:
            steps["reading the journals"] = self.follower.step
        steps["watching for alerts"] = self.watcher.step
        return steps

    async def __aenter__(self) -> Running:
        self.feed = Feed(self.queries)
        self._ending.enter_context(on_signal(self.feed.close))
        self.follow.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        self._ending.close()
        await self.feed.stop()
        await run_in_threadpool(self.follow.stop)
        await run_in_threadpool(self.watcher.close, _SENDING)
        await run_in_threadpool(self.store.close)


@contextmanager
def on_signal(told: Callable[[], None]) -> Iterator[None]:
    """Call ``told`` before what the server does when it is asked to end.

    uvicorn waits for open answers before it tells the application, and a stream ends only when it
    is told.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {sign: signal.getsignal(sign) for sign in (signal.SIGINT, signal.SIGTERM)}

    def handler(sign: int, frame: FrameType | None) -> Any:
        told()
        then = before[signal.Signals(sign)]
        if callable(then):
            then(sign, frame)

    for sign in before:
        signal.signal(sign, handler)
    try:
        yield
    finally:
        for sign, then in before.items():
            signal.signal(sign, then)
