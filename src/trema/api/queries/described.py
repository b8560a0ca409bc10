"""What the events of a run say: its network, its epochs, its end."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from trema.api.models import EpochMark
from trema.api.queries.plain import count, mapping, text, whole
from trema.store.base import Event, Run, Store

KINDS = ("run", "info", "epoch", "error", "end")
EPOCH_MARKS = 2000
_KEPT = 64  # runs


@dataclass
class Described:
    """A run as its events describe it; of several ranks the lowest one tells.

    infos : the newest description by segment
    epochs : the ends of all epochs of all segments, in order
    failed : parts of Trema that raised, and what
    """

    run: Run
    trema: str = ""
    infos: dict[int, Mapping[str, Any]] = field(default_factory=dict)
    end: Mapping[str, Any] | None = None
    epochs: list[EpochMark] = field(default_factory=list)
    failed: list[tuple[str, str]] = field(default_factory=list)

    @property
    def segments(self) -> int:
        """How many parts the run has."""
        return max(self.infos, default=-1) + 1

    def info(self, segment: int) -> Mapping[str, Any]:
        """What is known of a segment; empty when nothing is."""
        return self.infos.get(segment, {})

    def first_info(self) -> Mapping[str, Any]:
        """What is known of the first segment."""
        return self.info(min(self.infos, default=0))

    def epochs_done(self) -> int:
        """Epochs of all segments."""
        done: dict[int, int] = {}
        for mark in self.epochs:
            done[mark.segment] = max(done.get(mark.segment, 0), mark.epoch + 1)
        return sum(done.values())

    def steps_done(self) -> dict[int, int]:
        """Training steps by segment, up to the last end of an epoch."""
        done: dict[int, int] = {}
        for mark in self.epochs:
            if mark.step is not None:
                done[mark.segment] = max(done.get(mark.segment, 0), mark.step + 1)
        return done

    def thinned_epochs(self) -> list[EpochMark]:
        """At most 2,000 marks, evenly chosen; the last one stays."""
        stride = -(-len(self.epochs) // EPOCH_MARKS)
        if stride <= 1:
            return self.epochs
        return self.epochs[::-1][::stride][::-1]


def describe(store: Store, run: Run) -> Described:
    """Read the events of a run."""
    found = Described(run)
    events = store.events(run.id, kinds=KINDS)
    teller: dict[tuple[str, int], int] = {}  # the lowest rank that says something of the kind
    for event in events:
        of = (event.kind, event.segment)
        teller[of] = min(teller.get(of, event.rank), event.rank)
    for event in events:
        if event.rank == teller[event.kind, event.segment]:
            _take(found, event)
    return found


def _take(found: Described, event: Event) -> None:
    record = event.record
    if event.kind == "run":
        found.trema = text(record.get("trema"))
        found.end = None  # a rank that comes back to its journal runs again
    elif event.kind == "info":
        found.infos[event.segment] = mapping(record.get("info"))
    elif event.kind == "end":
        found.end = record
    elif event.kind == "error":
        found.failed.append((text(record.get("part")), text(record.get("error"))))
    elif event.kind == "epoch" and (epoch := whole(record.get("epoch"))) is not None:
        moment = record.get("t")
        found.epochs.append(
            EpochMark(
                segment=event.segment,
                epoch=count(epoch),
                step=whole(event.step),
                time=moment if isinstance(moment, float) else 0.0,
            )
        )


class DescribedRuns:
    """Keeps what was read of the runs last asked for."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, Described] = OrderedDict()

    def of(self, run: Run) -> Described:
        """What the events of a run say."""
        with self._lock:
            known = self._kept.get(run.id)
            if known is not None and _same(known.run, run):
                self._kept.move_to_end(run.id)
                return known
        found = describe(self._store, run)
        with self._lock:
            self._kept[run.id] = found
            self._kept.move_to_end(run.id)
            while len(self._kept) > _KEPT:
                self._kept.popitem(last=False)
        return found


def _same(one: Run, other: Run) -> bool:
    # a run that was deleted and read again can reach the same revision
    return (one.revision, one.started, one.origin) == (
        other.revision,
        other.started,
        other.origin,
    )
