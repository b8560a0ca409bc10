"""``trema.start``: any loop, told about by hand."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import trema
from trema.core.errors import UnknownOption, UsageError
from trema.core.facts import Fact
from trema.engine import active


@pytest.fixture
def options(tmp_path: Path) -> Iterator[dict[str, Any]]:
    active.finish()
    yield {"dir": str(tmp_path / ".trema"), "console": False, "strict": True}
    active.finish()


def records(tmp_path: Path) -> list[dict[str, Any]]:
    path = next(tmp_path.glob(".trema/runs/*/rank-0.jsonl"))
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_values_are_written_as_they_are(tmp_path: Path, options: dict[str, Any]) -> None:
    run = trema.start("a", **options)
    run.log(step=3, loss=np.float32(0.5), **{'odd "name"\n': 2})
    run.log(loss=float("inf"))
    run.finish()
    first, second = [r for r in records(tmp_path) if r["kind"] == "log"]
    assert (first["step"], first["values"]) == (3, {"loss": 0.5, 'odd "name"\n': 2.0})
    assert (second["step"], second["values"]) == (4, {"loss": "inf"})


def test_bad_values_are_noted_and_left_out(tmp_path: Path, options: dict[str, Any]) -> None:
    run = trema.start(**options)
    run.log(step="x", loss="0.5", other=None, many=np.zeros(3), good=1)  # type: ignore[arg-type]  # a user's mistake
    document = run.finish()
    assert document is not None
    notes = " ".join(document["run"]["notes"])
    assert "'loss' was left out: str is no number" in notes
    assert "'x' is no step" in notes
    log = next(r for r in records(tmp_path) if r["kind"] == "log")
    assert (log["step"], log["values"]) == (0, {"good": 1.0})


def test_each_validation_ends_an_epoch(options: dict[str, Any]) -> None:
    run = trema.start(**options)
    for epoch in range(3):
        run.log(loss=1.0)
        run.log(loss=0.0, val_loss=2.0 + epoch)
        if epoch == 1:
            run.epoch()  # nothing is new: no epoch of its own
            run._marked = False
    session = active.current()
    assert session is not None
    history = session.segments[0].history
    assert history.epochs_finished == 3
    epochs, losses = history.array(Fact.METRIC, "loss")
    assert (epochs.tolist(), losses.tolist()) == ([0, 1, 2], [0.5, 0.5, 0.5])
    _, validation = history.array(Fact.METRIC, "loss", "validation")
    assert validation.tolist() == [2.0, 3.0, 4.0]


def test_marked_epochs_win(options: dict[str, Any]) -> None:
    run = trema.start(**options)
    run.epoch()
    for _ in range(2):
        run.log(loss=1.0, val_loss=3.0)
        run.log(loss=1.0, val_loss=4.0)
        run.epoch()
    document = run.finish()
    assert document is not None
    assert document["run"]["epochs"] == 2


def test_steps_count_without_a_loss(tmp_path: Path, options: dict[str, Any]) -> None:
    run = trema.start(**options)
    for step in range(5):
        run.log(step=step, accuracy=0.5)
    run.log(val_accuracy=0.25)
    document = run.finish()
    assert document is not None
    assert (document["run"]["steps"], document["run"]["epochs"]) == (6, 1)
    assert [r["step"] for r in records(tmp_path) if r["kind"] == "epoch"] == [5]


def test_overfitting_is_found_in_curves(options: dict[str, Any]) -> None:
    with trema.start(**options) as run:
        session = active.current()
        for epoch in range(25):
            turned = 0.04 * max(0, epoch - 4)
            run.log(
                step=epoch, loss=1.7 * 0.75**epoch, val_loss=max(0.6, 1.2 - 0.15 * epoch) + turned
            )
    assert session is not None
    assert [finding.check for finding in session.findings.all()] == ["overfitting"]
    location = session.findings.all()[0].diagnosis.location
    assert location is not None
    assert Path(location.file) == Path(__file__)


def test_calls_after_the_end_do_nothing(options: dict[str, Any]) -> None:
    run = trema.start(**options)
    run.finish()
    run.log(loss=1.0)
    run.epoch()
    assert run.finish() is None


def test_wrong_calls_are_told(options: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UnknownOption, match="overhead"):
        trema.start(**options, overhed=0.1)
    with pytest.raises(UsageError, match="name must be a string"):
        trema.start(3)  # type: ignore[arg-type]  # a user's mistake
    monkeypatch.setenv("TREMA_DISABLED", "1")
    run = trema.start(**options)
    run.log(loss=1.0)
    assert run.name == ""
    assert run.finish() is None
