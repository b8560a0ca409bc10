"""Following a folder of runs that are being written: each step reads what is new."""

from __future__ import annotations

import logging
import os
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trema.journal.folder import RunFolder, alive
from trema.store import open_store
from trema.store.base import Store
from trema.store.index import default_url, delete_run, index_run, journal_rank, origin_of, runs_of
from trema.store.replaying import Replay, keep_sources

#: Seconds without a record after which a run whose process is gone counts as killed.
QUIET = 2.0
#: The same where other processes may write too: several ranks, or a run that was resumed.
QUIET_SHARED = 60.0
#: Seconds for which a folder that changed is looked through again: its time may be coarse.
_FRESH = 2.0
#: Seconds until a run that could not be indexed is tried again.
_RETRY = 10.0
_log = logging.getLogger(__name__)


@dataclass
class _Seen:
    """What a run's folder was like when it was indexed."""

    folder: int = -1  # nanoseconds
    files: list[str] = field(default_factory=list)  # run.json and journals
    marks: list[tuple[int, int]] = field(default_factory=list)  # nanoseconds and bytes of each
    sources: dict[str, str] = field(default_factory=dict)
    metadata: dict[str, Any] = field(default_factory=dict)
    running: bool = False
    retry: float = 0.0


class Follower:
    """Keeps a store up to date with a folder of runs.

    One thread calls :meth:`step`; other processes may index the same folder at the same time.

    Parameters
    ----------
    root : the folder that holds ``runs``, usually ``.trema``; it need not exist yet
    store : a store, or the URL of one, by default :func:`~trema.store.index.default_url`
    """

    def __init__(self, root: Path, store: Store | str | None = None) -> None:
        self._owned = store is None or isinstance(store, str)
        self.store: Store = (
            open_store(store or default_url(root))
            if store is None or isinstance(store, str)
            else store
        )
        self._root = root
        self._origin = origin_of(root)
        self._replay = Replay(self.store, root)
        self._seen: dict[str, _Seen] = {}
        self._problems: dict[str, str] = {}
        self._started = False

    @property
    def problems(self) -> list[str]:
        """What cannot be indexed now, one sentence each."""
        return list(self._problems.values())

    def step(self) -> int:
        """Take in what was written since the last step; the number of records.

        Runs whose folder is gone leave the store. A run of this machine that ended without a word
        is marked as killed. A run that cannot be indexed is a problem and holds up no other.

        Raises
        ------
        sqlalchemy.exc.OperationalError
            When the database cannot be used at all.
        """
        taken = 0
        present = self._present()
        if present is not None:
            self._forget(present)
            taken = sum(self._look(name, path) for name, path in present.items())
        self._replay.step()
        return taken

    def close(self) -> None:
        """Close the store if it was opened here."""
        if self._owned:
            self.store.close()

    def _present(self) -> dict[str, str] | None:
        try:
            with os.scandir(self._root / "runs") as entries:
                return {entry.name: entry.path for entry in entries if entry.is_dir()}
        except OSError:  # not there yet, or not to be reached: forget nothing
            return None

    def _forget(self, present: dict[str, str]) -> None:
        known = set(self._seen)
        if not self._started:
            known.update(runs_of(self.store, self._origin))
            self._started = True
        for run in known - present.keys():
            delete_run(self.store, run)
            self._seen.pop(run, None)
            self._problems.pop(run, None)

    def _look(self, name: str, path: str) -> int:
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Seen()
        elif seen.retry and time.monotonic() < seen.retry:
            return 0
        try:
            folder, files = os.stat(path).st_mtime_ns, seen.files
            if folder != seen.folder or time.time_ns() - folder < _FRESH * 1e9:
                files = _files_of(path)
            marks = [((s := os.stat(file)).st_mtime_ns, s.st_size) for file in files]
            if marks != seen.marks or folder != seen.folder:
                taken = self._index(RunFolder(Path(path)), seen)
                seen.folder, seen.files, seen.marks = folder, files, marks
                return taken
            if seen.running and not alive(seen.metadata):
                self._bury(name, seen)
        except Exception as error:  # it must not hold up the other runs
            if _unusable(error):
                raise
            seen.retry = time.monotonic() + _RETRY
            if os.path.isdir(path):
                self._problem(name, error)
        return 0

    def _index(self, folder: RunFolder, seen: _Seen) -> int:
        taken = index_run(self.store, folder, self._origin)
        seen.retry = 0.0
        self._problems.pop(folder.id, None)
        if taken is None:  # an empty folder
            return 0
        kept = self.store.sources(folder.id)  # a run that was read anew has lost them
        known = {seen.sources[path] for path in kept if path in seen.sources}
        seen.sources = keep_sources(self.store, folder, known)
        seen.metadata = folder.metadata
        seen.running = self.store.run(folder.id).state == "running"
        return taken

    def _bury(self, run: str, seen: _Seen) -> None:
        """Mark a run as killed when nobody writes to it any more."""
        silent = time.time() - max((mark[0] for mark in seen.marks), default=0) / 1e9
        if silent < QUIET:
            return
        # each process that joins a run begins with a record of its own
        writers = len(self.store.events(run, kinds={"run"}))
        if writers > 1 and silent < QUIET_SHARED:
            return
        self.store.mark_killed(run)
        seen.running = False

    def _problem(self, run: str, error: Exception) -> None:
        text = f"run {run} is not indexed: {error}"
        if self._problems.get(run) != text:
            _log.warning("%s", text)
        self._problems[run] = text


def _unusable(error: Exception) -> bool:
    from sqlalchemy.exc import OperationalError

    return isinstance(error, OperationalError)


def _files_of(path: str) -> list[str]:
    with os.scandir(path) as entries:
        return sorted(
            entry.path
            for entry in entries
            if (entry.name == "run.json" or journal_rank(entry.name) is not None)
            and entry.is_file(follow_symlinks=False)
        )
