"""The append-only log of one process: one unbuffered write a record.

A killed process loses nothing that was logged, because nothing waits in memory: each record
is one ``os.write`` of one line. A failed write (full disk, folder gone) never raises; the record
is counted as lost and the next one begins with a newline, so that a torn line stays alone.
"""

from __future__ import annotations

import os
import threading
import time
from pathlib import Path
from typing import Any

from trema.core.numbers import dumps

VERSION = 1
#: A record larger than this is dropped: a reader must be able to hold one.
RECORD_LIMIT = 8 * 2**20


class Journal:
    """Writes records to ``rank-<r>.jsonl``.

    Parameters
    ----------
    path : the file; its folder exists
    limit : bytes; past 80 % of it :attr:`crowded` asks the schedule to thin, past it only
        records marked ``important`` are written
    """

    def __init__(self, path: Path, *, rank: int = 0, limit: int = 256 * 2**20) -> None:
        self.path = path
        self.lost = 0  # records that could not be written
        self.size = 0
        self._rank = rank
        self._limit = limit
        self._torn = False
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | _CLOEXEC, 0o644)
        self.size = os.fstat(self._file).st_size

    @property
    def crowded(self) -> bool:
        """Whether the journal nears its limit."""
        return self.size > 0.8 * self._limit

    @property
    def outgrown(self) -> bool:
        """Whether another process has written to the file too."""
        try:
            return self._file >= 0 and os.fstat(self._file).st_size > self.size
        except OSError:
            return False

    def write(
        self,
        kind: str,
        *,
        step: int | None = None,
        segment: int = 0,
        important: bool = True,
        **fields: Any,
    ) -> bool:
        """Append one record; returns whether it is in the file."""
        record = {
            "v": VERSION,
            "t": round(time.time(), 6),
            "kind": kind,
            "step": step,
            "segment": segment,
            "rank": self._rank,
            **fields,
        }
        return self.write_line(dumps(record), important=important)

    def write_line(self, text: str, *, important: bool = True) -> bool:
        """Append one encoded record."""
        if os.getpid() != self._pid:  # a forked child stays silent
            return False
        data = text.encode("utf-8", "surrogatepass") + b"\n"
        if len(data) > RECORD_LIMIT or (self.size + len(data) > self._limit and not important):
            self.lost += 1
            return False
        with self._lock:
            if self._torn:
                data = b"\n" + data
            try:
                written = os.write(self._file, data)
            except OSError:
                self.lost += 1
                self._torn = True
                return False
            self.size += written
            self._torn = written != len(data)
            if self._torn:
                self.lost += 1
            return not self._torn

    def close(self) -> None:
        """Close the file; later writes are counted as lost."""
        with self._lock:
            if self._file >= 0:
                try:
                    os.close(self._file)
                except OSError:
                    pass
                self._file = -1


_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
