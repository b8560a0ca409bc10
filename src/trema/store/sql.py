"""The store on SQLite or PostgreSQL, by SQLAlchemy Core."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
from sqlalchemy import ColumnElement, Connection, Row, Select, delete, select, tuple_, update
from sqlalchemy import and_ as both

from trema.core.errors import RunNotFound, UsageError
from trema.store.base import (
    Batch,
    Block,
    CursorConflict,
    Event,
    JournalReplaced,
    JournalState,
    Points,
    Run,
    RunConflict,
    SeriesKey,
    StoredFinding,
)
from trema.store.connecting import open_engine, prepare, writing
from trema.store.joining import joined, urgency
from trema.store.packing import unpack
from trema.store.records import WORD_LIMIT, Intake, moment, take_in, to_text
from trema.store.schema import blocks, events, findings, journals, runs, series
from trema.store.upserting import digest, upsert, write_findings, write_points


class SqlStore:
    """A :class:`~trema.store.base.Store` in a database; opening it brings the tables up to date.

    Parameters
    ----------
    url : ``sqlite:///file`` or ``postgresql+psycopg://user@host/database``

    Raises
    ------
    StoreError
        When the database cannot be opened, or was written by a newer Trema.
    UsageError
        When the URL names another kind of database.
    """

    def __init__(self, url: str) -> None:
        self._engine = open_engine(url)
        try:
            prepare(self._engine)
        except BaseException:
            self._engine.dispose()
            raise

    @property
    def shared(self) -> bool:
        """Whether others may keep their runs here."""
        return self._engine.dialect.name != "sqlite"

    # writing ------------------------------------------------------------------------------

    def add_run(self, run: str, metadata: Mapping[str, Any], *, origin: str = "") -> None:
        """Make the run known, or bring what is known of it up to date."""
        if not 0 < len(run) <= WORD_LIMIT:
            raise UsageError(
                f"expected a run id of 1 to {WORD_LIMIT} characters but got {len(run)}"
            )
        described = {
            "name": str(metadata.get("name", run)),
            "framework": str(metadata.get("framework", "other")),
            "started": moment(metadata.get("started")),
            "metadata": to_text(metadata),
        }
        with self._engine.connect() as db:
            if self._up_to_date(db, run, described, origin):
                return
        with writing(self._engine) as db:
            new = {"id": run, "origin": origin, "state": "running", "updated": 0.0, "revision": 0}
            upsert(db, runs, [{**new, **described}], ["id"])
            if self._up_to_date(db, run, described, origin):
                return
            db.execute(update(runs).where(runs.c.id == run).values(**described))

    def _up_to_date(
        self, db: Connection, run: str, described: Mapping[str, Any], origin: str
    ) -> bool:
        known = db.execute(select(runs).where(runs.c.id == run)).one_or_none()
        if known is None:
            return False
        if known.origin != origin:
            raise RunConflict(
                f"expected run {run!r} from {known.origin!r} but got it from {origin!r}: "
                "use another database, or delete the run there"
            )
        return all(known._mapping[name] == value for name, value in described.items())

    def ingest(self, batch: Batch) -> int:
        """Take in a batch; the number of records taken in."""
        intake = take_in(batch.records, batch.rank)
        with writing(self._engine) as db:
            run = self._row(db, batch.run, lock=True)
            if not self._due(db, run.key, batch):
                return 0
            revision = self._write_events(db, run, batch.rank, intake)
            revision = write_findings(db, run.key, batch.rank, revision, intake.findings)
            write_points(db, run.key, intake.points)
            self._move_cursor(db, run.key, batch, intake)
            state, exit_code = self._state(db, run.key)
            db.execute(
                update(runs)
                .where(runs.c.key == run.key)
                .values(
                    revision=revision,
                    state=state,
                    exit_code=exit_code,
                    updated=max(run.updated, intake.updated),
                )
            )
        return intake.taken

    def _due(self, db: Connection, run: int, batch: Batch) -> bool:
        known = db.execute(
            select(journals).where(journals.c.run == run, journals.c.rank == batch.rank)
        ).one_or_none()
        cursor = known.cursor if known else 0
        if known and known.head and batch.head and known.head != batch.head:
            raise JournalReplaced(
                f"the journal of rank {batch.rank} of run {batch.run!r} is not the one that was "
                "read before: delete the run from the store and read it again"
            )
        if batch.end <= cursor:
            return False
        if batch.start != cursor:
            raise CursorConflict(batch.run, batch.rank, batch.start, cursor)
        return True

    def _write_events(self, db: Connection, run: Row[Any], rank: int, intake: Intake) -> int:
        revision: int = run.revision
        rows = []
        for found in intake.events:
            revision += 1
            rows.append({**found, "run": run.key, "rank": rank, "revision": revision})
        if rows:
            db.execute(events.insert(), rows)
        return revision

    def _move_cursor(self, db: Connection, run: int, batch: Batch, intake: Intake) -> None:
        row = {"run": run, "rank": batch.rank, "cursor": batch.end, "head": batch.head}
        change = {"cursor": batch.end, **({"head": batch.head} if batch.head else {})}
        if intake.state is not None:
            change |= {"state": intake.state, "exit_code": intake.exit_code}
        new = {"state": "running", "exit_code": None, **row, **change}
        upsert(db, journals, [new], ["run", "rank"], change)

    def _state(self, db: Connection, run: int) -> tuple[str, int | None]:
        known = db.execute(
            select(journals.c.state, journals.c.exit_code)
            .where(journals.c.run == run)
            .order_by(journals.c.rank)
        ).all()
        bad = [row for row in known if row.state not in ("running", "finished")]
        first = (bad or known)[0]
        return first.state, first.exit_code

    def delete_run(self, run: str) -> None:
        """Forget a run; its journals are not touched."""
        with writing(self._engine) as db:
            row = self._row(db, run, lock=True)
            db.execute(delete(runs).where(runs.c.key == row.key))  # the rest cascades

    # reading ------------------------------------------------------------------------------

    def journals(self, run: str) -> dict[int, JournalState]:
        """How far the journal of each rank has been read."""
        with self._engine.connect() as db:
            row = self._row(db, run)
            known = db.execute(
                select(journals).where(journals.c.run == row.key).order_by(journals.c.rank)
            )
            return {item.rank: JournalState(item.cursor, item.head, item.state) for item in known}

    def runs(
        self, *, after: str | None = None, limit: int = 100, origin: str | None = None
    ) -> list[Run]:
        """Runs, newest first; ``after`` is the id of the last run of the page before."""
        query = select(runs).order_by(runs.c.started.desc(), runs.c.id.desc()).limit(limit)
        if origin is not None:
            query = query.where(runs.c.origin == origin)
        with self._engine.connect() as db:
            if after is not None:
                last = self._row(db, after)
                older = runs.c.started < last.started
                query = query.where(
                    older | both(runs.c.started == last.started, runs.c.id < last.id)
                )
            return [_run(row) for row in db.execute(query)]

    def run(self, run: str) -> Run:
        """One run."""
        with self._engine.connect() as db:
            return _run(self._row(db, run))

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
        column = findings.c
        narrowing: list[ColumnElement[bool]] = []
        if severity is not None:
            narrowing.append(column.severity.in_(list(severity)))
        if check is not None:
            narrowing.append(column.check == check)
        if after:
            narrowing.append(column.revision > after)
        with self._engine.connect() as db:
            if run is not None:
                narrowing.append(column.run == self._row(db, run).key)
            rows = db.execute(_all_ranks(narrowing)).all()
        return [
            finding
            for finding in _by_identity(rows)
            if (severity is None or finding.severity in severity)
            and (check is None or finding.check == check)
            and (cause is None or finding.cause == cause)
            and (state is None or finding.state == state)
        ]

    def events(
        self,
        run: str,
        *,
        kinds: Collection[str] | None = None,
        after: int = 0,
        limit: int | None = None,
    ) -> list[Event]:
        """Events written after a revision, oldest first."""
        with self._engine.connect() as db:
            row = self._row(db, run)
            query = select(events).where(events.c.run == row.key, events.c.revision > after)
            if kinds is not None:
                query = query.where(events.c.kind.in_(list(kinds)))
            found = db.execute(query.order_by(events.c.revision).limit(limit))
            return [
                Event(
                    revision=item.revision,
                    rank=item.rank,
                    segment=item.segment,
                    kind=item.kind,
                    step=item.step,
                    record=json.loads(item.record),
                )
                for item in found
            ]

    def series_keys(self, run: str) -> dict[SeriesKey, int]:
        """The series of a run in order of appearance, with their number of points."""
        with self._engine.connect() as db:
            row = self._row(db, run)
            found = db.execute(select(series).where(series.c.run == row.key).order_by(series.c.key))
            return {
                SeriesKey(
                    fact=item.fact,
                    name=item.name,
                    phase=item.phase,
                    segment=item.segment,
                    rank=item.rank,
                ): item.points
                for item in found
            }

    def series(self, run: str, key: SeriesKey, *, after: int = 0) -> Points:
        """The points of a series from a position on, oldest first."""
        columns = (
            blocks.c.start,
            blocks.c.count,
            blocks.c.shape,
            blocks.c.steps,
            blocks.c["values"],
        )
        found = self._blocks(run, key, columns, after)
        if not found:
            return Points(position=after)
        newest = found[-1]
        steps, values = [], []
        for item in found:
            if item.shape == newest.shape:
                _, indices, numbers = unpack(item.shape, item.steps, item._mapping["values"])
                skipped = max(0, after - item.start)
                steps.append(indices[skipped:])
                values.append(numbers[skipped:])
        end = newest.start + newest._mapping["count"]
        return Points(np.concatenate(steps), np.concatenate(values), end)

    def blocks(self, run: str, key: SeriesKey) -> list[Block]:
        """The blocks of a series, oldest first."""
        names = ("count", "first_step", "last_step", "minimum", "maximum", "nonfinite")
        found = self._blocks(run, key, [blocks.c[name] for name in names], 0)
        return [Block(**item._mapping) for item in found]

    def _blocks(
        self, run: str, key: SeriesKey, columns: Sequence[ColumnElement[Any]], after: int
    ) -> list[Row[Any]]:
        with self._engine.connect() as db:
            row = self._row(db, run)
            query = (
                select(*columns)
                .join(series, series.c.key == blocks.c.series)
                .where(series.c.run == row.key, series.c.digest == digest(key))
                .where(blocks.c.start + blocks.c.count > after)
                .order_by(blocks.c.number)
            )
            return list(db.execute(query))

    def _row(self, db: Connection, run: str, *, lock: bool = False) -> Row[Any]:
        query = select(runs).where(runs.c.id == run)
        row = db.execute(query.with_for_update() if lock else query).one_or_none()
        if row is None:
            raise RunNotFound(f"the store has no run {run!r}: index it, or list the runs it has")
        return row

    def close(self) -> None:
        """Give back the connections."""
        self._engine.dispose()


def _run(row: Row[Any]) -> Run:
    return Run(
        id=row.id,
        name=row.name,
        framework=row.framework,
        state=row.state,
        exit_code=row.exit_code,
        started=row.started,
        updated=row.updated,
        revision=row.revision,
        origin=row.origin,
        metadata=json.loads(row._mapping["metadata"]),
    )


def _all_ranks(narrowing: Sequence[ColumnElement[bool]]) -> Select[Any]:
    """Rows of all ranks of the findings of which one row fits."""
    column = findings.c
    identity = (column.run, column.segment, column.id)
    query = select(findings, runs.c.id.label("run_id")).join(runs, runs.c.key == column.run)
    if not narrowing:
        return query
    return query.where(tuple_(*identity).in_(select(*identity).where(*narrowing)))


def _by_identity(rows: Sequence[Row[Any]]) -> list[StoredFinding]:
    parts: dict[tuple[int, int, str], list[StoredFinding]] = {}
    for row in rows:
        part = StoredFinding(
            run=row.run_id,
            id=row.id,
            segment=row.segment,
            check=row.check,
            cause=row.cause,
            severity=row.severity,
            state=row.state,
            ranks=(row.rank,),
            revision=row.revision,
            document=json.loads(row.document),
        )
        parts.setdefault((row.run, row.segment, row.id), []).append(part)
    return sorted((joined(group) for group in parts.values()), key=urgency)
