"""Rows of the list of runs, kept between questions and brought up to date by what changed."""

from __future__ import annotations

import threading
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trema.api.models import Counts, RunRow, Sparkline
from trema.api.queries.cards import Decks
from trema.api.queries.context import Context
from trema.api.queries.curves import main_curves
from trema.api.queries.people import PeopleView
from trema.api.queries.plain import count, mapping, maybe_text, real, text, whole
from trema.core.diagnosis import Severity
from trema.core.errors import RunNotFound
from trema.core.facts import TRAIN, Fact
from trema.journal.folder import RunFolder
from trema.journal.sent import unsent
from trema.store.base import FindingHead, Run, SeriesKey

#: Microseconds: a change becomes visible at most so long after its time.
OVERLAP = 5_000_000
#: So many changed runs are read one by one, or a quarter of all; of more, all are read at once.
MANY = 20
#: Segments of a run without an end that are asked how far they came, each by a query.
PARTS = 100
_ALL = 2**31 - 1


@dataclass
class Progress:
    """How far a run came."""

    steps: int
    epochs: int
    seconds: float
    framework: str


@dataclass
class Verdict:
    """What the findings of a run come to, for what people did up to ``stamp``."""

    stamp: int
    counts: Counts
    top: str | None


@dataclass
class Entry:
    """One run as the list knows it; what is None is read when it is asked for."""

    run: Run
    touched: int
    heads: Sequence[FindingHead]
    progress: Progress | None = None
    verdict: Verdict | None = None
    sparkline: Sparkline | None = None
    drawn: bool = False


class Rows:
    """All runs of the store."""

    def __init__(self, context: Context, decks: Decks) -> None:
        self._context = context
        self._decks = decks
        self._lock = threading.RLock()
        self._entries: dict[str, Entry] = {}
        self._since = 0
        self._newest = 0

    def entries(self) -> list[Entry]:
        """All runs as they are now."""
        with self._lock:
            self._refresh()
            return list(self._entries.values())

    def entry(self, run: str) -> Entry:
        """One run as it is now.

        Raises
        ------
        RunNotFound
            When the store has no such run.
        """
        with self._lock:
            self._refresh()
            found = self._entries.get(run)
        if found is None:
            raise RunNotFound(f"there is no run {run[:100]!r}: list the runs there are")
        return found

    def find(self, run: str) -> Entry | None:
        """One run as it was when last looked at."""
        with self._lock:
            return self._entries.get(run)

    def revision(self) -> int:
        """A number that grows with every change to a run."""
        with self._lock:
            self._refresh()
            return self._newest

    # keeping up -----------------------------------------------------------------------------

    def _refresh(self) -> None:
        store = self._context.store
        now = store.now()
        since = self._since - OVERLAP if self._since <= now else 0  # the clock was set back
        changed = {}
        for touch in store.touched(since):
            known = self._entries.get(touch.run)
            if known is None or known.touched != touch.touched:
                changed[touch.run] = touch.touched
        for run, when in store.removed(since):
            self._newest = max(self._newest, when)
            self._entries.pop(run, None)
            changed.pop(run, None)
        self._load(changed)
        self._since = now

    def _load(self, changed: dict[str, int]) -> None:
        if not changed:
            return
        heads: dict[str, list[FindingHead]] = defaultdict(list)
        most = len(changed) > max(MANY, len(self._entries) // 4)
        for head in self._context.store.heads(None if most else list(changed)):
            heads[head.run].append(head)
        for run in self._runs(changed, most):
            before = self._entries.get(run.id)
            entry = Entry(run, changed[run.id], heads[run.id])
            if before is not None and before.run == run and run.state != "running":
                entry.progress = before.progress
            self._entries[run.id] = entry
            self._newest = max(self._newest, entry.touched)

    def _runs(self, wanted: Collection[str], most: bool) -> list[Run]:
        if most:
            return [run for run in self._context.store.runs(limit=_ALL) if run.id in wanted]
        found = []
        for run in wanted:
            try:
                found.append(self._context.store.run(run))
            except RunNotFound:
                pass  # deleted meanwhile
        return found

    # what is read when asked for ------------------------------------------------------------

    def rows(self, entries: Sequence[Entry], view: PeopleView) -> list[RunRow]:
        """Whole rows of these runs."""
        with self._lock:
            self._draw([entry for entry in entries if not entry.drawn])
        self.measure(entries)
        return [self._row(entry, view) for entry in entries]

    def measure(self, entries: Sequence[Entry]) -> None:
        """Find out how far these runs came."""
        with self._lock:
            missing = [entry for entry in entries if entry.progress is None]
            done = [e.run.id for e in missing if e.run.state not in ("running", "killed")]
            ends = self._context.store.ends(done) if done else {}
            for entry in missing:
                entry.progress = _ended(entry.run, ends.get(entry.run.id))
            self._count([entry for entry in missing if entry.progress is None])

    def _count(self, entries: Sequence[Entry]) -> None:
        if not entries:
            return
        store = self._context.store
        ids = [entry.run.id for entry in entries]
        losses, logged = (store.keys_of(ids, str(fact)) for fact in (Fact.LOSS, Fact.LOG))
        for entry in entries:
            described = self._context.described(entry.run)
            steps = described.steps_done()
            known = losses.get(entry.run.id, {})
            trained = {key: points for key, points in known.items() if key.phase == TRAIN}
            tellers = _longest_of_each_part(trained)
            tellers |= _longest_of_each_part(logged.get(entry.run.id, {}))
            for key, points in tellers.items():
                last = self._last_step(entry.run.id, key, points)
                steps[key.segment] = max(steps.get(key.segment, 0), last + 1)
            info = described.first_info()
            entry.progress = Progress(
                steps=sum(steps.values()),
                epochs=described.epochs_done(),
                seconds=_seconds(entry.run),
                framework=_framework(info.get("framework"), entry.run),
            )

    def _last_step(self, run: str, key: SeriesKey, points: int) -> int:
        last = self._context.store.series(run, key, after=points - 1)
        return int(last.steps[-1]) if len(last.steps) else -1

    def _draw(self, entries: Sequence[Entry]) -> None:
        drawn = main_curves(self._context.store, [entry.run.id for entry in entries])
        for entry in entries:
            entry.sparkline, entry.drawn = drawn.get(entry.run.id), True

    def verdict(self, entry: Entry, view: PeopleView) -> Verdict:
        """What the findings of a run come to."""
        stamp = view.changes(entry.run.id)
        if entry.verdict is None or entry.verdict.stamp != stamp:
            entry.verdict = self._judge(entry, view, stamp)
        return entry.verdict

    def _judge(self, entry: Entry, view: PeopleView, stamp: int) -> Verdict:
        run = entry.run.id
        loud = [head for head in entry.heads if view.mute_of(run, head.check, head.id) is None]
        active = [head for head in loud if head.state == "active"]
        counted = Counter(head.severity for head in active)
        counts = Counts(**{str(severity): counted[severity] for severity in Severity})
        ranks = {head.rank for head in loud if head.rank > 0}
        if not active:
            return Verdict(stamp, counts, None)
        if len(loud) == len(entry.heads) == len(ranks) and entry.run.state != "running":
            first = min(active, key=lambda head: head.rank)
            return Verdict(stamp, counts, text(first.title, 1000))
        urgent = self._decks.of(entry.run).active()
        return Verdict(stamp, counts, urgent[0].title if urgent else None)

    def _row(self, entry: Entry, view: PeopleView) -> RunRow:
        run, progress = entry.run, entry.progress
        verdict = self.verdict(entry, view)
        if progress is None:  # another thread took in a change of the run meanwhile
            progress = Progress(0, 0, _seconds(run), run.framework)
        return RunRow(
            id=text(run.id),
            name=text(run.name),
            framework=progress.framework,
            state=self._context.state_of(run),
            exit_code=whole(run.exit_code),
            started=run.started,
            updated=run.updated,
            seconds=progress.seconds,
            steps=progress.steps,
            epochs=progress.epochs,
            revision=revision_of(entry, view),
            counts=verdict.counts,
            top=verdict.top,
            sparkline=entry.sparkline,
            tags=[text(tag) for tag in view.state.tags.get(run.id, ())],
            archived=run.id in view.state.archived,
            host=maybe_text(run.metadata.get("host")),
            unsent=self._unsent(run),
        )

    def _unsent(self, run: Run) -> int | None:
        root = self._context.root
        if self._context.mode == "server" or root is None:
            return whole(run.metadata.get("unsent"))
        if Path(run.id).name != run.id:
            return None
        return unsent(RunFolder(root / "runs" / run.id))  # to a team server, where one is set


def revision_of(entry: Entry, view: PeopleView) -> int:
    """A number that grows with every change of a run, be it by itself or by people."""
    return entry.touched + view.changes(entry.run.id)


def _ended(run: Run, end: Mapping[str, Any] | None) -> Progress | None:
    """What the end of a run says; None without one."""
    if end is None:
        return None
    facts = mapping(end.get("run"))
    seconds = real(facts.get("seconds"))
    if "steps" not in facts:  # an end of another version
        return None
    return Progress(
        steps=count(facts.get("steps")),
        epochs=count(facts.get("epochs")),
        seconds=_seconds(run) if seconds is None else seconds,
        framework=_framework(facts.get("framework"), run),
    )


def _longest_of_each_part(keys: Mapping[SeriesKey, int]) -> dict[SeriesKey, int]:
    """The series that tell how far each segment came: of many that a program logs, one."""
    found: dict[int, SeriesKey] = {}
    for key in sorted(keys, key=lambda key: keys[key]):
        found[key.segment] = key
    longest = sorted(found.values(), key=lambda key: keys[key], reverse=True)[:PARTS]
    return {key: keys[key] for key in longest}


def _framework(value: object, run: Run) -> str:
    return maybe_text(value) or text(run.framework) or "other"


def _seconds(run: Run) -> float:
    if not run.started or not run.updated:
        return 0.0
    return round(max(0.0, run.updated - run.started), 3)
