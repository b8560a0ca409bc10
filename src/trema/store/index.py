"""The index of a folder of runs: brought up to date from the journals."""

from __future__ import annotations

import hashlib
import logging
import os
import re
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from trema.core.errors import RunNotFound
from trema.journal.folder import RunFolder, list_runs
from trema.journal.reader import parse
from trema.store import open_store
from trema.store.base import Batch, CursorConflict, JournalReplaced, RunConflict, Store
from trema.store.replaying import Replay, keep_sources

#: Bytes of journal in one transaction: enough to be quick, little enough to hold in memory.
BATCH_BYTES = 4 * 2**20
#: Bytes of the first line that tell journals apart; it carries the time of its writing.
_HEAD_BYTES = 4096
_JOURNAL = re.compile(r"rank-(0|[1-9]\d{0,8})\.jsonl")
_TRIES = 3
_log = logging.getLogger(__name__)


def cache_folder() -> Path:
    """The user's local cache folder; nothing is created."""
    if sys.platform == "win32":
        given, default = os.environ.get("LOCALAPPDATA"), "AppData/Local"
    elif sys.platform == "darwin":
        given, default = None, "Library/Caches"
    else:
        given, default = os.environ.get("XDG_CACHE_HOME"), ".cache"
    if given and Path(given).is_absolute():  # a relative one is invalid by the XDG standard
        return Path(given) / "trema"
    try:
        return Path.home() / default / "trema"
    except RuntimeError:  # no home: a container with an unknown user
        return Path(tempfile.gettempdir()) / "trema"


def default_url(root: Path) -> str:
    """The URL of the SQLite index of this folder, in the user's cache and not beside the runs."""
    from sqlalchemy.engine import URL

    path = cache_folder() / "index" / f"{_mark(origin_of(root))}.db"
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def index_runs(root: Path, url: str | None = None, *, rebuild: bool = False) -> int:
    """Bring the index up to date with what is below ``root``; the records taken in.

    The journals and sources of the runs, and what people did, go into the store.

    Runs may still be writing, and other processes may index at the same time. Runs whose folder
    is gone leave the index. A journal that cannot be read is passed over with a log message.

    Parameters
    ----------
    root : the folder that holds ``runs``, usually ``.trema``
    url : the database, by default :func:`default_url`
    rebuild : drop the index first; in a shared database only the runs of this root

    Raises
    ------
    StoreError
        When the database cannot be opened.
    """
    store = _open(root, url, rebuild)
    try:
        origin = origin_of(root)
        if (root / "runs").is_dir():
            _forget_gone(store, root, origin)
        taken = sum(_index_whole(store, folder, origin) for folder in list_runs(root))
        Replay(store, root).step()
        return taken
    finally:
        store.close()


def _open(root: Path, url: str | None, rebuild: bool) -> Store:
    place = default_url(root) if url is None else url
    if not rebuild:
        return open_store(place)
    if not place.startswith("sqlite"):
        store = open_store(place)
        for run in runs_of(store, origin_of(root)):
            delete_run(store, run)
        return store
    from trema.store.connecting import drop

    drop(place)
    return open_store(place)


def origin_of(root: Path) -> str:
    """What tells runs of this folder from those of others in one database."""
    return str(root.resolve())


def _mark(text: str) -> str:
    data = os.path.normcase(text).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def runs_of(store: Store, origin: str) -> list[str]:
    """Ids of the runs that came from a folder."""
    return [run.id for run in store.runs(origin=origin, limit=2**31 - 1)]


def _forget_gone(store: Store, root: Path, origin: str) -> None:
    for run in runs_of(store, origin):
        if not (root / "runs" / run).is_dir():
            delete_run(store, run)


def delete_run(store: Store, run: str) -> None:
    """Forget a run, if the store knows it."""
    try:
        store.delete_run(run)
    except RunNotFound:
        pass  # another process was first


def _index_whole(store: Store, folder: RunFolder, origin: str) -> int:
    try:
        taken = index_run(store, folder, origin)
        if taken is not None:
            keep_sources(store, folder, ())
    except (OSError, RunConflict, RunNotFound) as error:
        _log.warning("run %s is not indexed: %s", folder.id, error)
        return 0
    return taken or 0


def index_run(store: Store, folder: RunFolder, origin: str) -> int | None:
    """Bring one run up to date; the records taken in, None when the folder holds no run.

    Raises
    ------
    OSError
        When a journal cannot be read.
    RunConflict
        When the store has a run of this id from another origin.
    RunNotFound
        When the run was deleted meanwhile, again and again.
    """
    found = [
        (path, rank) for path in folder.journals() if (rank := journal_rank(path.name)) is not None
    ]
    metadata = folder.metadata
    if not metadata and not found:
        return None
    for left in reversed(range(_TRIES)):  # replaced or deleted meanwhile: once more
        try:
            store.add_run(folder.id, metadata, origin=origin)
            return sum(_index_journal(store, folder.id, path, rank) for path, rank in found)
        except JournalReplaced:
            delete_run(store, folder.id)
        except RunNotFound:
            if not left:
                raise
    return 0


def journal_rank(name: str) -> int | None:
    """The rank whose journal has this file name; None when it is no journal."""
    match = _JOURNAL.fullmatch(name)
    return int(match[1]) if match else None


def _index_journal(store: Store, run: str, path: Path, rank: int) -> int:
    known = store.journals(run).get(rank)
    head = _head(path)
    if known and (path.stat().st_size < known.cursor or (known.head and known.head != head)):
        raise JournalReplaced(f"{path} is not the journal that was read before")
    cursor, taken = known.cursor if known else 0, 0
    while True:
        try:
            for batch in batches(path, run, rank, cursor, head):
                taken += store.ingest(batch)
                cursor = batch.end
            return taken
        except CursorConflict as conflict:  # another process reads the same journal
            cursor = conflict.expected


def _head(path: Path) -> str:
    with path.open("rb") as file:
        data = file.read(_HEAD_BYTES)
    line, newline, _ = data.partition(b"\n")
    whole = newline or len(data) == _HEAD_BYTES
    return hashlib.blake2b(line, digest_size=16).hexdigest() if whole else ""


def batches(
    path: Path, run: str, rank: int, start: int, head: str = "", size: int = BATCH_BYTES
) -> Iterator[Batch]:
    """The whole lines of a journal from a byte offset on, about ``size`` bytes at a time.

    A line that does not end in a newline is being written and is left for the next time; a
    line that is no record is torn and is skipped.

    Raises
    ------
    OSError
        When the journal cannot be read.
    """
    with path.open("rb") as file:
        file.seek(start)
        end, records = start, []
        for line in file:
            if not line.endswith(b"\n"):
                break
            end += len(line)
            record = parse(line)
            if record is not None:
                records.append(record)
            if end - start >= size:
                yield Batch(run=run, rank=rank, start=start, end=end, records=records, head=head)
                start, records = end, []
        if end > start:
            yield Batch(run=run, rank=rank, start=start, end=end, records=records, head=head)
