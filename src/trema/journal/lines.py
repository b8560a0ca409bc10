"""Pieces of a journal to be sent: whole lines from a byte offset on, held in bounded memory."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from trema.journal.writer import RECORD_LIMIT

#: A longer line is no record of Trema: it is left out.
LINE_LIMIT = RECORD_LIMIT + 2  # a newline before it after a torn one, and its own
_CHUNK = 1 << 20
#: Bytes of the first line that tell journals apart; it carries the time of its writing.
_HEAD_BYTES = 4096


@dataclass(frozen=True)
class Piece:
    """Consecutive bytes of a journal.

    data : whole lines; empty for one line that is too long to be read
    """

    start: int
    end: int
    data: bytes

    @property
    def single(self) -> bool:
        """Whether it is one line only."""
        return self.data.find(b"\n") in (-1, len(self.data) - 1)


def head_of(path: Path) -> str:
    """A mark of the journal's first line, "" while that is being written.

    Raises
    ------
    OSError
        When the journal cannot be read.
    """
    with path.open("rb") as file:
        data = file.read(_HEAD_BYTES)
    line, newline, _ = data.partition(b"\n")
    whole = newline or len(data) == _HEAD_BYTES
    return hashlib.blake2b(line, digest_size=16).hexdigest() if whole else ""


def begins_line(path: Path, offset: int) -> bool:
    """Whether a line of the journal begins at this offset, or will.

    Raises
    ------
    OSError
        When the journal cannot be read.
    """
    if offset == 0:
        return True
    with path.open("rb") as file:
        file.seek(offset - 1)
        return file.read(1) == b"\n"


def next_piece(path: Path, start: int, size: int) -> Piece | None:
    """The whole lines from ``start`` on, at most ``size`` bytes but at least one line.

    None when no whole line is there. What lies behind the last newline is being written, or was
    torn when the process was killed; it waits.

    Raises
    ------
    OSError
        When the journal cannot be read.
    """
    with path.open("rb") as file:
        file.seek(start)
        data = file.read(size)
        cut = data.rfind(b"\n") + 1
        if cut:
            return Piece(start, start + cut, data[:cut])
        if len(data) < size:
            return None
        parts, length = [data], len(data)
        while chunk := file.read(_CHUNK):
            end = chunk.find(b"\n") + 1
            length += end or len(chunk)
            if length > LINE_LIMIT:
                parts.clear()
            else:
                parts.append(chunk[:end] if end else chunk)
            if end:
                return Piece(start, start + length, b"".join(parts))
    return None
