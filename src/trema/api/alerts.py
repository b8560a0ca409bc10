"""Alerts: somebody is told of a new finding, a crash or an end, so that nobody has to watch a run.

Each piece of news is told once by each rule, however many processes watch one store. Old news is
never told: only what happened after the watcher began, or shortly before, since a watcher that
was started anew should not miss what happened in between.
"""

from __future__ import annotations

import bisect
import time
from collections.abc import Callable, Collection, Sequence
from urllib.parse import quote

from trema.api.alerts_news import News
from trema.api.alerts_outbox import WAITS, Outbox
from trema.api.alerts_reading import find_rules, load_rules
from trema.api.alerts_rules import Rule
from trema.api.models import Alert, Alerts, Card, EpochMark, RunDetail, RunRow
from trema.api.queries import Queries
from trema.core.errors import RunNotFound
from trema.store.base import FindingHead

__all__ = ["Rule", "Watcher", "find_rules", "load_rules"]

#: Seconds before the watcher began from which on news is told.
LOOKBACK = 600.0
_PAGE = 200
_KINDS = {
    "finished": "finished",
    "interrupted": "finished",
    "crashed": "crashed",
    "killed": "crashed",
}


class Watcher:
    """Compares what the store says with what was told; one thread calls :meth:`step`.

    Parameters
    ----------
    queries : whose runs are watched
    rules : what is told to whom
    base_url : address of the page, for links; None leaves them out
    lookback : seconds before now from which on news is told
    waits : seconds before each further try to tell
    told : called after somebody was told, from another thread
    """

    def __init__(
        self,
        queries: Queries,
        rules: Sequence[Rule],
        *,
        base_url: str | None = None,
        lookback: float = LOOKBACK,
        waits: Sequence[float] = WAITS,
        told: Callable[[Rule, News], None] | None = None,
    ) -> None:
        self._queries = queries
        self._base = base_url.rstrip("/") if base_url else None
        self._horizon = time.time() - lookback
        self._outboxes = [Outbox(rule, waits=waits, told=told) for rule in rules]
        self._cursor: str | None = None
        self._states: dict[str, str] = {}  # of runs, when last looked at
        self._seen: dict[str, set[tuple[object, ...]]] = {}  # findings that were looked at
        self._begun = False

    def step(self) -> None:
        """Tell what is new; sending happens on other threads."""
        if not self._outboxes:
            return
        changes = self._queries.changes(self._cursor)
        if self._cursor is None or changes.all:
            states = self._recent()
        else:
            states = {change.id: change.state for change in changes.runs}
        for run in changes.removed:
            self._states.pop(run, None)
            self._seen.pop(run, None)
        if any("finding" in box.rule.on for box in self._outboxes):
            self._find(states)
        for run, state in states.items():
            self._end(run, state)
        self._cursor = changes.cursor  # only now: after a failure all is looked at again
        self._begun = True

    def describe(self) -> Alerts:
        """The rules in force and how they fare."""
        return Alerts(
            alerts=[
                Alert(
                    name=box.rule.name,
                    on=list(box.rule.on),
                    level=box.rule.level,
                    by=box.rule.way,
                    last=box.last,
                    error=box.error,
                )
                for box in self._outboxes
            ]
        )

    @property
    def problems(self) -> list[str]:
        """The alerts that fail, a sentence each."""
        return [f"alert {box.rule.name!r}: {box.error}" for box in self._outboxes if box.error]

    def close(self, timeout: float = 5.0) -> None:
        """Send what waits, for so many seconds at most."""
        end = time.monotonic() + timeout
        for box in self._outboxes:
            box.close(max(0.1, end - time.monotonic()))

    def _recent(self) -> dict[str, str]:
        """States of the runs in which something may be new."""
        found: dict[str, str] = {}
        after: str | None = None
        while True:
            page = self._queries.runs(after=after, limit=_PAGE, sort="updated", order="desc")
            found |= {row.id: row.state for row in page.runs if row.updated >= self._horizon}
            if page.next is None or page.runs[-1].updated < self._horizon:
                return found
            after = page.next

    # ends -----------------------------------------------------------------------------------

    def _end(self, run: str, state: str) -> None:
        before = self._states.get(run)
        if before != state:
            self._tell_end(run, before, state)
        self._states[run] = state  # only now: what failed is told the next time

    def _tell_end(self, run: str, before: str | None, state: str) -> None:
        kind = _KINDS.get(state)
        if kind is None:
            return
        boxes = [box for box in self._outboxes if kind in box.rule.on]
        if not boxes:
            return
        try:
            row = self._queries.run(run).row
        except RunNotFound:
            return
        if before is None and row.updated < self._horizon:
            return
        # each process that joins or resumes the run begins with a record of its own
        begun = len(self._queries.store.events(run, kinds={"run"}))
        news = News(kind=kind, row=row, mark=f"{state} {begun}", url=self._link(run))
        for box in boxes:
            self._tell(box, news)

    # findings -------------------------------------------------------------------------------

    def _find(self, runs: Collection[str]) -> None:
        new: dict[str, set[tuple[object, ...]]] = {}
        for head in self._queries.store.heads(list(runs)) if runs else ():
            mark = (head.segment, head.id, head.severity, head.state, head.explained)
            if self._wanted(head) and mark not in self._seen.get(head.run, ()):
                new.setdefault(head.run, set()).add(mark)
        for run, marks in new.items():
            try:
                self._look(run, {f"{mark[0]}:{mark[1]}" for mark in marks})
            except RunNotFound:
                continue
            self._seen.setdefault(run, set()).update(marks)

    def _wanted(self, head: FindingHead) -> bool:
        return head.state == "active" and any(
            "finding" in box.rule.on and box.rule.wants(head.severity) for box in self._outboxes
        )

    def _look(self, run: str, keys: Collection[str]) -> None:
        detail = self._queries.run(run)
        cards = {card.key: card for card in self._queries.cards(run).cards}
        for key in keys:
            card = cards.get(key)
            if card is None or card.mute is not None or not self._new(card, detail):
                continue
            news = News(
                kind="finding", row=detail.row, mark=key, card=card, url=self._link(run, key)
            )
            for box in self._outboxes:
                if _speaks(box.rule, card, cards):
                    self._tell(box, news)

    def _new(self, card: Card, detail: RunDetail) -> bool:
        """Whether the finding was first seen after the horizon, as far as can be told."""
        earliest, latest = when(card, detail.row, detail.epochs)
        if self._horizon <= earliest or latest < self._horizon:
            return self._horizon <= earliest
        return self._begun  # in between: then what was there at the beginning is old

    def _link(self, run: str, key: str | None = None) -> str | None:
        if self._base is None:
            return None
        finding = f"?finding={quote(key, safe='')}" if key else ""
        return f"{self._base}/#/run/{quote(run, safe='')}{finding}"

    def _tell(self, box: Outbox, news: News) -> None:
        if self._queries.store.claim(f"alert\0{box.rule.name}\0{news.key}"):
            box.put(news)


def when(card: Card, row: RunRow, epochs: Sequence[EpochMark]) -> tuple[float, float]:
    """The earliest and the latest time at which a finding can have been seen first."""
    marks = sorted((mark.segment, mark.epoch, mark.time) for mark in epochs)
    place = bisect.bisect_left(
        marks, (card.segment, -1 if card.first.epoch is None else card.first.epoch)
    )
    earliest = marks[place - 1][2] if place else row.started
    latest = marks[place][2] if place < len(marks) else row.updated
    return earliest, latest


def _speaks(rule: Rule, card: Card, cards: dict[str, Card]) -> bool:
    """Whether a rule tells a finding: not one that is explained by another that it tells."""
    if "finding" not in rule.on or not rule.wants(card.severity):
        return False
    causes = (cards.get(key) for key in card.explained_by)
    return not any(
        cause is not None
        and cause.state == "active"
        and cause.mute is None
        and rule.wants(cause.severity)
        for cause in causes
    )
