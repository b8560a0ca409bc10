"""Documents of several ranks as one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from trema.cli.folders import document_of
from trema.journal.document import read_document
from trema.journal.folder import create_run
from trema.journal.merging import joined_state, merged
from trema.journal.writer import Journal


def finding(identity: str, rank: int, severity: str = "warning") -> dict[str, Any]:
    return {
        "id": identity,
        "check": f"check-{identity}",
        "severity": severity,
        "segment": 0,
        "ranks": [rank],
        "rank": 1,
        "state": "active",
        "explained_by": [],
    }


def document(rank: int, *findings: dict[str, Any], **run: Any) -> dict[str, Any]:
    facts = {"state": "finished", "exit_code": 0, "steps": 10, "seconds": 1.0, "notes": []}
    return {
        "run": {**facts, **run},
        "findings": list(findings),
        "clear": ["a", "b"] if rank == 0 else ["a"],
        "not_assessed": [] if rank == 0 else [{"check": "b", "missing": ["x"]}],
        "failed_checks": [],
        "muted": [],
    }


def test_a_shared_finding_stands_once() -> None:
    both = merged(
        {1: document(1, finding("x", 1), finding("y", 1)), 0: document(0, finding("x", 0))}
    )
    assert {f["id"]: f["ranks"] for f in both["findings"]} == {"x": [0, 1], "y": [1]}
    assert both["run"]["ranks"] == [0, 1]


def test_what_one_rank_could_assess_is_assessed() -> None:
    both = merged({0: document(0), 1: document(1)})
    assert (both["clear"], both["not_assessed"]) == (["a", "b"], [])
    found = merged({0: document(0), 1: {**document(1), "findings": [finding("q", 1)]}})
    assert found["clear"] == ["a", "b"]


def test_what_is_found_on_one_rank_is_not_clear() -> None:
    loud = finding("x", 1) | {"check": "b"}
    assert merged({0: document(0), 1: document(1, loud)})["clear"] == ["a"]


def test_one_rank_stays_as_it_is() -> None:
    one = document(0, finding("x", 0))
    assert merged({0: one}) is one
    assert "ranks" not in one["run"]


def test_times_are_the_longest_and_notes_say_whose() -> None:
    zero = document(0, steps=10, notes=["thin"])
    both = merged({0: zero, 3: document(3, steps=12, seconds=9.0, notes=["thin", "slow"])})
    assert (both["run"]["steps"], both["run"]["seconds"]) == (12, 9.0)
    assert both["run"]["notes"] == ["thin", "rank 3: slow"]


@pytest.mark.parametrize(
    ("ends", "state"),
    [
        (["finished", "finished"], "finished"),
        (["finished", "killed"], "killed"),
        (["crashed", "killed"], "crashed"),
        (["finished", "running"], "running"),
        (["running", "crashed"], "crashed"),
    ],
)
def test_the_state_is_the_worst(ends: list[str], state: str) -> None:
    assert joined_state([(end, None) for end in ends])[0] == state


def test_a_rank_without_an_end_was_killed_when_its_process_is_gone(tmp_path: Path) -> None:
    run = create_run(tmp_path, "train")
    zero = Journal(run.journal(0))
    zero.write("end", **document(0))
    one = Journal(run.journal(1), rank=1)
    one.write("run", pid=2**30, host=run.metadata["host"])
    one.write("finding", finding=finding("x", 1, "critical"))
    read = read_document(run)
    assert read["run"]["state"] == "killed"
    assert any("did not end by itself" in note for note in read["run"]["notes"])
    assert document_of(run)["findings"][0]["ranks"] == [1]
