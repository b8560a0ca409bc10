"""The part of a store's contract about what changed, heads of findings, and thinned series."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

from trema.core.errors import RunNotFound, UsageError
from trema.store.base import FindingHead, SeriesKey, Store, Window
from trema.testing.feeding import HOSTILE, LOSS, Feed, facts, finding, units


def feed_values(feed: Feed, values: Sequence[float], first: int = 0) -> None:
    """Give a store the losses of consecutive steps."""
    words = [value if math.isfinite(value) else str(value) for value in values]
    feed(*[facts(first + step, loss=word) for step, word in enumerate(words)])


class ReadingContract:
    """What every store must be able to say quickly."""

    # changes ------------------------------------------------------------------------------

    def test_every_write_is_a_change(self, store: Store) -> None:
        began = store.now()
        feed = Feed(store)
        other = Feed(store, "other")
        seen = [store.touched()[-1].touched]
        assert abs(seen[0] - began) < 60e6
        writes: list[Callable[[], object]] = [
            lambda: feed(facts(0, loss=1.0)),
            lambda: feed(finding("a")),
            lambda: feed(),
            lambda: store.add_run("run", {"name": "new"}),
            lambda: store.put_source("run", "train.py", ""),
            lambda: store.add_action("1", time=1.0, kind="tags", run="run", data={}),
            lambda: store.mark_killed("run"),
        ]
        for write in writes:
            write()
            (touch,) = [touch for touch in store.touched() if touch.run == "run"]
            assert touch.touched > seen[-1]
            assert [t.run for t in store.touched(seen[-1]) if t.run == "run"] == ["run"]
            assert store.touched(touch.touched) == []
            seen.append(touch.touched)
        run = store.run("run")
        assert (touch.revision, touch.state, touch.updated) == (1, "killed", run.updated)
        other(facts(0, loss=1.0))
        assert [touch.run for touch in store.touched()] == ["run", "other"]

    def test_reading_and_repeating_change_nothing(self, store: Store) -> None:
        feed = Feed(store)
        batch = feed.batch([facts(0, loss=1.0)])
        store.ingest(batch)
        before = store.touched()
        store.ingest(batch)
        store.add_run("run", {"name": "run", "started": 1.0})
        store.window("run", LOSS)
        assert store.touched() == before

    def test_many_writers_of_one_run_each_change_it(self, store: Store) -> None:
        feeds = [Feed(store, rank=rank) for rank in range(4)]
        seen: list[int] = []

        def write(feed: Feed) -> None:
            for step in range(10):
                feed(facts(step, loss=1.0))
                seen.append(store.touched()[0].touched)

        threads = [threading.Thread(target=write, args=(feed,)) for feed in feeds]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert len(seen) == 40
        assert store.touched()[0].touched == max(seen)

    def test_a_deleted_run_is_told(self, store: Store) -> None:
        for name in ("run", HOSTILE[2]):
            Feed(store, name)(facts(0, loss=1.0))
            last = {touch.run: touch.touched for touch in store.touched()}[name]
            store.delete_run(name)
            (when,) = [when for run, when in store.removed() if run == name]
            assert when > last
            assert store.removed(when) == []
        assert [run for run, _ in store.removed()] == ["run", HOSTILE[2]]
        store.add_run("run", {})
        assert [run for run, _ in store.removed()] == [HOSTILE[2]]
        assert store.touched()[0].touched > last

    def test_nothing_is_left_of_a_deleted_run(self, store: Store) -> None:
        Feed(store)(facts(0, loss=1.0), finding("a"))
        store.put_source("run", "train.py", "a = 1")
        store.add_action("1", time=1.0, kind="tags", run="run", data={})
        store.delete_run("run")
        assert store.heads() == []
        assert store.curves({"run": LOSS}) == {}
        assert store.keys_of(["run"], "loss") == {}
        store.add_run("run", {})
        assert store.sources("run") == []
        assert [action.id for action in store.actions()] == ["1"]  # it is no part of the run

    # killed -------------------------------------------------------------------------------

    def test_a_killed_run_can_come_back(self, store: Store) -> None:
        one, two = Feed(store), Feed(store, rank=1)
        one(facts(0, loss=1.0))
        two({"kind": "end", "state": "finished", "exit_code": 0})
        assert store.mark_killed("run")
        assert not store.mark_killed("run")
        assert store.run("run").state == "killed"
        assert {r: j.state for r, j in store.journals("run").items()} == {
            0: "killed",
            1: "finished",
        }
        one()  # torn lines only
        assert store.run("run").state == "killed"
        one(facts(1, loss=1.0))
        assert store.run("run").state == "running"
        one({"kind": "end", "state": "crashed", "exit_code": 1})
        assert not store.mark_killed("run")
        assert (store.run("run").state, store.run("run").exit_code) == ("crashed", 1)

    # findings -----------------------------------------------------------------------------

    def test_heads_are_findings_without_their_documents(self, store: Store) -> None:
        full: dict[str, Any] = {
            "title": "t",
            "where": {"layer": "relu"},
            "rank": 2,
            "explained_by": ["b"],
        }
        Feed(store)(finding("a", **full), finding("b", "critical", "gone"))
        Feed(store, "other")(finding("c", "error", title=["no text"], where=3, rank="x"))
        by_id = {head.id: head for head in store.heads(runs=["run", "other", "none"])}
        assert by_id["a"] == FindingHead(
            run="run",
            id="a",
            segment=0,
            check="dead-units",
            cause="activation",
            severity="warning",
            state="active",
            title="t",
            layer="relu",
            rank=2,
            explained=True,
        )
        odd = by_id["c"]
        assert (odd.title, odd.layer, odd.rank, odd.explained) == ("", None, 0, False)
        assert [head.id for head in store.heads(["run"])] == ["a", "b"]  # active before gone
        assert len(store.heads()) == 3
        assert store.heads([]) == []

    def test_heads_say_what_findings_say(self, store: Store) -> None:
        said = (
            (0, finding("a", "warning", "gone", title="zero", rank=4)),
            (2, finding("a", "error", title="two", rank=1)),
            (1, finding("a", "warning", title="one", rank=3)),
        )
        for rank, record in said:
            Feed(store, rank=rank)(record, finding("b", title=HOSTILE[2]))
        heads, findings = store.heads(["run"]), store.findings("run")
        assert [(h.id, h.severity, h.state, h.title) for h in heads] == [
            (f.id, f.severity, f.state, f.document["title"]) for f in findings
        ]
        assert heads[0].rank == 1
        Feed(store, "other")(finding("a", title="x" * 1_000_000))
        assert len(store.heads(["other"])[0].title) <= 1000

    # series -------------------------------------------------------------------------------

    def test_how_runs_ended(self, store: Store) -> None:
        end = {"kind": "end", "t": 9.0, "segment": 0, "state": "finished"}
        Feed(store, "a")({**end, "run": {"steps": 1}}, {**end, "run": {"steps": 2}})
        for rank in (1, 0):
            Feed(store, "b", rank)({**end, "run": {"steps": 10 + rank}})
        early = Feed(store, "c")  # a run that went on after its end
        early(end, *({"kind": "epoch", "t": 1.0, "epoch": n} for n in range(600)))
        Feed(store, "d")(facts(0, loss=1.0))
        found = store.ends(["a", "b", "c", "d", "no such run"])
        assert found.keys() == {"a", "b", "c"}
        assert found["a"]["run"] == {"steps": 2}
        assert found["b"]["run"] == {"steps": 10}

    def test_series_are_listed_in_pages(self, store: Store) -> None:
        feed = Feed(store)
        feed(facts(0, loss=1.0), facts(0, accuracy=1.0), facts(0, rate={"a": 1.0, "b": 2.0}))
        whole = store.series_info("run")
        assert [key for _, _, key, _ in whole] == list(store.series_keys("run"))
        first = store.series_info("run", limit=2)
        rest = store.series_info("run", after=first[-1][0])
        assert first + rest == whole
        assert [key.name for _, _, key, _ in store.series_info("run", facts=["rate"])] == ["a", "b"]
        assert store.series_info("run", facts=[]) == []
        digests = [digest for _, digest, _, _ in whole]
        assert store.find_series("run", [*digests[:2], "none"]) == {
            digest: key for _, digest, key, _ in whole[:2]
        }

    def test_series_of_a_fact_of_many_runs(self, store: Store) -> None:
        Feed(store)(facts(0, loss=1.0), facts(1, loss=1.0), facts(0, accuracy=1.0))
        Feed(store, "other")(facts(0, loss={"a": 1.0}))
        many = ["run", "other", *(f"none {number}" for number in range(1200))]
        assert store.keys_of(runs=many, fact="loss") == {
            "run": {LOSS: 2},
            "other": {SeriesKey(fact="loss", name="a"): 1},
        }
        assert store.keys_of([], "loss") == {}

    def test_rows_between_two_steps(self, store: Store) -> None:
        feed = Feed(store)
        feed_values(feed, np.arange(3000.0).tolist())
        points = store.rows_at("run", LOSS, start=1000, end=2100)
        assert points.steps.tolist() == list(range(1000, 2101))
        assert points.values.tolist() == list(range(1000, 2101))
        assert store.rows_at("run", LOSS, start=5000, end=6000).steps.size == 0
        key = SeriesKey(fact="unit-max", name="relu")
        feed(units(0, [1.0, 2.0]), units(5, [3.0, "inf"]), units(9, [5.0, 6.0]))
        found = store.rows_at("run", key, start=1, end=8)
        np.testing.assert_array_equal(found.values, [[3.0, np.inf]])

    # windows ------------------------------------------------------------------------------

    def test_a_short_series_is_not_thinned(self, store: Store) -> None:
        feed_values(Feed(store), [1.0, math.nan, math.inf])
        window = store.window("run", LOSS, width=3)
        assert (window.thinned, window.low, window.high, window.position) == (False, None, None, 3)
        np.testing.assert_array_equal(window.steps, [0, 1, 2])
        np.testing.assert_array_equal(window.values, [1.0, np.nan, np.inf])
        assert store.window("run", LOSS, start=1, end=1).steps.tolist() == [1]
        assert store.window("run", LOSS, start=5).steps.size == 0
        assert store.window("run", SeriesKey(fact="none")).position == 0
        for width in (1, 0, -1):
            with pytest.raises(UsageError, match="at least 2"):
                store.window("run", LOSS, width=width)

    @pytest.mark.parametrize("width", [2, 64, 1000])
    def test_spikes_survive(self, store: Store, width: int) -> None:
        values = np.random.default_rng(0).normal(size=5000)
        values[[1, 1023, 1024, 3333, 4998]] = [90, -91, 92, 93, -94]
        feed = Feed(store)
        for first in range(0, 5000, 700):
            feed_values(feed, values[first : first + 700].tolist(), first)
        for start, end in ((None, None), (0, 4999), (1, 4998), (1000, 3400), (3333, 4999)):
            window = store.window("run", LOSS, start=start, end=end, width=width)
            inside = slice(start or 0, None if end is None else end + 1)
            check_window(window, np.arange(5000)[inside], values[inside], width)
            assert window.position == 5000
        again = store.curves({"run": LOSS}, width)["run"]
        check_window(again, np.arange(5000), values, width)

    def test_a_stretch_that_is_not_finite_shows_it(self, store: Store) -> None:
        values = np.zeros(3000)
        values[100:110] = np.inf
        values[1024:2048] = np.nan  # a whole block
        feed_values(Feed(store), values.tolist())
        window = store.window("run", LOSS, width=20)
        check_window(window, np.arange(3000), values, 20)
        assert np.isinf(window.values).sum() == 1
        assert np.isnan(window.values).any()
        assert window.low is not None
        assert np.isnan(window.low).any()

    def test_steps_that_go_back_come_in_order(self, store: Store) -> None:
        feed = Feed(store)
        feed_values(feed, np.arange(2000.0).tolist())
        feed_values(feed, (-np.arange(1500.0)).tolist(), 500)  # resumed from step 500
        for width in (50, 5000):
            window = store.window("run", LOSS, width=width)
            assert (np.diff(window.steps) >= 0).all()
            assert (window.steps[0], window.steps[-1]) == (0, 1999)
        found = store.window("run", LOSS, start=600, end=600)
        assert found.values.tolist() == [600.0, -100.0]
        assert store.rows_at("run", LOSS, start=600, end=600).values.tolist() == [600.0, -100.0]

    def test_one_curve_of_each_run(self, store: Store) -> None:
        generator = np.random.default_rng(0)
        wanted, values = {}, {}
        for number, count in enumerate((1, 63, 64, 65, 1024, 1025, 5000)):
            run, values[number] = f"run {number}", generator.normal(size=count)
            feed_values(Feed(store, run), values[number].tolist())
            wanted[run] = LOSS
        wanted |= {"none": LOSS, "run 0": SeriesKey(fact="none")}
        found = store.curves(wanted)
        assert set(found) == {f"run {number}" for number in range(1, 7)}
        for number in range(1, 7):
            window = found[f"run {number}"]
            check_window(window, np.arange(len(values[number])), values[number], 64)
            assert window.position == len(values[number])
        assert store.curves({}) == {}

    def test_arrays_have_no_window(self, store: Store) -> None:
        Feed(store)(units(0, [1.0, 2.0]))
        window = store.window("run", SeriesKey(fact="unit-max", name="relu"))
        assert (window.steps.size, window.position) == (0, 1)

    # sources ------------------------------------------------------------------------------

    def test_sources_come_back_exactly(self, store: Store) -> None:
        Feed(store)
        texts = {"train.py": "a = 1\r\n", "lib/ü.py": "'\ud800\x00\\u0041'", "x" * 1000: ""}
        for path, text in texts.items():
            store.put_source("run", path, "old")
            store.put_source("run", path, text)
        assert store.sources("run") == sorted(texts)
        assert {path: store.source("run", path) for path in texts} == texts
        assert store.source("run", "../../etc/passwd") is None
        for path in ("", "x" * 1001):
            with pytest.raises(UsageError):
                store.put_source("run", path, "")

    def test_an_unknown_run_is_not_found_here_either(self, store: Store) -> None:
        asks = (
            lambda: store.series_info("none"),
            lambda: store.find_series("none", []),
            lambda: store.window("none", LOSS),
            lambda: store.rows_at("none", LOSS, start=0, end=1),
            lambda: store.mark_killed("none"),
            lambda: store.put_source("none", "a", ""),
            lambda: store.sources("none"),
            lambda: store.source("none", "a"),
        )
        for ask in asks:
            with pytest.raises(RunNotFound):
                ask()


def check_window(window: Window, steps: np.ndarray, values: np.ndarray, width: int) -> None:
    """Compare a window with the points it stands for; the steps must grow from point to point."""
    assert len(window.steps) <= width
    if len(steps) <= width:
        assert not window.thinned
        np.testing.assert_array_equal(window.steps, steps)
        np.testing.assert_array_equal(window.values, values)
        return
    assert window.thinned
    assert window.low is not None
    assert window.high is not None
    assert (window.steps[0], window.steps[-1]) == (steps[0], steps[-1])
    ends = np.searchsorted(steps, window.steps, "right")
    for place, (first, last) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        assert last > first
        assert steps[last - 1] == window.steps[place]
        part = values[first:last]
        finite = part[np.isfinite(part)]
        low, high = (finite.min(), finite.max()) if finite.size else (np.nan, np.nan)
        np.testing.assert_array_equal(window.low[place], low)
        np.testing.assert_array_equal(window.high[place], high)
        odd = part[~np.isfinite(part)]
        np.testing.assert_array_equal(window.values[place], odd[-1] if odd.size else part[-1])
