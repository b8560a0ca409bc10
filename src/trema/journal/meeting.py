"""Where the processes of one launch find the folder of their run, and what they tell each other.

The first process that comes makes the run and writes its id into a file that can be created only
once; the others read it, and wait at most a second for it. What a rank tells goes into a small
file of its own beside its journal, which others read when they like.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from trema.core.numbers import dumps
from trema.journal.reader import Cursor, read

#: Seconds that the first process may take to make the run.
PATIENCE = 1.0
#: Seconds after which the id of a launch is forgotten.
FORGOTTEN = 7 * 86400
#: Bytes that a rank tells at most.
TOLD_LIMIT = 4 * 2**20
_ID = re.compile(r"[\w.-]{1,80}")


def agreed(root: Path, key: str, propose: Callable[[], str]) -> str:
    """The id of the run that all processes with this key share: what the first one proposes.

    Raises
    ------
    OSError
        When the folder cannot be written.
    TimeoutError
        When the first process did not write its id down.
    """
    folder = root / "meetings"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / key
    try:
        file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o644)
    except FileExistsError:
        return _decided(path)
    try:
        id = propose()
        os.write(file, f"{id}\n".encode())
    finally:
        os.close(file)
    _forget(folder)
    return id


def _decided(path: Path) -> str:
    until = time.monotonic() + PATIENCE
    while True:
        word, end, _ = path.read_text(encoding="utf-8", errors="replace").partition("\n")
        if end and _ID.fullmatch(word) and word.strip("."):
            return word
        if time.monotonic() > until:
            raise TimeoutError(f"{path} names no run")
        time.sleep(0.01)


def _forget(folder: Path) -> None:
    old = time.time() - FORGOTTEN
    for path in folder.iterdir():
        try:
            if path.stat().st_mtime < old:
                path.unlink()
        except OSError:
            continue  # another process was first


class Meeting:
    """What the ranks of a run tell each other: one file a rank.

    Parameters
    ----------
    folder : the folder of the run
    rank : of this process
    attempt : what was told by processes of another attempt is not heard
    """

    def __init__(self, folder: Path, rank: int, attempt: int = 0) -> None:
        self.rank = rank
        self._folder = folder
        self._attempt = attempt
        self._since = time.time() - 60.0  # of a run that goes on, what was told before is old
        self._told = 0
        self._pid = os.getpid()
        self._cursors: dict[int, Cursor] = {}
        self._heard: dict[int, list[dict[str, Any]]] = {rank: []}
        self._path(rank).unlink(missing_ok=True)

    def tell(self, kind: str, **fields: Any) -> None:
        """Tell the other ranks something; an error of the file system is no error of ours."""
        if os.getpid() != self._pid:
            return
        record = {"kind": kind, "attempt": self._attempt, "t": time.time(), **fields}
        self._heard[self.rank].append(record)
        data = f"{dumps(record)}\n".encode()
        if self._told + len(data) > TOLD_LIMIT:
            return
        self._told += len(data)
        try:
            file = os.open(self._path(self.rank), os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        except OSError:
            return
        try:
            os.write(file, data)
        except OSError:
            pass
        finally:
            os.close(file)

    def hear(self, ranks: Iterable[int]) -> dict[int, list[dict[str, Any]]]:
        """All that this rank and these ranks have told so far."""
        for rank in ranks:
            if rank == self.rank:
                continue
            try:
                records, end = read(self._path(rank), self._cursors.get(rank, Cursor()))
            except OSError:
                continue  # it has told nothing yet
            self._cursors[rank] = end
            self._heard.setdefault(rank, []).extend(filter(self._counts, records))
        return self._heard

    def _counts(self, record: dict[str, Any]) -> bool:
        told = record.get("t")
        return record.get("attempt") == self._attempt and (
            isinstance(told, int | float) and told >= self._since
        )

    def _path(self, rank: int) -> Path:
        return self._folder / f"told-{rank}.jsonl"
