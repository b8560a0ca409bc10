"""Reading journals: from a cursor, tolerant of torn lines and of a run that is still writing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

#: Bytes read at a time.
CHUNK = 1 << 20


@dataclass(frozen=True)
class Cursor:
    """A place between two lines of one journal, as a byte offset."""

    offset: int = 0


def read(path: Path, cursor: Cursor = Cursor()) -> tuple[list[dict[str, Any]], Cursor]:
    """All whole records after the cursor, and the cursor behind the last of them.

    A line that does not end in a newline is being written and is left for the next call; a line
    that is no JSON object is torn and is skipped.
    """
    records: list[dict[str, Any]] = []
    end = cursor.offset
    for line, offset in _lines(path, cursor.offset):
        end = offset
        record = parse(line)
        if record is not None:
            records.append(record)
    return records, Cursor(end)


def parse(line: bytes) -> dict[str, Any] | None:
    """The record in a line, or None when the line is torn."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return record if isinstance(record, dict) and isinstance(record.get("kind"), str) else None


def _lines(path: Path, offset: int) -> Iterator[tuple[bytes, int]]:
    try:
        file = path.open("rb")
    except OSError:
        return
    with file:
        file.seek(offset)
        rest = b""
        while chunk := file.read(CHUNK):
            *whole, rest = (rest + chunk).split(b"\n")
            for line in whole:
                offset += len(line) + 1
                yield line, offset
