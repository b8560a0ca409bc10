"""From journals on disk to the index: incremental, concurrent, killed in the middle."""

import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import text

from trema.core.errors import UsageError
from trema.journal.folder import RunFolder, create_run, remove_run
from trema.journal.writer import Journal
from trema.store import index, open_store
from trema.store.base import SeriesKey, StoreError
from trema.store.connecting import open_engine, writing
from trema.store.index import default_url, index_runs
from trema.store.schema import VERSION_TABLE, metadata
from trema.testing.store import contents, finding

LOSS = SeriesKey(fact="loss")


def journal(run: RunFolder, rank: int = 0) -> Journal:
    return Journal(run.journal(rank), rank=rank)


def log_steps(log: Journal, start: int, stop: int) -> None:
    for step in range(start, stop):
        log.write("facts", step=step, phase="train", epoch=0, values={"loss": {"": step / 2}})


def make_runs(root: Path, runs: int = 3, steps: int = 300) -> None:
    for number in range(runs):
        run = create_run(root, f"train {number}")
        for rank in range(2):
            log = journal(run, rank)
            log.write("run", id=run.id)
            log_steps(log, 0, steps)
            log.write("finding", finding=finding("a")["finding"])
            log.write("end", state="finished", exit_code=0, findings=[])
            log.close()


def said(url: str) -> list[Any]:
    store = open_store(url)
    try:
        return contents(store)
    finally:
        store.close()


def reference(root: Path, tmp_path: Path) -> list[Any]:
    """What an index says that one process made in one go."""
    url = f"sqlite:///{tmp_path / 'reference.db'}"
    index_runs(root, url)
    return said(url)


def child(program: str, *arguments: object) -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-W", "error", "-c", program, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def test_a_growing_journal_is_read_on(tmp_path: Path, url: str) -> None:
    run = create_run(tmp_path, "train")
    log = journal(run)
    log_steps(log, 0, 10)
    assert index_runs(tmp_path, url) == 10
    assert index_runs(tmp_path, url) == 0
    log_steps(log, 10, 1500)
    with run.journal(0).open("ab") as file:
        file.write(b'{"kind": "facts", "step": 99')
    assert index_runs(tmp_path, url) == 1490
    store = open_store(url)
    assert store.series(run.id, LOSS).steps.tolist() == list(range(1500))
    assert store.run(run.id).name == "train"
    store.close()


def test_a_batch_ends_anywhere(
    tmp_path: Path, sqlite_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_runs(tmp_path, runs=1)
    expected = reference(tmp_path, tmp_path)
    monkeypatch.setattr(index.batches, "__defaults__", ("", 1))  # a transaction for every line
    index_runs(tmp_path, sqlite_url)
    assert said(sqlite_url) == expected


def test_a_replaced_journal_is_read_anew(tmp_path: Path, url: str) -> None:
    run = create_run(tmp_path, "train")
    log_steps(journal(run), 0, 10)
    index_runs(tmp_path, url)
    run.journal(0).unlink()
    log_steps(journal(run), 5, 105)
    assert index_runs(tmp_path, url) == 100
    run.journal(0).write_bytes(b"")
    index_runs(tmp_path, url)
    store = open_store(url)
    assert store.series(run.id, LOSS).position == 0
    store.close()


def test_removed_runs_leave_and_odd_files_are_ignored(tmp_path: Path, url: str) -> None:
    make_runs(tmp_path, runs=2, steps=3)
    runs = [RunFolder(path) for path in (tmp_path / "runs").iterdir()]
    (runs[0].path / "rank-0-copy.jsonl").write_text('{"kind": "epoch"}\n')
    (tmp_path / "runs" / "empty").mkdir()
    (tmp_path / "runs" / "file").write_text("")
    assert index_runs(tmp_path, url) == 2 * 2 * 6
    remove_run(runs[0])
    index_runs(tmp_path, url)
    store = open_store(url)
    assert [run.id for run in store.runs()] == [runs[1].id]
    store.close()


def test_rebuild(tmp_path: Path, url: str) -> None:
    make_runs(tmp_path, runs=2, steps=3)
    index_runs(tmp_path, url)
    expected = said(url)
    assert index_runs(tmp_path, url, rebuild=True) == 24
    assert said(url) == expected


def test_rebuild_of_a_damaged_file(tmp_path: Path) -> None:
    make_runs(tmp_path, runs=1, steps=3)
    file = tmp_path / "index.db"
    file.write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError, match="no index of Trema"):
        index_runs(tmp_path, f"sqlite:///{file}")
    assert index_runs(tmp_path, f"sqlite:///{file}", rebuild=True) == 12


_INDEX = """
import sys
from pathlib import Path
from trema.store import index
index.batches.__defaults__ = ("", 2000)
sys.stdin.readline()
print(index.index_runs(Path(sys.argv[1]), sys.argv[2]))
"""


@pytest.mark.slow
def test_processes_that_migrate_and_index_at_once(tmp_path: Path, url: str) -> None:
    make_runs(tmp_path)
    children = [
        subprocess.Popen(
            [sys.executable, "-W", "error", "-c", _INDEX, str(tmp_path), url],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for _ in range(3)
    ]
    answers = []
    for process in children:  # all wait for a line, so that they begin together
        assert process.stdin is not None
        process.stdin.write(b"\n")
        process.stdin.flush()
    for process in children:
        out, errors = process.communicate(timeout=120)
        assert process.returncode == 0, errors.decode()
        answers.append(int(out))
    assert sum(answers) == 3 * 2 * 303
    left, right = said(url), reference(tmp_path, tmp_path)
    assert [str(item) for item in _without_order(left)] == [
        str(item) for item in _without_order(right)
    ]


def _without_order(said: list[Any]) -> list[Any]:
    """Events of two ranks may come in either order."""
    return [sorted(map(repr, item)) if isinstance(item, list) else item for item in said]


_KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import event
from sqlalchemy.engine import Engine
from trema.store import index

index.batches.__defaults__ = ("", 2000)
left = int(sys.argv[3])

@event.listens_for(Engine, "commit")
def kill(connection):
    global left
    left -= 1
    if left == 0:
        os.kill(os.getpid(), signal.SIGKILL)

index.index_runs(Path(sys.argv[1]), sys.argv[2])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
@pytest.mark.parametrize("commits", [1, 2, 3, 20])
def test_killed_in_the_middle(tmp_path: Path, url: str, commits: int) -> None:
    make_runs(tmp_path, runs=1)
    process = child(_KILLED, tmp_path, url, commits)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == -signal.SIGKILL, errors.decode()
    index_runs(tmp_path, url)
    assert said(url) == reference(tmp_path, tmp_path)


def test_the_migration_leads_to_the_schema(url: str) -> None:
    open_store(url).close()
    engine = open_engine(url)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"version_table": VERSION_TABLE})
        assert compare_metadata(context, metadata) == []
    engine.dispose()


def test_a_newer_database_is_refused_and_can_be_rebuilt(tmp_path: Path, url: str) -> None:
    open_store(url).close()
    engine = open_engine(url)
    with writing(engine) as connection:
        connection.execute(text(f"UPDATE {VERSION_TABLE} SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(StoreError, match="upgrade Trema"):
        open_store(url)
    if url.startswith("sqlite"):
        assert index_runs(tmp_path, url, rebuild=True) == 0


@pytest.mark.parametrize("bad", ["mysql://host/name", "nonsense", ""])
def test_other_databases_are_refused(bad: str) -> None:
    with pytest.raises(UsageError, match="expected a"):
        open_store(bad)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such modes")
def test_only_the_user_can_read_the_folder_of_the_index(tmp_path: Path) -> None:
    open_store(f"sqlite:///{tmp_path / 'trema' / 'index' / 'x.db'}").close()
    assert (tmp_path / "trema" / "index").stat().st_mode & 0o777 == 0o700


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG standard")
def test_the_default_is_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "odd ?#% ü"
    monkeypatch.setenv("XDG_CACHE_HOME", str(cache))
    root = tmp_path / "project"
    make_runs(root, runs=1, steps=3)
    assert default_url(root) != default_url(tmp_path)
    assert index_runs(root) == 12
    (file,) = cache.rglob("*.db")
    assert file.parent == cache / "trema" / "index"
    assert not list(root.rglob("*.db*"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert str(tmp_path / ".cache" / "trema") in default_url(root)


def test_importing_the_package_loads_no_database() -> None:
    program = "import sys, trema.store.base; sys.exit('sqlalchemy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], timeout=60).returncode == 0
