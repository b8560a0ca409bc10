"""Writing to a store: runs, batches of their journals, their sources."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Row, Update, bindparam, delete, select, update

from trema.core.errors import UsageError
from trema.journal.merging import joined_state
from trema.store.base import Batch, CursorConflict, JournalReplaced, RunConflict
from trema.store.clock import later, now
from trema.store.connecting import reading, writing
from trema.store.database import Database, run_row
from trema.store.records import WORD_LIMIT, Intake, moment, take_in, to_text
from trema.store.schema import events, journals, removed, runs, sources
from trema.store.upserting import replace, short_name, upsert, write_findings, write_points

#: Characters of the path of a source file.
PATH_LIMIT = 1000


class Ingesting(Database):
    """What writes to the runs of a store."""

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
        with reading(self._engine) as db:
            if self._up_to_date(db, run, described, origin):
                return
        with writing(self._engine) as db:
            gone = db.execute(select(removed).where(removed.c.id == run)).one_or_none()
            db.execute(delete(removed).where(removed.c.id == run))
            new = {
                "id": run,
                "origin": origin,
                "state": "running",
                "updated": 0.0,
                "revision": 0,
                "touched": gone.touched if gone else 0,
            }
            upsert(db, runs, [{**new, **described}], ["id"])
            self._up_to_date(db, run, described, origin)  # another process may have been first
            changed = {**described, "touched": later(db.dialect.name, runs.c.touched)}
            db.execute(update(runs).where(runs.c.id == run).values(**changed))

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
            run = run_row(db, batch.run, lock=True)
            known = {row.rank: row for row in db.execute(_JOURNALS, {"of": run.key})}
            if not _due(known.get(batch.rank), batch):
                return 0
            revision = self._write_events(db, run, batch.rank, intake)
            revision = write_findings(db, run.key, batch.rank, revision, intake.findings)
            write_points(db, run.key, intake.points)
            ends = {rank: (row.state, row.exit_code) for rank, row in known.items()}
            ends[batch.rank] = _end(ends.get(batch.rank), intake)
            self._move_cursor(db, run.key, batch, ends[batch.rank], new=batch.rank not in known)
            state, exit_code = _joined(ends)
            new = {
                "of": run.key,
                "new_revision": revision,
                "new_state": state,
                "new_exit_code": exit_code,
                "new_updated": max(run.updated, intake.updated),
            }
            db.execute(_moved_on(db.dialect.name), new)
        return intake.taken

    def _write_events(self, db: Connection, run: Row[Any], rank: int, intake: Intake) -> int:
        revision: int = run.revision
        rows = []
        for found in intake.events:
            revision += 1
            rows.append({**found, "run": run.key, "rank": rank, "revision": revision})
        if rows:
            db.execute(events.insert(), rows)
        return revision

    def _move_cursor(
        self, db: Connection, run: int, batch: Batch, end: tuple[str, int | None], *, new: bool
    ) -> None:
        row = {"cursor": batch.end, "state": end[0], "exit_code": end[1]}
        if new or batch.head:
            row["head"] = batch.head
        if new:
            db.execute(journals.insert(), {**row, "run": run, "rank": batch.rank})
        else:
            of_rank = (journals.c.run == run) & (journals.c.rank == batch.rank)
            db.execute(update(journals).where(of_rank).values(**row))

    def mark_killed(self, run: str) -> bool:
        """Set the ranks that have not ended to ``killed``; whether there were any."""
        with writing(self._engine) as db:
            row = run_row(db, run, lock=True)
            if row.state != "running":
                return False
            running = (journals.c.run == row.key) & (journals.c.state == "running")
            db.execute(update(journals).where(running).values(state="killed", exit_code=None))
            db.execute(
                update(runs)
                .where(runs.c.key == row.key)
                .values(
                    state="killed", exit_code=None, touched=later(db.dialect.name, runs.c.touched)
                )
            )
            return True

    def put_source(self, run: str, path: str, text: str) -> None:
        """Keep a file that took part in a run; one of the same path is replaced."""
        if not 0 < len(path) <= PATH_LIMIT:
            raise UsageError(f"expected a path of 1 to {PATH_LIMIT} characters but got {len(path)}")
        data = text.encode("utf-8", "surrogatepass")
        with writing(self._engine) as db:
            row = run_row(db, run, lock=True)
            new = {"run": row.key, "digest": short_name([path]), "path": path, "text": data}
            replace(db, sources, [new], ["run", "digest"])
            _touch(db, row.key)

    def delete_run(self, run: str) -> None:
        """Forget a run and all of it; its journals and what people did are not touched."""
        with writing(self._engine) as db:
            row = run_row(db, run, lock=True)
            db.execute(delete(runs).where(runs.c.key == row.key))  # the rest cascades
            when = max(row.touched + 1, db.execute(select(now(db.dialect.name))).scalar_one())
            replace(db, removed, [{"id": run, "touched": when}], ["id"])


_JOURNALS = select(journals).where(journals.c.run == bindparam("of"))


@lru_cache
def _moved_on(dialect: str) -> Update:
    """The statement for the row of a run that took in a batch."""
    names = ("revision", "state", "exit_code", "updated")
    new: dict[str, Any] = {name: bindparam(f"new_{name}") for name in names}
    new["touched"] = later(dialect, runs.c.touched)
    return update(runs).where(runs.c.key == bindparam("of")).values(**new)


def _due(known: Row[Any] | None, batch: Batch) -> bool:
    """Whether a batch is not applied yet."""
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


def _end(known: tuple[str, int | None] | None, intake: Intake) -> tuple[str, int | None]:
    """State and exit code of a rank after its records."""
    if intake.state is not None:
        return intake.state, intake.exit_code
    if known is None or (known[0] == "killed" and intake.taken):
        return "running", None  # it was not killed after all
    return known


def _joined(ends: Mapping[int, tuple[str, int | None]]) -> tuple[str, int | None]:
    """State and exit code of a run by those of its ranks."""
    state, exit_code = joined_state([ends[rank] for rank in sorted(ends)])
    return state, exit_code


def _touch(db: Connection, run: int) -> None:
    db.execute(
        update(runs).where(runs.c.key == run).values(touched=later(db.dialect.name, runs.c.touched))
    )
