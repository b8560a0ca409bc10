"""Server-sent events: what changed, told to every page that listens, from one look at the store.

One task of the process asks the store for changes twice a second while somebody listens; each
stream has a letter box in which changes add up until its client has taken the ones before. So
neither many clients nor a slow one cost the store or the memory more.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from trema.api.models import Changes, RunChange

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

INTERVAL = 0.5  # seconds between two looks at the store
HEARTBEAT = 15.0  # seconds after which a silent stream says that it lives
_log = logging.getLogger(__name__)


class Source(Protocol):
    """What knows what changed."""

    def changes(self, cursor: str | None) -> Changes:
        """What changed since a cursor."""


class LetterBox:
    """Changes that one stream has not sent yet."""

    def __init__(self) -> None:
        self._waiting: Changes | None = None
        self.filled = asyncio.Event()

    def put(self, new: Changes) -> None:
        """Add changes to those that wait."""
        self._waiting = new if self._waiting is None else merged(self._waiting, new)
        self.filled.set()

    def take(self) -> Changes | None:
        """All that waits."""
        waiting, self._waiting = self._waiting, None
        self.filled.clear()
        return waiting


def merged(old: Changes, new: Changes) -> Changes:
    """Both as one, as if nobody had asked in between."""
    runs = {run.id: run for run in (*old.runs, *new.runs)}
    gone = dict.fromkeys((*old.removed, *new.removed))
    back = {run.id for run in new.runs} - set(new.removed)
    return Changes(
        cursor=new.cursor,
        runs=[run for run in runs.values() if run.id not in gone or run.id in back],
        removed=[run for run in gone if run not in back],
        all=old.all or new.all,
    )


class News:
    """Tells what is new from what was told before.

    A look at the store also finds what it found a moment ago, because a slow transaction may show
    its changes only after its time.
    """

    def __init__(self) -> None:
        self._told: dict[str, RunChange] = {}
        self._removed: set[str] = set()

    def of(self, found: Changes) -> Changes | None:
        """What was not told yet, None when that is nothing."""
        runs = [run for run in found.runs if self._told.get(run.id) != run]
        here = {run.id for run in found.runs}
        removed = [run for run in found.removed if run not in self._removed and run not in here]
        self._told.update((run.id, run) for run in runs)
        self._removed = (self._removed | set(removed)) - here
        for run in removed:
            self._told.pop(run, None)
        if not (runs or removed or found.all):
            return None
        return found.model_copy(update={"runs": runs, "removed": removed})


class Feed:
    """The one look at the store that all streams of a process share."""

    def __init__(self, queries: Source, interval: float = INTERVAL) -> None:
        self._queries, self._interval = queries, interval
        self._boxes: set[LetterBox] = set()
        self._task: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self.closed = asyncio.Event()
        self.problem: str | None = None

    def close(self) -> None:
        """End all streams; safe to call from a signal handler or another thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.closed.set)

    async def stop(self) -> None:
        """End all streams and the looking."""
        self.closed.set()
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @contextmanager
    def listen(self) -> Iterator[LetterBox]:
        """A letter box that gets all changes from now on."""
        box = LetterBox()
        self._boxes.add(box)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        try:
            yield box
        finally:
            self._boxes.discard(box)

    async def since(self, cursor: str | None) -> Changes:
        """What changed since a cursor, up to now."""
        return await run_in_threadpool(self._queries.changes, cursor)

    async def _look(self) -> None:
        cursor: str | None = None
        news = News()
        while self._boxes and not self.closed.is_set():
            try:
                found = await self.since(cursor)
                self.problem = None
                # without a cursor, "everything" is not news: each stream begins by itself
                if cursor is not None and (new := news.of(found)):
                    for box in self._boxes:
                        box.put(new)
                cursor = found.cursor
            except Exception as error:  # a database that is restarted; the next look may see it
                if self.problem is None:
                    _log.exception("changes cannot be read")
                self.problem = f"changes cannot be read ({type(error).__name__})"
            await asyncio.sleep(self._interval)


class EventStream(Response):
    """An answer that goes on until the client leaves or the server ends.

    place : held while the stream is open
    allowed : whether the client may still listen, asked as often as the heart beats
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        feed: Feed,
        cursor: str | None,
        *,
        place: AbstractContextManager[None],
        allowed: Callable[[], bool],
        heartbeat: float = HEARTBEAT,
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})  # a proxy must not keep events back
        del self.headers["content-length"]
        self._feed, self._cursor, self._heartbeat = feed, cursor, heartbeat
        self._place, self._allowed = place, allowed

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send events until one side leaves."""
        with self._place, self._feed.listen() as box:
            # asked after the box stands: what changes meanwhile is in both, never in neither
            first = await self._feed.since(self._cursor)
            start = {"type": "http.response.start", "status": 200, "headers": self.raw_headers}
            await send(start)
            box_task = asyncio.create_task(self._deliver(first, box, send))
            gone = asyncio.create_task(_left(receive))
            closed = asyncio.create_task(self._feed.closed.wait())
            tasks = (box_task, gone, closed)
            try:
                await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _deliver(self, first: Changes, box: LetterBox, send: Send) -> None:
        await _send(send, event(first))
        asked = time.monotonic()
        while True:
            try:
                await asyncio.wait_for(box.filled.wait(), self._heartbeat)
            except TimeoutError:
                await _send(send, b": still here\n\n")
            if time.monotonic() - asked >= self._heartbeat:  # also when there is always news
                if not await run_in_threadpool(self._allowed):
                    return  # the token was revoked
                asked = time.monotonic()
            if waiting := box.take():
                await _send(send, event(waiting))


def event(changes: Changes) -> bytes:
    """One event; JSON has no line break that would end it early."""
    return f"event: changes\ndata: {changes.model_dump_json()}\n\n".encode()


async def _send(send: Send, data: bytes) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": True})


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
