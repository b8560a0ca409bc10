"""Bounds on what clients send: metadata is refused whole, records of a journal one by one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from starlette.exceptions import HTTPException

from trema.core.errors import UsageError
from trema.core.nesting import DEPTH
from trema.journal.folder import clean_name
from trema.journal.reader import parse
from trema.journal.writer import RECORD_LIMIT

METADATA_LIMIT = 64 * 1024  # bytes of JSON
LINES = 100_000  # of one request
NAME = 1000  # characters
#: Fields that hold a name; other text may be long: messages, snippets, diffs.
_NAMES = frozenset(
    {"check", "fact", "framework", "id", "kind", "layer", "loss", "name", "parameter", "part"}
    | {"phase", "role", "severity", "state", "title"}
)


@dataclass(frozen=True)
class Read:
    """The records in some lines.

    dropped : records that break a bound
    reason : which bound the first of them breaks
    """

    records: Sequence[Mapping[str, Any]] = ()
    dropped: int = 0
    reason: str = ""


def read_lines(lines: bytes) -> Read:
    """The records in whole lines; torn lines are passed over as every reader does.

    Raises
    ------
    UsageError
        When the last line does not end.
    HTTPException
        413 when there are too many lines.
    """
    if lines and not lines.endswith(b"\n"):
        raise UsageError("expected whole lines but the last does not end: send up to a newline")
    if lines.count(b"\n") > LINES:
        raise HTTPException(413, f"expected at most {LINES:,} lines but got more: send fewer")
    records, reasons = [], []
    for line in lines.split(b"\n")[:-1]:
        if len(line) > RECORD_LIMIT:
            reasons.append(f"a record has more than {RECORD_LIMIT:,} bytes")
            continue
        record = parse(line)
        if record is None:
            continue
        if reason := broken_bound(record):
            reasons.append(reason)
        else:
            records.append(record)
    return Read(records, len(reasons), reasons[0] if reasons else "")


def broken_bound(data: Mapping[str, Any]) -> str:
    """Which bound the data breaks, "" when none."""
    waiting: list[tuple[Any, int]] = [(data, 1)]
    while waiting:
        value, depth = waiting.pop()
        if depth > DEPTH:
            return f"a record is nested deeper than {DEPTH}"
        if isinstance(value, dict):
            for key, item in value.items():
                if len(key) > NAME or (
                    isinstance(item, str) and len(item) > NAME and key in _NAMES
                ):
                    return f"a name has more than {NAME:,} characters"
                if isinstance(item, dict | list):
                    waiting.append((item, depth + 1))
        else:
            waiting += ((item, depth + 1) for item in value if isinstance(item, dict | list))
    return ""


def clean_metadata(run: str, metadata: Mapping[str, Any]) -> dict[str, Any]:
    """What is known of a run, with a harmless name.

    Raises
    ------
    UsageError
        When it breaks a bound or holds a number that JSON does not have.
    HTTPException
        413 when it is too large.
    """
    if reason := broken_bound(metadata):
        raise UsageError(f"expected metadata within bounds but {reason.replace('a record', 'it')}")
    try:
        text = json.dumps(metadata, allow_nan=False)
    except ValueError:
        raise UsageError(
            'expected metadata in JSON but it holds NaN or Infinity: send "nan", "inf" or "-inf"'
        ) from None
    if len(text) > METADATA_LIMIT:
        raise HTTPException(
            413, f"expected at most {METADATA_LIMIT:,} bytes of metadata but got {len(text):,}"
        )
    name = metadata.get("name", run)
    name = name.encode("utf-8", "replace").decode("utf-8") if isinstance(name, str) else run
    return {**metadata, "id": run, "name": clean_name(name)}
