"""What a store is.

A store is an index over journals. It holds nothing that the journals do not hold, so it can be
dropped and rebuilt; losing it costs time, never data.

**Ingestion** takes in batches: the records between two byte offsets of the journal of one rank of
one run. A batch and its cursor are one transaction: after a crash both are there or neither.
Its place makes it idempotent:

- it begins at the stored cursor: it is applied and the cursor moves to its end;
- it ends at or before the stored cursor: it was applied before, nothing changes, the answer is 0;
- anything else overlaps or leaves a gap: :class:`CursorConflict` names the cursor to read from;
- its ``head`` differs from the stored one: it is another journal, :class:`JournalReplaced`.

Any number of processes may ingest at once. Records of unknown kinds and damaged records are
passed over: one bad record never blocks those behind it.

**Reading.** What is stored of a run only grows at its end, so readers follow it by cursor: events
and findings carry the run's ``revision`` at which they were written, and ``after=`` gives those
written later; a series is read from a ``position``, the count of points already seen. Whoever
has seen all revisions up to n misses nothing by asking for those after n.

**Absence.** An unknown run raises :class:`~trema.core.errors.RunNotFound` everywhere. A fact that
was not observed is an empty series, never an error and never zero.

**Numbers.** NaN and ±inf come back as they went in. ``minimum`` and ``maximum`` of a block are over
its finite values, None when it has none.

**Ranks.** Each rank has its own series. A finding that several ranks report is one finding: worst
severity, all ranks, active while one of them sees it. The result does not depend on the order
in which journals were ingested.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from trema.core.errors import TremaError


class StoreError(TremaError):
    """The database cannot be used."""


class RunConflict(StoreError):
    """A run of this id came from another folder."""


class JournalReplaced(StoreError):
    """The journal is another one than the store has read."""


class CursorConflict(StoreError):
    """A batch does not begin at the stored cursor.

    expected : byte offset to read from
    """

    def __init__(self, run: str, rank: int, start: int, expected: int) -> None:
        super().__init__(
            f"expected records of rank {rank} of run {run!r} from byte {expected} "
            f"but got them from byte {start}: read the journal from {expected}"
        )
        self.expected = expected


@dataclass(frozen=True, kw_only=True)
class Batch:
    """The records between two byte offsets of one journal."""

    run: str
    rank: int
    start: int  # bytes
    end: int  # bytes
    records: Sequence[Mapping[str, Any]]
    head: str = ""  # tells journals of one name apart; "" is not compared


@dataclass(frozen=True)
class JournalState:
    """How far the journal of one rank has been read."""

    cursor: int = 0  # bytes
    head: str = ""
    state: str = "running"


@dataclass(frozen=True, kw_only=True)
class Run:
    """One run.

    state
        ``running`` or what its ``end`` record says; a rank that did not finish well decides.
    started, updated
        seconds since 1970; 0 when not known
    """

    id: str
    name: str
    framework: str
    state: str
    exit_code: int | None
    started: float
    updated: float
    revision: int
    origin: str
    metadata: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Event:
    """A record that is neither a number by step nor a finding, as the journal had it."""

    revision: int
    rank: int
    segment: int
    kind: str
    step: int | None
    record: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class StoredFinding:
    """One finding of a run over all its ranks; ``document`` is its JSON."""

    run: str
    id: str
    segment: int
    check: str
    cause: str
    severity: str
    state: str  # active, gone
    ranks: tuple[int, ...]
    revision: int
    document: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class SeriesKey:
    """Which series of a run; for the fact ``metric`` the steps are epochs."""

    fact: str
    name: str = ""
    phase: str = "train"
    segment: int = 0
    rank: int = 0


@dataclass(frozen=True)
class Points:
    """Part of a series.

    steps : ndarray of shape (n,), int64
    values : ndarray of shape (n, …), float64; points of another width than the newest are left out
    position : the count of points of the series up to here, for the next read
    """

    steps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    position: int = 0


@dataclass(frozen=True, kw_only=True)
class Block:
    """What is known of consecutive points without reading them."""

    count: int
    first_step: int
    last_step: int
    minimum: float | None  # of the finite values
    maximum: float | None
    nonfinite: int  # values


class Store(Protocol):
    """An index over journals; the contract stands at the top of this module."""

    def add_run(self, run: str, metadata: Mapping[str, Any], *, origin: str = "") -> None:
        """Make the run known, or bring what is known of it up to date.

        Raises RunConflict when the store has a run of this id from another origin, UsageError
        when the id is empty or longer than 255 characters.
        """

    def ingest(self, batch: Batch) -> int:
        """Take in a batch; the number of records taken in.

        Raises RunNotFound, CursorConflict, JournalReplaced.
        """

    def journals(self, run: str) -> dict[int, JournalState]:
        """How far the journal of each rank has been read."""

    def runs(
        self, *, after: str | None = None, limit: int = 100, origin: str | None = None
    ) -> list[Run]:
        """Runs, newest first; ``after`` is the id of the last run of the page before.

        Raises RunNotFound when ``after`` is not known.
        """

    def run(self, run: str) -> Run:
        """One run."""

    def findings(
        self,
        run: str | None = None,
        *,
        severity: Collection[str] | None = None,
        check: str | None = None,
        cause: str | None = None,
        state: str | None = None,
        after: int = 0,
    ) -> list[StoredFinding]:
        """Findings of one run, or of all, the worst first; each filter narrows them."""

    def events(
        self,
        run: str,
        *,
        kinds: Collection[str] | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[Event]:
        """Events written after a revision, oldest first."""

    def series_keys(self, run: str) -> dict[SeriesKey, int]:
        """The series of a run in order of appearance, with their number of points."""

    def series(self, run: str, key: SeriesKey, *, after: int = 0) -> Points:
        """The points of a series from a position on, oldest first."""

    def blocks(self, run: str, key: SeriesKey) -> list[Block]:
        """The blocks of a series, oldest first."""

    def delete_run(self, run: str) -> None:
        """Forget a run; its journals are not touched."""

    def close(self) -> None:
        """Give back the connections."""
