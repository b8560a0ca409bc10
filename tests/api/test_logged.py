"""What a loop logs itself, from ``trema.start`` through the index to all who ask for it."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterator
from typing import Any

import pytest

import trema
from tests.api.asking import Asked, Fed
from trema.adapters.plain import Run
from trema.api.export import export_csv, export_html, export_json
from trema.api.mcp_compare import compare
from trema.api.mcp_facts import facts_over_time, list_series
from trema.api.models import SeriesInfo
from trema.engine import active
from trema.testing.feeding import logged


@pytest.fixture
def run(asked: Asked) -> Iterator[Run]:
    """A loop of 40 steps that goes on: a validation after each tenth, no end."""
    active.finish()
    run = trema.start("loop", dir=str(asked.root), console=False, strict=True)
    for step in range(35):
        values: dict[str, float] = {"loss": 1 / (1 + step), "lr": 0.1}
        if step % 10 == 9:
            values["val_loss"] = 2 / (1 + step)
        run.log(step=step, **values)
    asked.index()
    yield run
    active.finish()


def listed(asked: Asked, run: str) -> dict[tuple[str, str, str], SeriesInfo]:
    items = asked.queries.series_list(run).series
    return {(item.fact, item.name, item.phase): item for item in items}


def test_a_loop_is_followed_while_it_goes_on(asked: Asked, run: Run) -> None:
    (row,) = asked.queries.runs().runs
    assert (row.name, row.state, row.steps, row.epochs) == ("loop", "running", 35, 3)
    known = listed(asked, row.id)
    info = known["log", "loss", "train"]
    assert (info.points, info.axis) == (35, "step")
    assert (known["log", "loss", "validation"].points, known["log", "lr", "train"].points) == (
        3,
        35,
    )
    assert known["metric", "loss", "validation"].points == 3
    (points,) = asked.queries.series(row.id, [(info.key, 0)]).series
    assert points.steps == list(range(35))
    assert points.values == [1 / (1 + step) for step in range(35)]
    assert {event.kind for event in asked.queries.events(row.id).events} == {"run", "info", "epoch"}
    run.log(step=35, loss=math.nan)
    asked.index()
    (new,) = asked.queries.series(row.id, [(info.key, points.position)]).series
    assert (new.steps, new.values) == ([35], ["nan"])
    (after,) = asked.queries.runs().runs
    assert (after.steps, after.epochs) == (36, 3)
    assert after.revision > row.revision
    run.finish()
    asked.index()
    (ended,) = asked.queries.runs().runs
    assert (ended.state, ended.steps) == ("finished", 36)


def test_exports_have_it(asked: Asked, run: Run) -> None:
    (row,) = asked.queries.runs().runs
    document = json.loads(b"".join(export_json(asked.queries, row.id)))
    kept = {(item["fact"], item["name"], item["phase"]): item for item in document["series"]}
    assert kept["log", "loss", "validation"]["steps"] == [9, 19, 29]
    text = b"".join(export_csv(asked.queries, row.id)).decode()
    rows = [line for line in csv.DictReader(io.StringIO(text)) if line["fact"] == "log"]
    assert len(rows) == 35 + 3 + 35
    assert rows[0]["value"] == "1.0"
    page = b"".join(export_html(asked.queries, row.id)).decode()
    assert "loss by step" in page
    assert "lr by step" in page


def test_assistants_are_told(asked: Asked, run: Run) -> None:
    (row,) = asked.queries.runs().runs
    groups = {group.fact: group for group in list_series(asked.queries, row.id, "", 0).facts}
    assert (groups["log"].names, groups["log"].axis) == (["loss", "lr"], "step")
    assert groups["log"].phases == ["train", "validation"]
    bounds: dict[str, Any] = {"segment": None, "start": None, "end": None, "points": 60}
    answer = facts_over_time(
        asked.queries, row.id, "log", name="loss", phase="validation", **bounds
    )
    (series,) = answer.series
    assert series.steps == [9, 19, 29]
    assert series.values == pytest.approx([0.2, 0.1, 2 / 30], rel=1e-5)


def test_the_small_curve_of_a_loop(fed: Fed) -> None:
    steps = range(100)
    fed.feed("train", *(logged(step, loss=float(step), lr=0.1) for step in steps))
    fed.feed("validated", *(logged(step, loss=0.0, val_loss=float(step)) for step in steps))
    fed.feed("other", *(logged(step, accuracy=0.5) for step in steps))
    fed.feed("metric", logged(0, loss=1.0), {"kind": "metrics", "epoch": 0, "values": {"loss": 2}})
    drawn = {row.name: row.sparkline for row in fed.queries.runs().runs}
    assert drawn["other"] is None
    found = {
        name: (curve.metric, curve.phase, curve.steps[-1], curve.values[-1])
        for name, curve in drawn.items()
        if curve is not None
    }
    assert found == {
        "train": ("loss", "train", 99, 99.0),
        "validated": ("loss", "validation", 99, 99.0),
        "metric": ("loss", "train", 0, 2.0),
    }
    assert {row.steps for row in fed.queries.runs().runs if row.name != "metric"} == {100}


def test_steps_of_all_parts_count(fed: Fed) -> None:
    later = ({**logged(step, loss=1.0), "segment": 1} for step in range(7))
    fed.feed("run", *(logged(step, loss=1.0, lr=1.0) for step in range(5)), *later)
    fed.feed("run", logged(2, loss=1.0), rank=1)
    assert fed.queries.runs().runs[0].steps == 12


def test_loops_are_compared(fed: Fed) -> None:
    epoch = {"kind": "metrics", "epoch": 0, "phase": "validation", "values": {"loss": 0.5}}
    fed.feed("a", epoch, logged(0, loss=2.0), logged(1, loss=1.0, val_loss=0.5))
    fed.feed("b", logged(0, loss=3.0))
    said = [
        (item.name, item.phase, item.axis, item.last)
        for item in fed.queries.compare(["a", "b"]).metrics
    ]
    assert said == [
        ("loss", "validation", "epoch", [0.5, None]),
        ("loss", "validation", "step", [0.5, None]),
        ("loss", "train", "step", [1.0, 3.0]),
    ]
    assert [item.axis for item in compare(fed.queries, ["a", "b"]).metrics] == [
        "epoch",
        "step",
        "step",
    ]
