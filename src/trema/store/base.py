"""What a store is.

A store is an index over run folders. Of a run it holds nothing that the folder does not hold, so
it can be dropped and rebuilt; losing it costs time, never data. A team server also keeps here what
people did and who may come in: actions and tokens are not part of a run and outlive it.

**Ingestion** takes in batches: the records between two byte offsets of the journal of one rank of
one run. A batch and its cursor are one transaction: after a crash both are there or neither.
Its place makes it idempotent:

- it begins at the stored cursor: it is applied and the cursor moves to its end;
- it ends at or before the stored cursor: it was applied before, nothing changes, the answer is 0;
- anything else overlaps or leaves a gap: :class:`CursorConflict` names the cursor to read from;
- its ``head`` differs from the stored one: it is another journal, :class:`JournalReplaced`.

What a program logs itself (records of the kind ``log``) becomes points of the fact ``log``: each
number by its step, under its name, of the phase ``validation`` where the name began with ``val_``,
which is taken off. No such record is an event, for there may be a million. An index in which an
earlier version kept them as events keeps those and goes on with points: nothing is read twice.
Rebuilding the index makes points of all of them.

Any number of processes may ingest at once. Records of unknown kinds and damaged records are
passed over: one bad record never blocks those behind it.

**Reading.** What is stored of a run only grows at its end, so readers follow it by cursor: events
and findings carry the run's ``revision`` at which they were written, and ``after=`` gives those
written later; a series is read from a ``position``, the count of points already seen. Whoever
has seen all revisions up to n misses nothing by asking for those after n.

**Changes.** Each write to a run, points too, sets its ``touched`` to the database's clock in
microseconds, and to more than before. Two databases behave differently: in PostgreSQL a
transaction can become visible after one that has a later time, and SQLite's clock counts
milliseconds. So whoever follows with ``touched(since)`` asks with an overlap of some seconds and
passes over what it has seen. A deleted run leaves its id and time in ``removed``; adding it again
takes that back.

**Absence.** An unknown run raises :class:`~trema.core.errors.RunNotFound`; a question about many
runs leaves it out. A fact that was not observed is an empty series, never an error and never
zero.

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
    """Which series of a run; for the fact ``metric`` the steps are epochs.

    The fact ``log`` is what a program logged itself, without the ``val_`` of its name.
    """

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
    first_step: int  # the least
    last_step: int  # the greatest
    minimum: float | None  # of the finite values
    maximum: float | None
    nonfinite: int  # values


@dataclass(frozen=True, kw_only=True)
class Touch:
    """A run that changed; ``touched`` is when, in microseconds by the database's clock."""

    run: str
    revision: int
    touched: int
    state: str
    updated: float


@dataclass(frozen=True, kw_only=True)
class FindingHead:
    """A finding over all its ranks without its document."""

    run: str
    id: str
    segment: int
    check: str
    cause: str
    severity: str
    state: str  # active, gone
    title: str
    layer: str | None
    rank: int  # 1 is what to fix first, 0 when not known
    explained: bool  # another finding explains it


@dataclass(frozen=True)
class Window:
    """Points of a series of numbers in the order of their steps, thinned to stretches.

    When ``thinned``, each stretch stands at its last step and the first point is a stretch of its
    own, so that the first and the last step stay. A stretch with NaN or ±inf shows the last of
    these as its value: a page can mark it. When not thinned, these are the points.

    steps : ndarray of shape (n,), int64; n is at most the width asked for
    values : ndarray of shape (n,), float64; the last value of each stretch
    low, high : ndarray of shape (n,), float64; extremes of the finite values of each stretch, NaN
        where it has none; None when not thinned
    position : the count of points of the whole series, for the next read
    """

    steps: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, np.int64))
    values: NDArray[np.float64] = field(default_factory=lambda: np.empty(0))
    low: NDArray[np.float64] | None = None
    high: NDArray[np.float64] | None = None
    thinned: bool = False
    position: int = 0


@dataclass(frozen=True, kw_only=True)
class Action:
    """What a person did; ``number`` counts up in the order in which the store learned of it."""

    number: int
    id: str
    time: float
    kind: str  # mute, unmute, tags, archive, delete …
    run: str | None
    data: Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Token:
    """A right to use a server; the secret itself is kept nowhere."""

    id: str
    name: str
    scope: str  # read, write
    created: float
    revoked: float | None = None


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

    def mark_killed(self, run: str) -> bool:
        """Set the ranks that have not ended to ``killed``; whether there were any.

        A later record brings a rank back to ``running``.
        """

    def put_source(self, run: str, path: str, text: str) -> None:
        """Keep a file that took part in a run; one of the same path is replaced.

        Raises UsageError when the path is empty or longer than 1,000 characters.
        """

    def delete_run(self, run: str) -> None:
        """Forget a run and all of it; its journals and what people did are not touched."""

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
        size: int | None = None,
    ) -> list[Event]:
        """Events written after a revision, oldest first; up to ``size`` bytes, but one at least."""

    def ends(self, runs: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """The newest ``end`` record of each run that has one; of several ranks the lowest's."""

    def series_keys(self, run: str) -> dict[SeriesKey, int]:
        """The series of a run in order of appearance, with their number of points."""

    def series(self, run: str, key: SeriesKey, *, after: int = 0) -> Points:
        """The points of a series from a position on, oldest first."""

    def blocks(self, run: str, key: SeriesKey) -> list[Block]:
        """The blocks of a series, oldest first."""

    def series_info(
        self,
        run: str,
        *,
        facts: Collection[str] | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[tuple[int, str, SeriesKey, int]]:
        """Series in order of appearance: cursor to pass as ``after``, digest, key and points."""

    def keys_of(self, runs: Collection[str], fact: str) -> dict[str, dict[SeriesKey, int]]:
        """The series of one fact of many runs, with their number of points."""

    def find_series(self, run: str, digests: Collection[str]) -> dict[str, SeriesKey]:
        """The series of these digests; those that are not known are left out."""

    def window(
        self,
        run: str,
        key: SeriesKey,
        *,
        start: int | None = None,
        end: int | None = None,
        width: int = 1000,
    ) -> Window:
        """The points from step ``start`` to step ``end``, both included, in ``width`` stretches.

        A stretch is an equal part of the steps, as a column of the screen is. Points that are
        arrays are left out. Raises UsageError for a width below 2.
        """

    def curves(self, wanted: Mapping[str, SeriesKey], width: int = 64) -> dict[str, Window]:
        """One series of each of many runs, thinned; runs and series not known are left out."""

    def rows_at(self, run: str, key: SeriesKey, *, start: int, end: int) -> Points:
        """The points from step ``start`` to step ``end``, both included, numbers or arrays."""

    def many_series(
        self,
        run: str,
        keys: Collection[SeriesKey],
        *,
        start: int | None = None,
        end: int | None = None,
    ) -> dict[SeriesKey, Points]:
        """As :meth:`rows_at` for many series in few queries; those without a point are left out."""

    def now(self) -> int:
        """The database's clock, in microseconds since 1970."""

    def touched(self, since: int = 0) -> list[Touch]:
        """Runs that changed after a time, oldest change first; ask with some seconds' overlap."""

    def removed(self, since: int = 0) -> list[tuple[str, int]]:
        """Runs deleted after a time, and when; ask with some seconds' overlap."""

    def heads(self, runs: Collection[str] | None = None) -> list[FindingHead]:
        """Findings of some runs, or of all, without their documents, the worst of a run first."""

    def sources(self, run: str) -> list[str]:
        """Paths of the files that took part in a run, sorted."""

    def source(self, run: str, path: str) -> str | None:
        """The text of a file that took part in a run; None when it was not kept."""

    def add_action(
        self, id: str, *, time: float, kind: str, run: str | None, data: Mapping[str, Any]
    ) -> bool:
        """Record what a person did; False when an action of this id is known.

        The run need not be known. Raises UsageError when the id or the run is empty or longer
        than 255 characters.
        """

    def actions(self, *, after: int = 0) -> list[Action]:
        """Actions after a number; whoever has seen all up to n misses nothing by asking so."""

    def add_token(self, token: Token, digest: str) -> None:
        """Keep a token by the digest of its secret.

        Raises UsageError when the scope is neither read nor write, or the id or digest is taken.
        """

    def token(self, digest: str) -> Token | None:
        """The token of this digest, also a revoked one."""

    def tokens(self) -> list[Token]:
        """All tokens, oldest first."""

    def revoke_token(self, id: str) -> bool:
        """Take a token out of force; False when it is unknown or was revoked before."""

    def claim(self, key: str) -> bool:
        """True for exactly one caller ever, over all processes."""

    def close(self) -> None:
        """Give back the connections."""
