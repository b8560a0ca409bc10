"""The contract of :mod:`trema.store.base` as tests that every back end runs.

class TestMine(StoreContract):
    @pytest.fixture
    def store(self) -> Iterator[Store]:
        ...  # an empty store, closed afterwards
"""

from __future__ import annotations

import math
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trema.core.errors import RunNotFound, UsageError
from trema.journal.writer import Journal
from trema.store.base import (
    Batch,
    CursorConflict,
    JournalReplaced,
    Points,
    RunConflict,
    SeriesKey,
    Store,
)
from trema.store.index import batches
from trema.testing.feeding import HOSTILE, LOSS, Feed, contents, facts, finding, logged, units
from trema.testing.store_people import PeopleContract
from trema.testing.store_reading import ReadingContract

__all__ = [
    "HOSTILE",
    "LOSS",
    "Feed",
    "StoreContract",
    "contents",
    "facts",
    "finding",
    "logged",
    "units",
]


class StoreContract(ReadingContract, PeopleContract):
    """What every store must do."""

    # ingestion ----------------------------------------------------------------------------

    def test_a_batch_twice_is_a_batch_once(self, store: Store) -> None:
        feed = Feed(store)
        batch = feed.batch([facts(0, loss=1.0), finding("a"), {"kind": "info", "segment": 0}])
        assert store.ingest(batch) == 3
        before = contents(store)
        assert store.ingest(batch) == 0
        assert contents(store) == before
        assert store.journals("run")[0].cursor == batch.end

    def test_an_overlap_and_a_gap_name_the_cursor(self, store: Store) -> None:
        feed = Feed(store)
        feed(facts(0, loss=1.0))
        for start in (5, 20):
            overlap = Batch(run="run", rank=0, start=start, end=30, records=[facts(1, loss=1.0)])
            with pytest.raises(CursorConflict) as raised:
                store.ingest(overlap)
            assert raised.value.expected == 10
        assert store.series("run", LOSS).position == 1

    def test_another_journal_of_the_same_name_is_noticed(self, store: Store) -> None:
        store.add_run("run", {})
        store.ingest(Batch(run="run", rank=0, start=0, end=10, records=[], head="one"))
        with pytest.raises(JournalReplaced):
            store.ingest(Batch(run="run", rank=0, start=10, end=20, records=[], head="two"))

    def test_unknown_and_damaged_records_are_passed_over(self, store: Store) -> None:
        feed = Feed(store)
        bad: list[dict[str, Any]] = [
            {"kind": "from-the-future", "segment": 0},
            {"kind": "facts", "segment": "x", "step": 1, "values": {}},
            {"kind": ["run"]},
            {"segment": 0},
        ]
        assert feed(*bad, facts(0, loss=1.0)) == 1
        odd: list[dict[str, Any]] = [
            {"kind": "facts", "step": 2**70, "values": {"loss": {"": 1.0}}},
            {"kind": "facts", "step": 1, "values": {"loss": {"": None}, "x": 3}},
            {"kind": "facts", "step": 1, "values": {"loss": {"": 10**400}}},
            {"kind": "facts", "step": 1, "values": {"loss": {"": [[1], [2, 3]]}}},
            {"kind": "finding", "finding": {"id": "x" * 10_000}},
            {"kind": "finding", "finding": "none"},
            {"kind": "end", "state": 3, "exit_code": "x", "findings": [1, {"segment": -1}]},
        ]
        feed(*odd, facts(2, loss=2.0))
        assert store.series("run", LOSS).steps.tolist() == [0, 2]
        assert store.findings("run") == []
        assert [event.kind for event in store.events("run")] == ["end"]

    def test_a_torn_line_is_left_until_it_is_whole(self, store: Store, tmp_path: Path) -> None:
        path = tmp_path / "rank-0.jsonl"
        journal = Journal(path)
        journal.write("facts", step=0, phase="train", values={"loss": {"": 1.0}})
        whole = path.stat().st_size
        journal.write("facts", step=1, phase="train", values={"loss": {"": 2.0}})
        journal.close()
        data = path.read_bytes()
        path.write_bytes(data[:-5])
        store.add_run("run", {})
        self._read(store, path, whole)
        path.write_bytes(data)
        self._read(store, path, len(data))
        with path.open("ab") as file:  # torn for good: the writer failed, then went on
            file.write(b'{"kind": "facts", "st\n{"kind": "epoch", "step": 1, "segment": 0}\n')
        self._read(store, path, path.stat().st_size)
        assert store.series("run", LOSS).values.tolist() == [1.0, 2.0]
        assert [event.kind for event in store.events("run")] == ["epoch"]

    def _read(self, store: Store, path: Path, cursor: int) -> None:
        known = store.journals("run").get(0)
        for batch in batches(path, "run", 0, known.cursor if known else 0):
            store.ingest(batch)
        assert store.journals("run")[0].cursor == cursor

    def test_threads_that_ingest_the_same_add_it_once(self, store: Store) -> None:
        feed = Feed(store)
        series = []
        for step in range(20):
            batch = feed.batch([facts(step, loss=float(step)), {"kind": "epoch", "step": step}])
            feed.cursor = batch.end
            series.append(batch)
        taken: list[int] = []

        def work() -> None:
            for batch in series:
                taken.append(store.ingest(batch))

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(taken) == 40
        assert store.series("run", LOSS).steps.tolist() == list(range(20))
        assert [event.step for event in store.events("run")] == list(range(20))

    # numbers ------------------------------------------------------------------------------

    @pytest.mark.parametrize("count", [1, 1023, 1024, 1025, 2049])
    @pytest.mark.parametrize("pieces", [1, 3])
    def test_series_across_block_boundaries(self, store: Store, count: int, pieces: int) -> None:
        feed = Feed(store)
        values = np.random.default_rng(0).normal(size=count)
        records = [facts(2 * i, loss=value) for i, value in enumerate(values)]
        size = math.ceil(count / pieces)
        for start in range(0, count, size):
            feed(*records[start : start + size])
        points = store.series("run", LOSS)
        assert points.steps.tolist() == list(range(0, 2 * count, 2))
        assert points.values.tobytes() == values.tobytes()  # exact: nothing is rounded
        assert points.position == count == store.series_keys("run")[LOSS]
        blocks = store.blocks("run", LOSS)
        assert [b.count for b in blocks] == [1024] * (count // 1024) + [count % 1024][
            : count % 1024
        ]
        assert min(b.minimum or 0.0 for b in blocks) == min(values.min(), values[0])
        for after in (0, 1, 1023, 1024, 1025, count):
            rest = store.series("run", LOSS, after=after)
            assert rest.values.tolist() == values[after:].tolist()
            assert rest.position == max(after, count)

    def test_nonfinite_numbers_come_back(self, store: Store) -> None:
        words = ["nan", 1.5, "inf", "-inf", -2.0]
        feed = Feed(store)
        feed(*[facts(step, loss=word) for step, word in enumerate(words)])
        feed({"kind": "metrics", "epoch": 4, "phase": "validation", "values": {"auc": "nan"}})
        values = store.series("run", LOSS).values
        np.testing.assert_array_equal(values, [np.nan, 1.5, np.inf, -np.inf, -2.0])
        (block,) = store.blocks("run", LOSS)
        assert (block.minimum, block.maximum, block.nonfinite) == (-2.0, 1.5, 3)
        metric = SeriesKey(fact="metric", name="auc", phase="validation")
        assert store.series("run", metric).steps.tolist() == [4]
        (empty,) = store.blocks("run", metric)
        assert (empty.minimum, empty.maximum, empty.nonfinite) == (None, None, 1)

    def test_arrays_keep_their_shape_and_the_newest_width_counts(self, store: Store) -> None:
        feed = Feed(store)
        key = SeriesKey(fact="unit-max", name="relu")
        feed(units(0, [1.0, "nan"]))
        np.testing.assert_array_equal(store.series("run", key).values, [[1.0, np.nan]])
        feed(units(1, [1.0, 2.0, 3.0]))
        feed(units(2, [4.0, 5.0, 6.0]))
        points = store.series("run", key)
        assert points.steps.tolist() == [1, 2]
        assert points.values.tolist() == [[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]
        assert points.position == 3
        feed(units(3, []))
        assert store.series("run", key, after=3).values.shape == (1, 0)

    def test_what_a_program_logs_is_points(self, store: Store) -> None:
        feed = Feed(store)
        values = {"loss": 1.5, "val_loss": "nan", "lr": 1, "text": "x", "many": [1.0], "none": None}
        assert feed(logged(0, **values), logged(1, loss=0.5), logged(9, val_loss=2.0)) == 3
        feed(logged(10, loss=0.25), {**logged(0, loss=7.0), "segment": 1})
        feed({**logged(0, loss=3.0), "step": "x"}, {"kind": "log", "step": 3, "values": [1.0]})
        found = {key: store.series("run", key) for key in store.series_keys("run")}
        said = {
            (key.name, key.phase, key.segment): (points.steps.tolist(), points.values.tolist())
            for key, points in found.items()
        }
        assert {key.fact for key in found} == {"log"}
        assert said.pop(("loss", "train", 0)) == ([0, 1, 10], [1.5, 0.5, 0.25])
        steps, losses = said.pop(("loss", "validation", 0))
        assert (steps, losses[1], math.isnan(losses[0])) == ([0, 9], 2.0, True)
        assert said == {("lr", "train", 0): ([0], [1.0]), ("loss", "train", 1): ([0], [7.0])}
        assert store.events("run") == []
        assert store.run("run").updated == 1.0

    def test_many_series_between_two_steps(self, store: Store) -> None:
        feed = Feed(store)
        feed(*(facts(step, loss={"a": step, "b": -step}) for step in range(3000)))
        feed(units(7, [1.0, math.nan]), units(9, [2.0, 3.0]))
        a, b = SeriesKey(fact="loss", name="a"), SeriesKey(fact="loss", name="b")
        arrays, missing = SeriesKey(fact="unit-max", name="relu"), SeriesKey(fact="nothing")
        found = store.many_series("run", [b, a, arrays, missing], start=8, end=2500)
        assert found.keys() == {a, b, arrays}
        assert found[a].steps.tolist() == list(range(8, 2501))
        assert found[b].values[:2].tolist() == [-8.0, -9.0]
        assert found[arrays].values.tolist() == [[2.0, 3.0]]
        assert len(store.many_series("run", [a])[a].steps) == 3000
        assert len(store.rows_at("run", a, start=2999, end=5000).steps) == 1
        assert store.many_series("run", [a], start=5000) == {}
        with pytest.raises(RunNotFound):
            store.many_series("no such run", [a])

    def test_what_was_not_observed_is_empty(self, store: Store) -> None:
        Feed(store)
        points = store.series("run", LOSS)
        assert (points.steps.size, points.values.size, points.position) == (0, 0, Points().position)
        assert store.series_keys("run") == {}
        assert not store.blocks("run", LOSS)
        assert not store.findings()
        assert not store.events("run")

    def test_series_are_told_apart(self, store: Store) -> None:
        one, two = Feed(store), Feed(store, rank=1)
        one(facts(0, loss=1.0), facts(0, "validation", loss=2.0), facts(0, loss={"b": 3.0}))
        one({**facts(0, loss=4.0), "segment": 1})
        two(facts(0, loss=5.0))
        keys = store.series_keys("run")
        assert sorted(store.series("run", key).values.item() for key in keys) == [1, 2, 3, 4, 5]

    # findings, events ---------------------------------------------------------------------

    def test_a_repeat_extends_a_finding(self, store: Store) -> None:
        feed = Feed(store)
        feed(finding("a"), finding("b", "critical"))
        feed(finding("a", "error", count=7))
        assert [(f.id, f.severity) for f in store.findings("run")] == [
            ("b", "critical"),
            ("a", "error"),
        ]
        assert store.findings("run")[1].document["count"] == 7

    def test_findings_by_filter(self, store: Store) -> None:
        Feed(store)(finding("a"), finding("b", "critical"), finding("c", "error", "gone"))
        Feed(store, "other")(finding("d", "critical", check="overlap", cause="split"))
        assert [f.id for f in store.findings(severity={"critical"})] == ["d", "b"]
        assert [f.id for f in store.findings("run", severity=["critical", "error"])] == ["b", "c"]
        assert [f.id for f in store.findings(check="overlap")] == ["d"]
        assert [f.id for f in store.findings(cause="split", state="gone")] == []
        assert [f.id for f in store.findings(state="gone")] == ["c"]
        assert store.findings(severity=[]) == []

    def test_ranks_join_in_any_order(self, store: Store) -> None:
        said = {0: finding("a", "warning", "gone", count=2), 1: finding("a", "error", count=3)}
        for run, order in (("x", (0, 1)), ("y", (1, 0))):
            for rank in order:
                Feed(store, run, rank)(said[rank])
        for run in ("x", "y"):
            (only,) = store.findings(run, severity=["error"])
            assert (only.ranks, only.state, only.document["count"]) == ((0, 1), "active", 5)
        assert store.findings(severity=["warning"]) == []

    def test_the_end_has_the_last_word(self, store: Store) -> None:
        feed = Feed(store)
        feed(finding("a"))
        end = {"kind": "end", "t": 9.0, "state": "failed", "exit_code": 1}
        feed({**end, "findings": [{**finding("a")["finding"], "rank": 1}]})
        run = store.run("run")
        assert (run.state, run.exit_code, run.updated) == ("failed", 1, 9.0)
        assert store.findings("run")[0].document["rank"] == 1
        feed({"kind": "run", "t": 10.0})
        assert store.run("run").state == "running"

    def test_readers_follow_by_revision(self, store: Store) -> None:
        feed = Feed(store)
        feed({"kind": "info", "step": None}, finding("a"))
        seen = store.run("run").revision
        feed({"kind": "epoch", "step": 3}, finding("b"), finding("a", "error"))
        assert [e.kind for e in store.events("run", after=seen)] == ["epoch"]
        assert {f.id for f in store.findings("run", after=seen)} == {"a", "b"}
        newest = store.run("run").revision
        assert not store.events("run", after=newest)
        assert not store.findings("run", after=newest)
        assert [e.kind for e in store.events("run", kinds=["epoch"])] == ["epoch"]
        assert [e.kind for e in store.events("run", limit=1)] == ["info"]

    # runs ---------------------------------------------------------------------------------

    @pytest.mark.parametrize("name", HOSTILE)
    def test_hostile_names(self, store: Store, name: str) -> None:
        feed = Feed(store, name)
        feed(facts(0, loss={name: 1.0}), finding(name, title=name), {"kind": "error", "text": name})
        key = SeriesKey(fact="loss", name=name)
        assert (store.run(name).id, store.runs()[0].name) == (name, name)
        assert store.run(name).metadata["name"] == name
        assert store.series_keys(name) == {key: 1}
        assert store.series(name, key).values.tolist() == [1.0]
        assert store.findings(name)[0].document["title"] == store.findings()[0].id == name
        assert store.events(name)[0].record["text"] == name
        store.delete_run(name)
        assert store.runs() == []

    def test_long_names(self, store: Store) -> None:
        long = "layer." * 20_000
        feed = Feed(store)
        feed(facts(0, loss={long: 1.0}), finding("a", long, check=long))
        assert store.series("run", SeriesKey(fact="loss", name=long)).position == 1
        assert store.findings("run")[0].document["check"] == long
        for run in ("", "x" * 256):
            with pytest.raises(UsageError):
                store.add_run(run, {})

    def test_runs_come_in_pages(self, store: Store) -> None:
        for number in range(5):
            store.add_run(f"r{number}", {"started": float(number // 2)}, origin=str(number % 2))
        first = [run.id for run in store.runs(limit=2)]
        then = [run.id for run in store.runs(after=first[-1])]
        assert first + then == ["r4", "r3", "r2", "r1", "r0"]
        assert [run.id for run in store.runs(origin="1")] == ["r3", "r1"]

    def test_metadata_can_change_and_origin_cannot(self, store: Store) -> None:
        store.add_run("run", {"name": "a", "started": "nan"}, origin="here")
        store.add_run("run", {"name": "b"}, origin="here")
        assert (store.run("run").name, store.run("run").started) == ("b", 0.0)
        with pytest.raises(RunConflict):
            store.add_run("run", {"name": "c"}, origin="there")

    def test_a_deleted_run_is_gone_and_can_come_back(self, store: Store) -> None:
        for run in ("run", "other"):
            Feed(store, run)(facts(0, loss=1.0), finding("a"), {"kind": "info"})
        store.delete_run("run")
        assert [run.id for run in store.runs()] == ["other"]
        assert [f.run for f in store.findings()] == ["other"]
        Feed(store)
        assert not store.series_keys("run")
        assert not store.journals("run")
        assert store.series("other", LOSS).position == 1

    def test_an_unknown_run_is_not_found(self, store: Store) -> None:
        for read in (store.run, store.journals, store.findings, store.events, store.series_keys):
            with pytest.raises(RunNotFound):
                read("none")
        with pytest.raises(RunNotFound):
            store.delete_run("none")
        with pytest.raises(RunNotFound):
            store.series("none", LOSS)
        with pytest.raises(RunNotFound):
            store.blocks("none", LOSS)
        with pytest.raises(RunNotFound):
            store.runs(after="none")
        with pytest.raises(RunNotFound):
            store.ingest(Batch(run="none", rank=0, start=0, end=1, records=[]))
