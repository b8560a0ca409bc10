"""Series: lists, windows, what is new, and what cannot be asked."""

from __future__ import annotations

import math

import pytest

from tests.api.asking import Asked, Fed, seen
from trema.core.errors import RunNotFound, UsageError
from trema.store.base import Batch


def test_the_list_of_series(everywhere: Asked) -> None:
    run = everywhere.make(epochs=2, steps=3)
    ask = everywhere.queries.series_list
    items = ask(run).series
    by_fact = {(item.fact, item.name, item.phase): item for item in items}
    loss = by_fact["loss", "", "train"]
    assert (loss.points, loss.axis, loss.unit) == (6, "step", "")
    accuracy = by_fact["metric", "accuracy", "train"]
    assert (accuracy.points, accuracy.axis) == (2, "epoch")
    assert by_fact["batch-size", "", "train"].unit == "samples"
    assert by_fact["activation-zeros", "0", "train"].unit == "fraction"
    assert {item.fact for item in ask(run, facts=["loss", "metric"]).series} == {"loss", "metric"}
    paged, after = [], 0
    while True:
        page = ask(run, after=after, limit=7)
        paged += page.series
        if page.next is None:
            break
        after = page.next
    assert paged == items
    with pytest.raises(RunNotFound):
        ask("no such run")


def key_of(fed: Fed, fact: str, name: str = "") -> str:
    items = fed.queries.series_list("run").series
    return next(item.key for item in items if (item.fact, item.name) == (fact, name))


def test_points_are_thinned_and_spikes_survive(fed: Fed) -> None:
    losses = [1.0] * 5000
    losses[1234], losses[4000] = 1e6, math.nan
    fed.feed("run", *(seen(step, loss=loss) for step, loss in enumerate(losses)))
    key = key_of(fed, "loss")
    answer = fed.queries.series("run", [(key, 0)], width=100)
    (points,) = answer.series
    assert points.key == key
    assert points.thinned
    assert len(points.steps) == len(points.values) <= 100
    assert points.high is not None
    assert points.low is not None
    assert 1e6 in points.high
    assert "nan" in points.values
    assert points.position == 5000
    assert answer.revision > 0
    assert answer.model_dump_json()
    (some,) = fed.queries.series("run", [(key, 0)], start=1230, end=1240).series
    assert (some.steps, some.thinned, some.low) == (list(range(1230, 1241)), False, None)
    assert max(v for v in some.values if isinstance(v, float)) == 1e6


def test_only_points_after_the_position(fed: Fed) -> None:
    fed.feed("run", *(seen(step, loss=float(step)) for step in range(3000)))
    key = key_of(fed, "loss")
    (tail,) = fed.queries.series("run", [(key, 2990)], width=100).series
    assert (tail.steps, tail.thinned, tail.position) == (list(range(2990, 3000)), False, 3000)
    (long,) = fed.queries.series("run", [(key, 1000)], width=100).series
    assert long.thinned
    assert long.steps[0] == 1000
    assert long.position == 3000
    (nothing,) = fed.queries.series("run", [(key, 3000)]).series
    assert (nothing.steps, nothing.position) == ([], 3000)
    fed.feed("run", seen(3000, loss=-1.0))
    (new,) = fed.queries.series("run", [(key, 3000)]).series
    assert (new.steps, new.values, new.position) == ([3000], [-1.0], 3001)


def test_several_series_in_the_order_asked(fed: Fed) -> None:
    fed.feed("run", seen(0, loss={"a": 1.0, "b": 2.0, "c": math.inf}))
    keys = [key_of(fed, "loss", name) for name in ("c", "a", "b", "a")]
    answer = fed.queries.series("run", [(key, 0) for key in keys])
    assert [points.key for points in answer.series] == keys
    assert [points.values for points in answer.series] == [["inf"], [1.0], [2.0], [1.0]]


def test_series_that_cannot_be_asked(fed: Fed) -> None:
    fed.feed("run", seen(0, loss=1.0, unit_max={"relu": [1.0, 2.0]}, own={"x": [1.0, 2.0]}))
    key = key_of(fed, "loss")
    ask = fed.queries.series
    with pytest.raises(UsageError, match="has no series 'ffff'"):
        ask("run", [(key, 0), ("ffff", 0)])
    with pytest.raises(UsageError, match="each point of unit-max is an array"):
        ask("run", [(key_of(fed, "unit-max", "relu"), 0)])
    assert ask("run", [(key_of(fed, "own", "x"), 0)]).series[0].steps == []
    with pytest.raises(UsageError, match="at most 64 series at once but got 65"):
        ask("run", [(key, 0)] * 65)
    with pytest.raises(RunNotFound):
        ask("no such run", [(key, 0)])
    assert ask("run", [(key, 0)], width=1).series[0].steps == [0]
    assert ask("run", []).series == []


def test_large_events_come_a_few_at_a_time(everywhere: Asked) -> None:
    store = everywhere.store
    store.add_run("run", {"name": "run"})
    large = [{"kind": "observation", "segment": 0, "text": "x" * 1_500_000} for _ in range(7)]
    store.ingest(Batch(run="run", rank=0, start=0, end=9, records=large))
    sizes, after = [], 0
    while (page := everywhere.queries.events("run", after=after)).events:
        sizes.append(len(page.events))
        after = page.next
    assert sizes == [2, 2, 2, 1]
    huge = [{"kind": "observation", "segment": 0, "text": "x" * 6_000_000}]
    store.ingest(Batch(run="run", rank=0, start=9, end=10, records=huge))
    assert len(everywhere.queries.events("run", after=after).events) == 1


def test_events(fed: Fed) -> None:
    fed.feed("run", *({"kind": "epoch", "epoch": n, "value": math.nan} for n in range(5)))
    fed.feed("run", {"kind": "error", "text": "lone \ud800 " + "x" * 100_000})
    page = fed.queries.events("run", limit=3)
    assert [item.record["epoch"] for item in page.events] == [0, 1, 2]
    rest = fed.queries.events("run", after=page.next)
    assert [item.kind for item in rest.events] == ["epoch", "epoch", "error"]
    assert rest.model_dump_json()
    errors = fed.queries.events("run", kinds=["error"]).events
    assert errors[0].record["text"].startswith("lone ? x")
    assert fed.queries.events("run", after=rest.next).events == []
    assert fed.queries.events("run", after=rest.next).next == rest.next
