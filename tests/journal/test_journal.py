"""The append-only log: torn lines, full disks, cursors, names."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from trema.core.errors import RunNotFound
from trema.journal.folder import alive, clean_name, create_run, find_run, list_runs
from trema.journal.reader import Cursor, read
from trema.journal.writer import Journal


def test_what_was_written_is_read_from_a_cursor(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "rank-0.jsonl")
    journal.write("log", step=0, loss=float("nan"))
    first, cursor = read(journal.path)
    journal.write("log", step=1, loss=float("inf"))
    second, end = read(journal.path, cursor)
    assert [r["loss"] for r in first + second] == ["nan", "inf"]
    assert read(journal.path, end) == ([], end)
    assert {"v", "t", "kind", "step", "segment", "rank"} <= first[0].keys()


def test_a_torn_tail_waits_and_a_torn_line_is_skipped(tmp_path: Path) -> None:
    path = tmp_path / "rank-0.jsonl"
    path.write_bytes(b'{"kind":"log","step":0}\n{"kind":"lo\n[1]\n{"kind":"log","step":1}\n{"kind"')
    records, cursor = read(path)
    assert [r["step"] for r in records] == [0, 1]
    with path.open("ab") as file:
        file.write(b':"log","step":2}\n')
    assert [r["step"] for r in read(path, cursor)[0]] == [2]


def test_after_a_failed_write_the_next_record_stands_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = Journal(tmp_path / "rank-0.jsonl")
    real = os.write

    def half(file: int, data: bytes) -> int:
        monkeypatch.setattr(os, "write", real)
        return real(file, data[: len(data) // 2])

    monkeypatch.setattr(os, "write", half)
    assert not journal.write("log", step=0)
    assert journal.write("log", step=1)
    assert [r["step"] for r in read(journal.path)[0]] == [1]
    assert journal.lost == 1


def test_a_full_disk_never_raises(tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("this system has no /dev/full")
    journal = Journal(Path("/dev/full"))
    assert not journal.write("log", step=0)
    assert journal.lost == 1


def test_the_limit_spares_important_records(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "rank-0.jsonl", limit=170)
    assert journal.write("facts", important=False)
    assert journal.write("facts", important=False)
    assert not journal.write("facts", important=False)
    assert journal.crowded
    assert journal.write("finding")


@pytest.mark.parametrize(
    ("given", "kept"),
    [("a/../b", "a-..-b"), ("\x1b[31mred", "[31mred"), ("", "run"), ("x" * 500, "x" * 120)],
)
def test_names_are_harmless(given: str, kept: str) -> None:
    assert clean_name(given) == kept


def test_a_name_in_use_gets_a_number(tmp_path: Path) -> None:
    names = [create_run(tmp_path, "train").name for _ in range(3)]
    assert names == ["train", "train-2", "train-3"]
    assert len({run.id for run in list_runs(tmp_path)}) == 3
    assert (tmp_path / ".gitignore").read_text() == "*\n"


def test_finding_a_run_by_name_id_and_mistake(tmp_path: Path) -> None:
    run = create_run(tmp_path, "train")
    assert find_run(tmp_path, "train").id == run.id
    assert find_run(tmp_path, run.id[:-2]).id == run.id
    assert find_run(tmp_path, "last").id == run.id
    with pytest.raises(RunNotFound, match="did you mean 'train'"):
        find_run(tmp_path, "trian")
    with pytest.raises(RunNotFound, match="expected runs in"):
        find_run(tmp_path / "none", "train")


def test_ranks_meet_in_one_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_RUN", "shared-1")
    assert create_run(tmp_path, "a").path == create_run(tmp_path, "a").path
    monkeypatch.setenv("TREMA_RUN", "../escape")
    assert create_run(tmp_path, "a").path.parent == tmp_path / "runs"


def test_a_dead_process_is_known(tmp_path: Path) -> None:
    run = create_run(tmp_path, "train")
    assert alive(run.metadata)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    assert not alive({**run.metadata, "pid": gone.pid})


def test_sources_stay_inside_the_run(tmp_path: Path) -> None:
    run = create_run(tmp_path, "train")
    run.save_sources({"train.py": "x = 1\n", "../../evil.py": "x"})
    assert (run.path / "source" / "train.py").read_text() == "x = 1\n"
    assert not (tmp_path / "evil.py").exists()
    assert not (run.path.parent / "evil.py").exists()


def test_reading_what_is_not_there(tmp_path: Path) -> None:
    assert read(tmp_path / "none.jsonl", Cursor(5)) == ([], Cursor(5))
