"""What the console prints, without a terminal."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from trema.core.config import Config
from trema.core.diagnosis import Cause, Diagnosis, Fix, Location, Severity
from trema.sinks import render
from trema.sinks.console import ConsoleSink
from trema.sinks.text import harmless, place, prose, source_line


@dataclass
class Session:
    name: str = "run"
    rank: int = 0
    folder: None = None


@dataclass
class Found:
    diagnosis: Diagnosis

    @property
    def id(self) -> str:
        return self.diagnosis.id

    @property
    def severity(self) -> Severity:
        return self.diagnosis.severity


def diagnosis(severity: Severity = Severity.ERROR, **changes: Any) -> Diagnosis:
    fields: dict[str, Any] = {
        "check": "input-scale",
        "cause": Cause.DATA,
        "severity": severity,
        "title": "inputs are not scaled",
        "message": "inputs reach `255`",
        "fixes": (Fix("divide by 255", caution="changes the model"),),
    }
    return Diagnosis(**{**fields, **changes})


def sink(**options: Any) -> tuple[ConsoleSink, io.StringIO]:
    text = io.StringIO()
    return ConsoleSink(Config(**options), Console(file=text, width=80)), text


def test_a_finding_is_printed_once_until_it_gets_worse() -> None:
    console, text = sink()
    for severity in (Severity.WARNING, Severity.WARNING, Severity.INFO):
        console.found(Session(), Found(diagnosis(severity)))
    assert text.getvalue().count("inputs are not scaled") == 1
    console.found(Session(), Found(diagnosis(Severity.CRITICAL)))
    assert text.getvalue().count("inputs are not scaled") == 2
    assert text.getvalue().startswith("\n")  # a progress bar leaves its line open


def test_the_marker_stands_under_the_columns(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("if True:\n    y = f('日本', model(x))\n", encoding="utf-8")
    location = Location(file=str(file), line=2, column=17, end_line=2, end_column=25)
    console, text = sink()
    console.found(Session(), Found(diagnosis(location=location)))
    lines = text.getvalue().splitlines()
    at = next(n for n, line in enumerate(lines) if "model(x)" in line)
    code, marks = (line.rstrip() for line in lines[at : at + 2])
    wide = 2  # two characters take two columns each
    assert marks.index("^") == code.index("model(x)") + wide
    assert marks.count("^") == len("model(x)")


def test_without_end_column_one_place_is_marked(tmp_path: Path) -> None:
    file = tmp_path / "train.py"
    file.write_text("y = f(x)\n", encoding="utf-8")
    assert source_line({"file": str(file), "line": 1, "column": 5}) == ("y = f(x)", 4, 5)
    assert source_line({"file": str(file), "line": 1, "column": None}) == ("y = f(x)", 0, 0)
    assert source_line({"file": str(file), "line": 9, "column": 5}) is None


def test_a_finding_that_is_gone_says_so_once() -> None:
    console, text = sink()
    console.found(Session(), Found(diagnosis()))
    for _ in range(2):
        console.gone(Session(), Found(diagnosis()))
    assert text.getvalue().count("no longer seen") == 1


def test_what_is_only_worth_knowing_waits_for_the_summary() -> None:
    console, text = sink()
    console.found(Session(), Found(diagnosis(Severity.INFO)))
    console.gone(Session(), Found(diagnosis(Severity.INFO)))
    assert text.getvalue() == ""


def test_silence_by_setting_and_on_other_ranks() -> None:
    console, text = sink(console=False)
    console.found(Session(), Found(diagnosis()))
    console.finished(Session(), {"run": {}, "findings": []})
    assert text.getvalue() == ""
    console, text = sink()
    console.found(Session(rank=1), Found(diagnosis()))
    assert text.getvalue() == ""


def test_hostile_text_is_shown_not_obeyed() -> None:
    console, text = sink()
    console.found(
        Session(), Found(diagnosis(title="[red]x[/red]\x1b[2J", message="a\r\nb `c\u202e`"))
    )
    shown = text.getvalue()
    assert "[red]x[/red]\\x1b[2J" in shown
    assert "a b c\\u202e" in shown
    assert harmless("a\x00\x9b") == "a\\x00\\x9b"
    assert prose("`a` b").plain == "a b"
    assert place({"file": "x.py", "line": 3, "cell": 2}) == "cell 2:3"


def document(**changes: Any) -> dict[str, Any]:
    run = {"name": "run", "state": "finished", "steps": 9, "epochs": 1, "segments": 1}
    base: dict[str, Any] = {"run": run, "findings": [], "clear": ["a"], "not_assessed": []}
    return base | changes


def summary(data: dict[str, Any]) -> str:
    text = io.StringIO()
    console = Console(file=text, width=100)
    for part in render.summary(data, kept=".trema/runs/x"):
        console.print(part)
    return text.getvalue()


def test_nothing_found_tells_what_was_checked() -> None:
    skipped = [{"check": name, "missing": ["metric"]} for name in ("b", "c")]
    text = summary(document(not_assessed=skipped))
    assert "nothing found: 1 check is clear, 2 could not be assessed:" in text
    assert "  not assessed without metric: b, c" in text
    assert "trema show run" in text


def test_what_does_not_apply_is_counted_apart() -> None:
    skipped = [{"check": "b", "missing": ["metric"]}, {"check": "c", "missing": ["ranks"]}]
    text = summary(document(not_assessed=skipped))
    assert "1 could not be assessed · 1 do not apply here:" in text
    assert "not assessed without ranks" not in text
    reason = [{"check": "c", "missing": ["loop (torch.compile runs the model)"]}]
    assert "torch.compile runs the model" in summary(document(not_assessed=reason))


def test_segments_share_a_row_and_explained_findings_say_by_what() -> None:
    base: dict[str, Any] = {
        "check": "x",
        "severity": "error",
        "state": "active",
        "location": None,
        "where": {},
    }
    findings = [
        {**base, "id": "1", "title": "the root", "rank": 1, "explained_by": [], "segment": 0},
        {**base, "id": "1", "title": "the root", "rank": 2, "explained_by": [], "segment": 1},
        {**base, "id": "2", "title": "a symptom", "rank": 3, "explained_by": ["1"]},
    ]
    text = summary(document(findings=findings))
    assert "the root (in 2 parts)" in text
    assert "explained by: the root" in text
    assert "found: 2 errors" in text


def test_no_training_says_what_to_do() -> None:
    text = summary(document(run={"name": "r", "state": "finished", "segments": 0}))
    assert "no training seen" in text
    assert "nothing found" not in text
