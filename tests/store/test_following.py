"""Following a folder of runs: what is new and only that, killed runs, sources, actions."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from trema.journal.folder import RunFolder, create_run, remove_run
from trema.journal.writer import Journal
from trema.store import following, open_store
from trema.store.base import SeriesKey, Store
from trema.store.following import Follower
from trema.store.index import index_runs

LOSS = SeriesKey(fact="loss")


@pytest.fixture
def store(sqlite_url: str) -> Iterator[Store]:
    store = open_store(sqlite_url)
    yield store
    store.close()


@pytest.fixture
def follower(tmp_path: Path, store: Store) -> Follower:
    return Follower(tmp_path, store)


def start(root: Path, name: str = "train") -> tuple[RunFolder, Journal]:
    run = create_run(root, name)
    log = Journal(run.journal(0))
    log.write("run", id=run.id)
    return run, log


def log_steps(log: Journal, first: int, last: int) -> None:
    for step in range(first, last):
        log.write("facts", step=step, phase="train", values={"loss": {"": step / 2}})


def with_metadata(run: RunFolder, **changes: Any) -> None:
    text = json.dumps({**run.metadata, **changes})
    (run.path / ".new").write_text(text)
    os.replace(run.path / ".new", run.path / "run.json")


def ended_process() -> int:
    """The id of a process that has ended."""
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    return child.pid


def act(root: Path, *lines: Any, file: str = "host-1.jsonl") -> None:
    (root / "user").mkdir(parents=True, exist_ok=True)
    with (root / "user" / file).open("a") as out:
        for line in lines:
            out.write((line if isinstance(line, str) else json.dumps(line)) + "\n")


def mute(number: int, **changes: Any) -> dict[str, Any]:
    return {"id": f"m{number}", "t": float(number), "kind": "mute", "run": None, "data": {}} | (
        changes
    )


def test_only_what_changed_is_read(tmp_path: Path, store: Store, follower: Follower) -> None:
    assert follower.step() == 0  # no folder yet
    runs = [start(tmp_path, f"train {number}") for number in range(3)]
    assert follower.step() == 3
    seen = store.now()
    time.sleep(0.01)
    log_steps(runs[1][1], 0, 5)
    assert follower.step() == 5
    assert [touch.run for touch in store.touched(seen)] == [runs[1][0].id]
    assert store.series(runs[1][0].id, LOSS).position == 5
    seen = store.now()
    assert follower.step() == 0
    assert store.touched(seen) == []


def test_a_new_rank_and_a_new_name_are_seen(
    tmp_path: Path, store: Store, follower: Follower
) -> None:
    run, _ = start(tmp_path)
    follower.step()
    log_steps(Journal(run.journal(1), rank=1), 0, 3)
    assert follower.step() == 3
    with_metadata(run, name="better")
    follower.step()
    assert store.run(run.id).name == "better"


def test_a_removed_run_leaves(tmp_path: Path, store: Store, follower: Follower) -> None:
    (one, _), (two, _) = start(tmp_path, "one"), start(tmp_path, "two")
    index_runs(tmp_path, _url(store))
    remove_run(one)  # before the follower saw it
    follower.step()
    assert [run.id for run in store.runs()] == [two.id]
    remove_run(two)
    follower.step()
    assert store.runs() == []
    assert {run for run, _ in store.removed()} == {one.id, two.id}


def _url(store: Any) -> str:
    return str(store._engine.url.render_as_string(hide_password=False))


def test_nothing_is_forgotten_when_the_folder_is_out_of_reach(
    tmp_path: Path, store: Store, follower: Follower
) -> None:
    start(tmp_path)
    follower.step()
    (tmp_path / "runs").rename(tmp_path / "away")
    follower.step()
    assert len(store.runs()) == 1


def test_a_run_whose_process_is_gone_is_killed(
    tmp_path: Path, store: Store, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, log = start(tmp_path)
    log_steps(log, 0, 3)
    follower.step()
    assert store.run(run.id).state == "running"  # this process lives
    with_metadata(run, pid=ended_process())
    follower.step()
    assert store.run(run.id).state == "running"  # its last words may not be read yet
    monkeypatch.setattr(following, "QUIET", 0.0)
    follower.step()
    assert store.run(run.id).state == "killed"
    assert store.journals(run.id)[0].state == "killed"
    log_steps(log, 3, 4)  # not killed after all
    follower.step()
    assert store.run(run.id).state == "running"
    follower.step()
    assert store.run(run.id).state == "killed"


def test_a_run_without_a_journal_is_killed(
    tmp_path: Path, store: Store, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "QUIET", 0.0)
    run = create_run(tmp_path, "train")
    with_metadata(run, pid=ended_process())
    follower.step()
    follower.step()
    assert store.run(run.id).state == "killed"
    log_steps(Journal(run.journal(0)), 0, 1)
    follower.step()
    assert store.run(run.id).state == "running"


def test_runs_that_end_or_live_elsewhere_are_not_killed(
    tmp_path: Path, store: Store, follower: Follower, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "QUIET", 0.0)
    (ended, log), (elsewhere, _), (shared, other) = (
        start(tmp_path, "ended"),
        start(tmp_path, "elsewhere"),
        start(tmp_path, "shared"),
    )
    log.write("end", state="crashed", exit_code=1, findings=[])
    other.write("run", id=shared.id)  # a second process joined
    pid = ended_process()
    for run in (ended, shared):
        with_metadata(run, pid=pid)
    with_metadata(elsewhere, pid=pid, host="another")
    for _ in range(3):
        follower.step()
    states = {run.name: run.state for run in store.runs()}
    assert states == {"ended": "crashed", "elsewhere": "running", "shared": "running"}


def test_sources_are_kept(tmp_path: Path, store: Store, follower: Follower) -> None:
    run, log = start(tmp_path)
    run.save_sources({"train.py": "a = 1\n", "lib/net.py": "b = '\ud800ü'\n"})
    (run.path / "source" / "link.py").symlink_to("/etc/hostname")
    (run.path / "source" / "bad.py").write_bytes(b"\xff\xfe")
    (run.path / "source" / "long.py").write_bytes(b"x" * 1_500_000)
    follower.step()
    assert store.sources(run.id) == ["bad.py", "lib/net.py", "long.py", "train.py"]
    assert store.source(run.id, "lib/net.py") == "b = '\ud800ü'\n"
    assert store.source(run.id, "bad.py") == "\ufffd\ufffd"
    assert len(store.source(run.id, "long.py") or "") == 1_000_000
    run.save_sources({"train.py": "a = 2\n"})
    log_steps(log, 0, 1)
    follower.step()
    assert store.source(run.id, "train.py") == "a = 2\n"
    run.journal(0).write_bytes(b'{"kind":"run","t":1.5}\n')  # another journal: the run is new
    follower.step()
    assert len(store.sources(run.id)) == 4


def test_a_run_of_links_shows_nothing_of_this_machine(
    tmp_path: Path, store: Store, follower: Follower
) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "key").write_text("secret")
    (home / "log").write_text('{"kind": "log", "segment": 0, "text": "secret"}\n')
    run, log = start(tmp_path)
    log_steps(log, 0, 1)
    (run.path / "source").symlink_to(home)
    run.journal(1).symlink_to(home / "log")
    follower.step()
    assert store.sources(run.id) == []
    assert list(store.journals(run.id)) == [0]
    index_runs(tmp_path, f"sqlite:///{tmp_path / 'other.db'}")
    other = open_store(f"sqlite:///{tmp_path / 'other.db'}")
    assert other.sources(run.id) == []
    other.close()


def test_what_people_did_is_replayed(tmp_path: Path, store: Store, follower: Follower) -> None:
    run, _ = start(tmp_path)
    act(tmp_path, mute(2, run=run.id, data={"check": "dead-units"}), mute(3))
    act(tmp_path, mute(1), mute(3), file="host-2.jsonl")
    bad = [
        "{",
        "[]",
        mute(4, t="x"),
        mute(5, data=1),
        mute(6, id=3),
        mute(7, run=3),
        mute(8, t=1e999),
    ]
    act(tmp_path, *bad, mute(9, id="x" * 300))
    follower.step()
    assert [action.id for action in store.actions()] == ["m1", "m2", "m3"]
    assert store.actions()[1].run == run.id
    act(tmp_path, mute(10), '{"id": "torn')
    follower.step()
    assert [action.id for action in store.actions(after=3)] == ["m10"]
    Follower(tmp_path, store).step()
    index_runs(tmp_path, _url(store), rebuild=False)
    assert [action.id for action in store.actions()] == ["m1", "m2", "m3", "m10"]


def test_an_index_that_is_rebuilt_keeps_what_people_did(tmp_path: Path, sqlite_url: str) -> None:
    run, _ = start(tmp_path)
    run.save_sources({"train.py": "a = 1\n"})
    act(tmp_path, mute(1))
    for rebuild in (False, True):
        index_runs(tmp_path, sqlite_url, rebuild=rebuild)
        store = open_store(sqlite_url)
        assert [action.id for action in store.actions()] == ["m1"]
        assert store.source(run.id, "train.py") == "a = 1\n"
        store.close()


def test_a_run_that_cannot_be_indexed_holds_up_no_other(
    tmp_path: Path, store: Store, follower: Follower
) -> None:
    (taken, _), (good, _) = start(tmp_path, "a"), start(tmp_path, "b")
    store.add_run(taken.id, {}, origin="elsewhere")
    assert follower.step() == 1
    assert store.run(good.id).revision == 1
    (problem,) = follower.problems
    assert taken.id in problem
    store.delete_run(taken.id)
    follower._seen[taken.id].retry = 0.0
    assert follower.step() == 1
    assert follower.problems == []


def test_a_follower_opens_its_own_store(tmp_path: Path, sqlite_url: str) -> None:
    start(tmp_path)
    follower = Follower(tmp_path, sqlite_url)
    assert follower.step() == 1
    follower.close()


@pytest.mark.slow
def test_a_step_over_idle_runs_is_quick(tmp_path: Path, follower: Follower) -> None:
    for number in range(1000):
        path = tmp_path / "runs" / f"run-{number:04}"
        path.mkdir(parents=True)
        (path / "run.json").write_text('{"name": "x", "host": "another"}')
        (path / "rank-0.jsonl").write_text('{"kind": "run", "t": 1.0}\n')
        os.utime(path, (1e9, 1e9))
    follower.step()
    times = []
    for _ in range(10):
        begun = time.perf_counter()
        assert follower.step() == 0
        times.append(time.perf_counter() - begun)
    assert min(times) < 0.1  # about 0.01 measured; other tests may run beside this one
