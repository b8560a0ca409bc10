"""The findings document rebuilt from journals."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from trema.journal.document import read_document, write_json
from trema.journal.folder import RunFolder, create_run
from trema.journal.writer import Journal


def finding(check: str, severity: str, **changes: Any) -> dict[str, Any]:
    return {"id": check, "check": check, "severity": severity, "segment": 0, "ranks": [0]} | changes


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    return create_run(tmp_path, "run")


def written(run: RunFolder, rank: int = 0) -> Journal:
    return Journal(run.journal(rank), rank=rank)


def test_a_run_without_records(run: RunFolder) -> None:
    document = read_document(run)
    assert document["run"]["state"] == "running"  # this process lives
    assert document["findings"] == []


def test_an_end_record_is_the_document(run: RunFolder) -> None:
    journal = written(run)
    facts = {"state": "finished", "steps": 5, "exit_code": 0}
    journal.write("end", run=facts, findings=[finding("a", "info")], clear=["b"], muted=[])
    document = read_document(run)
    assert document["run"]["state"] == "finished"
    assert document["run"]["steps"] == 5
    assert document["clear"] == ["b"]


def test_the_newest_state_of_each_finding_counts(run: RunFolder) -> None:
    journal = written(run)
    journal.write("info", info={"framework": "torch", "inputs": "image"})
    journal.write("facts", step=7, segment=0, values={})
    journal.write("finding", finding=finding("a", "warning", state="active"))
    journal.write("finding", finding=finding("b", "critical", state="active"))
    again = finding("a", "warning", state="gone", spans=[[0, 1]], history=[])
    journal.write("finding", finding=again)
    journal.write("epoch", epoch=1)
    document = read_document(run)
    assert [(f["check"], f["rank"]) for f in document["findings"]] == [("b", 1), ("a", 2)]
    assert document["findings"][1]["state"] == "gone"
    assert document["findings"][1]["spans"] == [[0, 1]]
    facts = document["run"]
    assert (facts["steps"], facts["epochs"], facts["segments"]) == (8, 2, 1)
    assert (facts["framework"], facts["inputs"]) == ("torch", "image")


def test_torn_and_foreign_lines_are_passed_over(run: RunFolder) -> None:
    journal = written(run)
    journal.write_line('{"kind": "finding", "finding": 3}')
    journal.write_line('{"kind": "fin')
    journal.write_line("[]")
    journal.write("finding", finding=finding("a", "error"))
    os.write(os.open(journal.path, os.O_WRONLY | os.O_APPEND), b'{"kind":"finding","finding":')
    assert [f["check"] for f in read_document(run)["findings"]] == ["a"]


def test_ranks_of_a_distributed_run_are_joined(run: RunFolder) -> None:
    written(run, 0).write("finding", finding=finding("a", "error"))
    other = written(run, 1)
    other.write("finding", finding=finding("a", "error", ranks=[1]))
    other.write("finding", finding=finding("b", "info", ranks=[1]))
    findings = read_document(run)["findings"]
    assert [(f["check"], f["ranks"]) for f in findings] == [("a", [0, 1]), ("b", [1])]


def test_a_document_is_written_whole(tmp_path: Path) -> None:
    write_json(tmp_path / "f.json", {"value": float("nan")})
    assert '"nan"' in (tmp_path / "f.json").read_text(encoding="utf-8")
    assert [path.name for path in tmp_path.iterdir()] == ["f.json"]
    with pytest.raises(OSError, match="No such file"):
        write_json(tmp_path / "no" / "f.json", {})
