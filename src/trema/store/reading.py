"""Reading runs: themselves, their journals, findings, events and sources, and what changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, select, tuple_
from sqlalchemy import and_ as both

from trema.store.base import Event, FindingHead, JournalState, Run, StoredFinding, Touch
from trema.store.clock import now
from trema.store.connecting import reading
from trema.store.database import Database, each_of, run_key, run_row
from trema.store.joining import joined, joined_heads, urgency
from trema.store.schema import events, findings, journals, removed, sources
from trema.store.schema import runs as run_table
from trema.store.upserting import short_name

#: Revisions: the end of a run is among its last events and findings.
_TAIL = 500
_HEAD = ("id", "segment", "check", "cause", "severity", "state", "title", "layer", "explained")


class Reading(Database):
    """What reads the runs of a store."""

    def journals(self, run: str) -> dict[int, JournalState]:
        """How far the journal of each rank has been read."""
        with reading(self._engine) as db:
            row = run_row(db, run)
            known = db.execute(
                select(journals).where(journals.c.run == row.key).order_by(journals.c.rank)
            )
            return {item.rank: JournalState(item.cursor, item.head, item.state) for item in known}

    def runs(
        self, *, after: str | None = None, limit: int = 100, origin: str | None = None
    ) -> list[Run]:
        """Runs, newest first; ``after`` is the id of the last run of the page before."""
        query = (
            select(run_table)
            .order_by(run_table.c.started.desc(), run_table.c.id.desc())
            .limit(limit)
        )
        if origin is not None:
            query = query.where(run_table.c.origin == origin)
        with self._engine.connect() as db:
            if after is not None:
                last = run_row(db, after)
                older = run_table.c.started < last.started
                query = query.where(
                    older | both(run_table.c.started == last.started, run_table.c.id < last.id)
                )
            return [_run(row) for row in db.execute(query)]

    def run(self, run: str) -> Run:
        """One run."""
        with self._engine.connect() as db:
            return _run(run_row(db, run))

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
                narrowing.append(column.run == run_key(db, run))
            query = _all_ranks(narrowing)
            if run is not None:  # again: SQLite would look through the findings of all runs
                query = query.where(narrowing[-1])
            rows = db.execute(query).all()
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
        size: int | None = None,
    ) -> list[Event]:
        """Events written after a revision, oldest first; up to ``size`` bytes, but one at least."""
        with reading(self._engine) as db:
            row = run_row(db, run)
            query = select(events).where(events.c.run == row.key, events.c.revision > after)
            if kinds is not None:
                query = query.where(events.c.kind.in_(list(kinds)))
            query = query.order_by(events.c.revision).limit(limit)
            if size is not None:
                query = query.where(events.c.revision <= _last_within(db, query, size))
            found = db.execute(query)
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

    def ends(self, runs: Collection[str]) -> dict[str, Mapping[str, Any]]:
        """The newest ``end`` record of each run that has one; of several ranks the lowest's."""
        query = (
            select(run_table.c.id.label("run_id"), events.c.rank, events.c.record)
            .join(run_table, run_table.c.key == events.c.run)
            .where(events.c.kind == "end")
            .order_by(events.c.run, events.c.revision)
        )
        late = query.where(
            events.c.revision > run_table.c.revision - _TAIL
        )  # few rows are looked at
        found: dict[str, tuple[int, str]] = {}
        with reading(self._engine) as db:
            for some in (late, query):
                missing = [run for run in runs if run not in found]
                for row in each_of(db, some, run_table.c.id, missing):
                    known = found.get(row.run_id)
                    if known is None or row.rank <= known[0]:
                        found[row.run_id] = (row.rank, row.record)
        return {run: json.loads(record) for run, (_, record) in found.items()}

    def heads(self, runs: Collection[str] | None = None) -> list[FindingHead]:
        """Findings of some runs, or of all, without their documents, the worst of a run first."""
        column = findings.c
        query = select(
            run_table.c.id.label("run_id"),
            column.rank,
            column.priority,
            *(column[name] for name in _HEAD),
        ).join(run_table, run_table.c.key == column.run)
        with reading(self._engine) as db:
            rows = db.execute(query) if runs is None else each_of(db, query, run_table.c.id, runs)
            parts = [
                (rank, FindingHead(run=run, rank=priority, **dict(zip(_HEAD, rest, strict=True))))
                for run, rank, priority, *rest in map(tuple, rows)
            ]
        return joined_heads(parts)

    def sources(self, run: str) -> list[str]:
        """Paths of the files that took part in a run, sorted."""
        with reading(self._engine) as db:
            query = select(sources.c.path).where(sources.c.run == run_key(db, run))
            return sorted(db.execute(query).scalars())

    def source(self, run: str, path: str) -> str | None:
        """The text of a file that took part in a run; None when it was not kept."""
        with reading(self._engine) as db:
            query = select(sources.c.text).where(
                sources.c.run == run_key(db, run), sources.c.digest == short_name([path])
            )
            data = db.execute(query).scalar_one_or_none()
        return None if data is None else bytes(data).decode("utf-8", "surrogatepass")

    def now(self) -> int:
        """The database's clock, in microseconds since 1970."""
        with self._engine.connect() as db:
            return int(db.execute(select(now(db.dialect.name))).scalar_one())

    def touched(self, since: int = 0) -> list[Touch]:
        """Runs that changed after a time, oldest change first; ask with some seconds' overlap."""
        names = ("revision", "touched", "state", "updated")
        query = (
            select(run_table.c.id.label("run"), *(run_table.c[name] for name in names))
            .where(run_table.c.touched > since)
            .order_by(run_table.c.touched, run_table.c.id)
        )
        with reading(self._engine) as db:
            return [Touch(**row._mapping) for row in db.execute(query)]

    def removed(self, since: int = 0) -> list[tuple[str, int]]:
        """Runs deleted after a time, and when; ask with some seconds' overlap."""
        query = select(removed).where(removed.c.touched > since)
        with reading(self._engine) as db:
            found = db.execute(query.order_by(removed.c.touched, removed.c.id))
            return [(row.id, row.touched) for row in found]


def _last_within(db: Connection, query: Select[Any], size: int) -> int:
    """The revision of the last of these events up to a size, which is told without reading them."""
    last, length = 0, func.length(events.c.record)  # ASCII
    for revision, bytes in db.execute(query.with_only_columns(events.c.revision, length)):
        size -= bytes
        if last and size < 0:
            break
        last = revision
    return last


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
    query = select(findings, run_table.c.id.label("run_id")).join(
        run_table, run_table.c.key == column.run
    )
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
