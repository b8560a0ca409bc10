"""From journal records to what the store keeps; damaged parts are passed over."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from trema.core.facts import TRAIN, VALIDATION, Fact
from trema.core.nesting import too_deep
from trema.core.numbers import decode, decode_array, encode
from trema.store.base import SeriesKey
from trema.store.packing import Column, Value

#: Kinds that are kept whole. Not ``log``: a program may log at each of a million steps.
EVENT_KINDS = frozenset({"run", "info", "tensor", "observation", "epoch", "error", "end"})
#: Characters of an indexed word; PostgreSQL refuses index entries past 2.7 kB.
WORD_LIMIT = 255
#: Characters of a title or layer that a list of findings shows.
HEAD_LIMIT = 1000
_INT64 = 2**63


@dataclass
class Intake:
    """What a batch adds to a run."""

    taken: int = 0  # records
    rank: int = 0
    found: dict[tuple[str, str, str, int], Column] = field(default_factory=dict)
    # those of `found` that log records extend, by segment and name as it was logged
    logged: dict[int, dict[str, Column]] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    findings: dict[tuple[int, str], dict[str, Any]] = field(default_factory=dict)
    state: str | None = None
    exit_code: int | None = None
    updated: float = 0.0

    @property
    def points(self) -> dict[SeriesKey, Column]:
        """The points of each series."""
        return {
            SeriesKey(fact=fact, name=name, phase=phase, segment=segment, rank=self.rank): column
            for (fact, name, phase, segment), column in self.found.items()
        }


def take_in(records: Iterable[Mapping[str, Any]], rank: int) -> Intake:
    """All that the records of one rank say; one that nests too deep to be written is damaged."""
    intake = Intake(rank=rank)
    for record in records:
        kind, segment = record.get("kind"), whole(record.get("segment", 0))
        if segment is None or segment < 0:
            continue
        if kind == "facts":
            _facts(intake, record, segment)
        elif kind == "metrics":
            _metrics(intake, record, segment)
        elif kind == "log":
            _log(intake, record, segment)
        elif too_deep(record):
            continue
        elif kind == "finding":
            _finding(intake, record.get("finding"), segment)
        elif isinstance(kind, str) and kind in EVENT_KINDS:
            _event(intake, record, kind, segment)
        else:
            continue
        intake.taken += 1
        intake.updated = max(intake.updated, moment(record.get("t")))
    return intake


def whole(value: Any) -> int | None:
    """The value when it is an integer of 64 bits, else None."""
    fits = isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64
    return value if fits else None


def moment(value: Any) -> float:
    """A time in seconds since 1970, 0 when it is none."""
    number = _number(value)
    return number if isinstance(number, float) and math.isfinite(number) else 0.0


def word(value: Any, default: str = "") -> str:
    """A string short enough to be indexed."""
    return value[:WORD_LIMIT] if isinstance(value, str) else default


def head(document: Mapping[str, Any]) -> dict[str, Any]:
    """What a list of findings shows of one."""
    where, title, rank = document.get("where"), document.get("title"), document.get("rank")
    layer = where.get("layer") if isinstance(where, dict) else None
    return {
        "title": title[:HEAD_LIMIT] if isinstance(title, str) else "",
        "layer": layer[:HEAD_LIMIT] if isinstance(layer, str) else None,
        "priority": whole(rank) or 0,
        "explained": bool(document.get("explained_by")),
    }


def to_text(value: Any) -> str:
    """ASCII JSON, which every database takes: NUL and lone surrogates are escaped."""
    return json.dumps(encode(value), allow_nan=False, separators=(",", ":"))


def _number(value: Any) -> Value | None:
    try:
        return decode_array(value) if isinstance(value, list) else decode(value)
    except (ValueError, TypeError, OverflowError):
        return None


def _facts(intake: Intake, record: Mapping[str, Any], segment: int) -> None:
    step, facts = whole(record.get("step")), record.get("values")
    if step is None or not isinstance(facts, dict):
        return
    phase = str(record.get("phase", "train"))
    for fact, values in facts.items():
        if isinstance(values, dict):
            _points(intake, values, step, fact, phase, segment)


def _metrics(intake: Intake, record: Mapping[str, Any], segment: int) -> None:
    epoch, values = whole(record.get("epoch")), record.get("values")
    if epoch is None or not isinstance(values, dict):
        return
    phase = str(record.get("phase", "train"))
    _points(intake, values, epoch, str(Fact.METRIC), phase, segment)


def _points(
    intake: Intake, values: Mapping[str, Any], step: int, fact: str, phase: str, segment: int
) -> None:
    found = intake.found
    for name, value in values.items():  # the hot loop of ingestion: a point each
        number = value if type(value) is float else _number(value)
        if number is None:
            continue
        key = (fact, name, phase, segment)
        column = found.get(key)
        if column is None:
            column = found[key] = ([], [])
        column[0].append(step)
        column[1].append(number)


def _log(intake: Intake, record: Mapping[str, Any], segment: int) -> None:
    step, values = whole(record.get("step")), record.get("values")
    if step is None or not isinstance(values, dict):
        return
    columns = intake.logged.get(segment)
    if columns is None:
        columns = intake.logged[segment] = {}
    for name, value in values.items():  # as hot as that of facts, and with a short name each
        number = value if type(value) is float else _single(value)
        if number is None:
            continue
        column = columns.get(name)
        if column is None:
            column = columns[name] = intake.found.setdefault(_logged_as(name, segment), ([], []))
        column[0].append(step)
        column[1].append(number)


def _single(value: Any) -> Value | None:
    return None if isinstance(value, list) else _number(value)


def _logged_as(name: str, segment: int) -> tuple[str, str, str, int]:
    """The series of a value: its name says whether it belongs to validation."""
    own = name.removeprefix("val_")
    return str(Fact.LOG), own, TRAIN if own == name else VALIDATION, segment


def _finding(intake: Intake, document: Any, segment: int) -> None:
    if not isinstance(document, dict):
        return
    identity = document.get("id")
    if isinstance(identity, str) and 0 < len(identity) <= WORD_LIMIT:
        intake.findings[segment, identity] = document


def _event(intake: Intake, record: Mapping[str, Any], kind: str, segment: int) -> None:
    intake.events.append(
        {
            "segment": segment,
            "kind": kind,
            "step": whole(record.get("step")),
            "record": to_text(record),
        }
    )
    if kind == "run":  # a rank that comes back to its journal runs again
        intake.state, intake.exit_code = "running", None
    if kind != "end":
        return
    intake.state = word(record.get("state"), "finished")
    intake.exit_code = whole(record.get("exit_code"))
    findings = record.get("findings")
    for document in findings if isinstance(findings, list) else ():
        own = whole(document.get("segment", 0)) if isinstance(document, dict) else None
        if own is not None and own >= 0:
            _finding(intake, document, own)
