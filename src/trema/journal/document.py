"""The findings document of a run, from its journals alone.

A run that ended wrote its document as the last record. For one that was killed, or still runs, it
is rebuilt from the findings written until then.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from trema.core.numbers import dumps
from trema.journal.folder import SCHEMA, RunFolder, alive, rank_of
from trema.journal.merging import merged
from trema.journal.reader import parse

_STEP = re.compile(rb'"step":(\d+),"segment":(\d+)')
_BULK = re.compile(rb'"kind":"(?:facts|log)"')
_TIME = re.compile(rb'"t":([\d.]+)')
_HEAD = 160  # bytes of a line that hold kind, step and segment
_TAIL = 4 * 2**20  # bytes at the end that surely hold a usual last record
_SEVERITIES = ("critical", "error", "warning", "info")


def read_document(run: RunFolder) -> dict[str, Any]:
    """The findings document; ``run.state`` is ``killed`` or ``running`` where no end is written."""
    parts = parts_of(run)
    return merged(parts) if parts else _empty(run)


def parts_of(run: RunFolder, leave_out: int | None = None) -> dict[int, dict[str, Any]]:
    """The documents of the ranks of a run; ``leave_out``: a rank that is not read."""
    found = {rank_of(path): path for path in run.journals()}
    return {rank: _journal_document(run, path) for rank, path in found.items() if rank != leave_out}


def _journal_document(run: RunFolder, path: Path) -> dict[str, Any]:
    end = _last_record(path)
    if end is not None and end["kind"] == "end":
        return _ended(run, end)
    return _rebuilt(run, path)


def _last_record(path: Path) -> dict[str, Any] | None:
    try:
        with path.open("rb") as file:
            size = file.seek(0, 2)
            file.seek(max(0, size - _TAIL))
            lines = file.read().rstrip(b"\n").rsplit(b"\n", 1)
    except OSError:
        return None
    return parse(lines[-1]) if lines[-1] else None


def _ended(run: RunFolder, end: dict[str, Any]) -> dict[str, Any]:
    keys = ("findings", "clear", "not_assessed", "failed_checks", "muted")
    document: dict[str, Any] = _empty(run)
    document |= {key: end[key] for key in keys if isinstance(end.get(key), list)}
    if isinstance(end.get("run"), dict):
        document["run"] |= end["run"]
    document["findings"] = [f for f in document["findings"] if isinstance(f, dict)]
    return document


def _empty(run: RunFolder) -> dict[str, Any]:
    metadata = run.metadata
    return {
        "schema": SCHEMA,
        "trema": str(metadata.get("trema", "")),
        "run": {
            "id": run.id,
            "name": run.name,
            "framework": str(metadata.get("framework", "other")),
            "state": "running" if alive(metadata) else "killed",
            "exit_code": None,
            "steps": 0,
            "epochs": 0,
            "segments": 0,
            "seconds": 0.0,
            "overhead": None,
            "inputs": None,
            "outputs": None,
            "notes": [],
        },
        "findings": [],
        "clear": [],
        "not_assessed": [],
        "failed_checks": [],
        "muted": [],
    }


def _rebuilt(run: RunFolder, path: Path) -> dict[str, Any]:
    document = _empty(run)
    facts = document["run"]
    steps: dict[int, int] = {}
    epochs: dict[int, int] = {}
    findings: dict[tuple[int, str], dict[str, Any]] = {}
    times: list[float] = []
    for line in _lines(path):
        if found := _TIME.search(line[:_HEAD]):
            times[1:] = [float(found.group(1))]
        if found := _STEP.search(line[:_HEAD]):
            step, segment = int(found.group(1)), int(found.group(2))
            steps[segment] = max(steps.get(segment, 0), step + 1)
        if _BULK.search(line[:_HEAD]):
            continue
        record = parse(line)
        if record is None:
            continue
        _take(record, document, epochs, findings)
    facts["steps"], facts["epochs"] = sum(steps.values()), sum(epochs.values())
    facts["seconds"] = round(times[-1] - times[0], 3) if times else 0.0
    document["findings"] = _by_severity(list(findings.values()))
    if facts["state"] == "killed":
        facts["notes"].append("the run did not end by itself: shown is what was written until then")
    return document


def _take(
    record: dict[str, Any],
    document: dict[str, Any],
    epochs: dict[int, int],
    findings: dict[tuple[int, str], dict[str, Any]],
) -> None:
    kind, segment = record["kind"], record.get("segment")
    segment = segment if isinstance(segment, int) else 0
    facts = document["run"]
    if kind == "run":
        document["trema"] = str(record.get("trema", ""))
        if "pid" in record:  # of several ranks, each is a process of its own
            facts["state"] = "running" if alive(record) else "killed"
    elif kind == "info" and isinstance(record.get("info"), dict):
        facts["segments"] = max(facts["segments"], segment + 1)
        for key in ("framework", "inputs", "outputs"):
            facts[key] = record["info"].get(key) or facts[key]
    elif kind == "epoch" and isinstance(record.get("epoch"), int):
        epochs[segment] = max(epochs.get(segment, 0), record["epoch"] + 1)
    elif kind == "finding" and isinstance(record.get("finding"), dict):
        finding = record["finding"]
        findings[segment, str(finding.get("id"))] = finding
    elif kind == "muted" and isinstance(record.get("muted"), dict):
        if record["muted"] not in document["muted"]:
            document["muted"].append(record["muted"])
    elif kind == "error":
        error = {"check": str(record.get("part")), "error": str(record.get("error"))}
        document["failed_checks"].append(error)


def _by_severity(findings: list[dict[str, Any]]) -> list[dict[str, Any]]:
    def weight(finding: dict[str, Any]) -> int:
        severity = finding.get("severity")
        return _SEVERITIES.index(severity) if severity in _SEVERITIES else len(_SEVERITIES)

    findings.sort(key=weight)
    for rank, finding in enumerate(findings, start=1):
        finding["rank"] = rank
        finding.setdefault("explained_by", [])
    return findings


def _lines(path: Path) -> Iterator[bytes]:
    try:
        with path.open("rb") as file:
            for line in file:
                if line.endswith(b"\n"):
                    yield line
    except OSError:
        return


def write_json(path: Path, document: dict[str, Any]) -> None:
    """Write a document whole or not at all; a device or pipe is written to directly.

    Raises
    ------
    OSError
        When it cannot be written.
    """
    text = dumps(document, indent=2) + "\n"
    if path.exists() and not path.is_file():
        path.write_text(text, encoding="utf-8")
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        temporary.write_text(text, encoding="utf-8")
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
