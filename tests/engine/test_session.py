"""The session: checks are run, guarded, folded and told; the schedule keeps its budget."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from importlib.resources import files
from itertools import pairwise
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from trema.checks.base import Check, Links, Page
from trema.core.config import Config
from trema.core.diagnosis import Cause, Diagnosis, Evidence, Kind, Severity, Where
from trema.core.facts import Fact, LossInfo, RunInfo, Snapshot, TensorSeen
from trema.core.history import History
from trema.engine import session as session_module
from trema.engine.findings import HISTORY, SPANS, Finding
from trema.engine.schedule import Schedule
from trema.engine.session import Segment, Session, default_name
from trema.journal.reader import read


@dataclass(frozen=True, kw_only=True)
class HighLoss(Check):
    id = "high-loss"
    title = "the loss is high"
    cause = Cause.LOSS
    severity = Severity.WARNING
    needs = frozenset({Fact.LOSS})
    links = Links(search="high loss")
    snippets = Page("", "", {}, {})
    limit: float = 1.0

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        loss = history.latest(Fact.LOSS)
        if loss is not None and loss > self.limit:
            evidence = Evidence(Fact.LOSS, loss, limit=self.limit)
            yield self.diagnosis(f"loss is {loss}", evidence, where=Where(layer="head"))


@dataclass(frozen=True, kw_only=True)
class Symptom(HighLoss):
    id = "symptom"
    kind = Kind.SYMPTOM


@dataclass(frozen=True, kw_only=True)
class Broken(HighLoss):
    id = "broken"

    def diagnose(self, history: History) -> Iterator[Diagnosis]:
        raise RuntimeError("no luck")


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def started(self, session: Session) -> None:
        self.heard.append("started")

    def found(self, session: Session, finding: Finding) -> None:
        self.heard.append(f"found {finding.check}")

    def gone(self, session: Session, finding: Finding) -> None:
        self.heard.append(f"gone {finding.check}")

    def finished(self, session: Session, document: Mapping[str, Any]) -> None:
        self.heard.append("finished")


def session_with(tmp_path: Path, *checks: Check, **options: Any) -> tuple[Session, Recorder]:
    recorder = Recorder()
    session = Session("t", Config(dir=str(tmp_path / "t"), **options), sinks=[recorder])
    session.checks = {check.id: check for check in checks}
    session.check_types = {check.id: type(check) for check in checks}
    return session, recorder


def feed(segment: Segment, losses: list[float]) -> None:
    for loss in losses:
        values: dict[tuple[Fact, str], Any] = {(Fact.LOSS, ""): loss}
        segment.record(Snapshot(step=segment.steps, epoch=0, phase="train", values=values))


def test_repeats_extend_one_finding_and_its_end_is_told(tmp_path: Path) -> None:
    session, recorder = session_with(tmp_path, HighLoss())
    feed(session.open_segment(RunInfo()), [5.0] * 8 + [0.1] * 8)
    document = session.finish()
    assert recorder.heard == ["started", "found high-loss", "gone high-loss", "finished"]
    (finding,) = document["findings"]
    assert finding["state"] == "gone"
    assert finding["count"] == 4
    assert (finding["first"]["step"], finding["last"]["step"]) == (0, 7)
    assert finding["rank"] == 1


def test_a_broken_check_is_switched_off_and_reported(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, Broken(), HighLoss())
    feed(session.open_segment(RunInfo()), [5.0] * 4)
    document = session.finish()
    assert document["failed_checks"] == [{"check": "broken", "error": "RuntimeError: no luck"}]
    assert [f["check"] for f in document["findings"]] == ["high-loss"]


def test_a_symptom_is_silent_while_the_run_beats_the_baseline(tmp_path: Path) -> None:
    session, recorder = session_with(tmp_path, Symptom())
    info = RunInfo(loss=LossInfo(kind="cross-entropy"), framework="torch")
    segment = session.open_segment(info)
    shape = TensorSeen(role="output", name="", phase="train", shape=(4, 1000), dtype="f", step=0)
    segment.seen(shape)  # a guess over 1,000 classes costs ln 1000 = 6.9
    feed(segment, [2.0] * 8)
    assert recorder.heard == ["started"]
    feed(segment, [6.8] * 24)
    assert "found symptom" in recorder.heard


def test_what_could_not_be_assessed_says_why(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, HighLoss())
    session.open_segment(RunInfo(unobserved={"loss": "no loss was computed"}))
    document = session.finish()
    assert document["not_assessed"] == [
        {"check": "high-loss", "missing": ["loss (no loss was computed)"]}
    ]
    assert document["clear"] == []


def test_an_unwritable_folder_costs_the_record_only(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    session = Session("t", Config(dir=str(tmp_path / "file" / "below")))
    session.checks = {"high-loss": HighLoss()}
    feed(session.open_segment(RunInfo()), [5.0])
    document = session.finish()
    assert [f["check"] for f in document["findings"]] == ["high-loss"]
    assert "cannot be written" in document["run"]["notes"][0]


def test_the_journal_holds_the_run(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, HighLoss())
    feed(session.open_segment(RunInfo(framework="torch")), [5.0, float("nan")])
    session.finish("crashed", 1)
    assert session.folder is not None
    records, _ = read(session.folder.journal(0))
    kinds = [record["kind"] for record in records]
    assert kinds[:2] == ["run", "info"]
    assert kinds.count("facts") == 2
    assert records[-1]["kind"] == "end"
    assert (records[-1]["state"], records[-1]["exit_code"]) == ("crashed", 1)


def test_a_finding_keeps_its_identity_over_runs_and_lines() -> None:
    def made(message: str, layer: str) -> Diagnosis:
        return HighLoss().diagnosis(message, where=Where(layer=layer))

    assert made("a", "head").id == made("b", "head").id
    assert made("a", "head").id != made("a", "body").id


def epochs(segment: Segment, losses: Mapping[int, float], steps: int = 4) -> None:
    """Epochs of a few steps each, all with the loss of their epoch."""
    for epoch, loss in losses.items():
        for _ in range(steps):
            values: dict[tuple[Fact, str], Any] = {(Fact.LOSS, ""): loss}
            at = segment.steps
            segment.record(Snapshot(step=at, epoch=epoch, phase="train", values=values))
        segment.end_epoch(epoch)


def test_a_finding_says_in_which_epochs_it_was_seen(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, HighLoss())
    segment = session.open_segment(RunInfo())
    epochs(segment, {0: 5.0, 1: 4.0, 2: 0.1, 3: 0.1, 4: 6.0})
    segment.end_epoch(5)  # none of its steps was sampled; the loss is still high
    document = session.finish()
    (finding,) = document["findings"]
    assert finding["spans"] == [[0, 1], [4, 5]]
    assert [(entry["epoch"], entry["value"]) for entry in finding["history"]] == [
        (0, 5.0), (1, 4.0), (4, 6.0), (5, 6.0),
    ]  # fmt: skip
    assert [entry["step"] for entry in finding["history"]] == [3, 7, 19, 19]
    schema = files("trema").joinpath("schema/findings.schema.json").read_text(encoding="utf-8")
    jsonschema.validate(document, json.loads(schema))


def test_what_was_found_before_training_has_no_epochs(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, HighLoss())
    segment = session.open_segment(RunInfo())
    segment.history.add(Snapshot(step=0, epoch=0, phase="train", values={(Fact.LOSS, ""): 5.0}))
    segment.assess()
    (finding,) = session.document()["findings"]
    assert (finding["spans"], finding["history"]) == ([], [])


def test_spans_and_history_of_a_finding_are_bounded() -> None:
    evidence = Evidence(Fact.LOSS, 1.0)
    finding = Finding(HighLoss().diagnosis("high", evidence), 0, 0, 0, 0, 0)
    gaps = [3 if number % 2 else 2 for number in range(2000)]
    epoch = 0
    for gap in gaps:
        finding.seen(epoch, epoch)
        finding.seen(epoch, epoch)
        epoch += gap
    assert len(finding.spans) == SPANS
    assert (finding.spans[0][0], finding.spans[-1][1]) == (0, epoch - gaps[-1])
    assert all(a[1] + 1 < b[0] for a, b in pairwise(finding.spans))
    seen = [entry["epoch"] for entry in finding.history]
    assert HISTORY // 2 <= len(seen) <= HISTORY
    assert (seen[0], seen[-1]) == (0, epoch - gaps[-1])
    between = {b - a for a, b in pairwise(seen[:-1])}
    assert len(between) == 1  # even


def written(session: Session) -> list[tuple[int, int]]:
    """Count and last epoch of each finding record, in order."""
    assert session.folder is not None
    records, _ = read(session.folder.journal(0))
    found = [record["finding"] for record in records if record["kind"] == "finding"]
    return [(finding["count"], finding["last"]["epoch"]) for finding in found]


def test_a_finding_that_goes_on_is_written_again_but_told_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session_module, "REFRESH_SECONDS", 0.0)
    monkeypatch.setattr(session_module, "REFRESH_SHARE", 0.0)
    session, recorder = session_with(tmp_path, HighLoss())
    segment = session.open_segment(RunInfo())
    epochs(segment, {0: 5.0, 1: 5.0, 2: 5.0, 3: 0.1, 4: 0.1})
    # first seen, once for each epoch in which it moved, and gone
    assert [epoch for _, epoch in written(session)] == [0, 0, 1, 2, 2]
    counts = [count for count, _ in written(session)]
    assert counts == sorted(counts)
    assert recorder.heard == ["started", "found high-loss", "gone high-loss"]


def test_fast_epochs_do_not_swell_the_journal(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, HighLoss())
    epochs(session.open_segment(RunInfo()), dict.fromkeys(range(20), 5.0))
    assert written(session) == [(1, 0)]
    session.finish()
    document = session.document()
    assert document["findings"][0]["spans"] == [[0, 19]]


def test_the_schedule_is_dense_first_and_then_keeps_its_budget() -> None:
    schedule = Schedule(overhead=0.02, free_steps=16, free_seconds=1.0)
    observed = []
    began = time.perf_counter()
    step = 0
    while time.perf_counter() - began < 1.5:
        time.sleep(0.0005)
        if step >= schedule.next_step:
            time.sleep(0.001)
            schedule.add(0.001, 0.001)
            schedule.observed(step)
            observed.append(step)
        step += 1
    assert observed[:16] == list(range(16))
    assert len(observed) > 20
    assert schedule.share() <= 0.02


def test_run_names_come_from_scripts() -> None:
    assert default_name("/a/b/train.py") == "train"
    assert default_name("<stdin>") == "run"
    assert default_name(None) == "run"


def test_strict_sessions_raise(tmp_path: Path) -> None:
    session, _ = session_with(tmp_path, Broken(), strict=True)
    with pytest.raises(RuntimeError, match="no luck"):
        feed(session.open_segment(RunInfo()), [5.0])
    session.config = Config()


def test_source_is_kept_from_the_first_step(tmp_path: Path) -> None:
    session = Session("run", Config.of(dir=str(tmp_path)))
    texts = {"train.py": "first"}
    session.sources = lambda: texts
    session.open_segment(RunInfo(framework="torch"))
    assert session.folder is not None
    kept = session.folder.path / "source"
    assert (kept / "train.py").read_text() == "first"  # a killed run has it too
    texts = {"train.py": "edited meanwhile", "late.py": "imported later"}
    session.keep_sources()
    assert (kept / "train.py").read_text() == "first"
    assert (kept / "late.py").read_text() == "imported later"
