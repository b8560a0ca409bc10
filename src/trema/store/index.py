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

#: Bytes of journal in one transaction: enough to be quick, little enough to hold in memory.
BATCH_BYTES = 4 * 2**20
#: Bytes of the first line that tell journals apart; it carries the time of its writing.
_HEAD_BYTES = 4096
_JOURNAL = re.compile(r"rank-(0|[1-9]\d{0,8})\.jsonl")
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

    path = cache_folder() / "index" / f"{_mark(_origin(root))}.db"
    return URL.create("sqlite", database=str(path)).render_as_string(hide_password=False)


def index_runs(root: Path, url: str | None = None, *, rebuild: bool = False) -> int:
    """Bring the index up to date with the journals below ``root/runs``; the records taken in.

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
        origin = _origin(root)
        if (root / "runs").is_dir():
            _forget_gone(store, root, origin)
        return sum(_index_run(store, folder, origin) for folder in list_runs(root))
    finally:
        store.close()


def _open(root: Path, url: str | None, rebuild: bool) -> Store:
    place = default_url(root) if url is None else url
    if not rebuild:
        return open_store(place)
    if not place.startswith("sqlite"):
        store = open_store(place)
        for run in _runs_of(store, _origin(root)):
            _delete(store, run)
        return store
    from trema.store.connecting import drop

    drop(place)
    return open_store(place)


def _origin(root: Path) -> str:
    return str(root.resolve())


def _mark(text: str) -> str:
    data = os.path.normcase(text).encode("utf-8", "surrogatepass")
    return hashlib.blake2b(data, digest_size=12).hexdigest()


def _runs_of(store: Store, origin: str) -> list[str]:
    return [run.id for run in store.runs(origin=origin, limit=2**31 - 1)]


def _forget_gone(store: Store, root: Path, origin: str) -> None:
    for run in _runs_of(store, origin):
        if not (root / "runs" / run).is_dir():
            _delete(store, run)


def _delete(store: Store, run: str) -> None:
    try:
        store.delete_run(run)
    except RunNotFound:
        pass  # another process was first


def _index_run(store: Store, folder: RunFolder, origin: str) -> int:
    found = [(path, match) for path in folder.journals() if (match := _rank(path))]
    metadata = folder.metadata
    if not metadata and not found:
        return 0
    for _ in range(3):  # the journal was replaced, or the run deleted meanwhile: once more
        try:
            store.add_run(folder.id, metadata, origin=origin)
            return sum(_index_journal(store, folder.id, path, int(m[1])) for path, m in found)
        except JournalReplaced:
            _delete(store, folder.id)
        except RunNotFound:
            continue
        except (OSError, RunConflict) as error:
            _log.warning("run %s is not indexed: %s", folder.id, error)
            return 0
    return 0


def _rank(path: Path) -> re.Match[str] | None:
    return _JOURNAL.fullmatch(path.name)


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
