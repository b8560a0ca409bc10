"""Processes of one launch meet in one run, and hear each other."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from trema.journal import meeting
from trema.journal.folder import create_run, list_runs
from trema.journal.meeting import Meeting, agreed


def test_all_ranks_get_the_id_of_the_first(tmp_path: Path) -> None:
    assert agreed(tmp_path, "key", lambda: "one") == "one"
    assert agreed(tmp_path, "key", lambda: "two") == "one"
    assert agreed(tmp_path, "other", lambda: "two") == "two"


def test_many_at_once_make_one_run(tmp_path: Path) -> None:
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(create_run(tmp_path, "train", keys=("k",)).id))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (run,) = list_runs(tmp_path)
    assert set(found) == {run.id}
    assert run.name == "train"


def test_rank_0_is_found_by_its_siblings_and_by_its_children(tmp_path: Path) -> None:
    first = create_run(tmp_path, "train", keys=("children", "siblings"))
    assert create_run(tmp_path, "train", keys=("children",)) == first
    assert create_run(tmp_path, "train", keys=("siblings",)) == first
    early = create_run(tmp_path, "train", keys=("others",))  # a child that comes first
    assert create_run(tmp_path, "train", keys=("others", "more")) == early


def test_nobody_waits_for_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "PATIENCE", 0.05)
    (tmp_path / "meetings").mkdir()
    (tmp_path / "meetings" / "key").write_text("")  # its maker was killed before it wrote the id
    run = create_run(tmp_path, "train", keys=("key",))
    assert [other.id for other in list_runs(tmp_path)] == [run.id]


@pytest.mark.parametrize("word", ["", "no-newline", "../escape\n", "..\n", "a b\n"])
def test_what_is_no_id_is_not_followed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    monkeypatch.setattr(meeting, "PATIENCE", 0.02)
    (tmp_path / "meetings").mkdir()
    (tmp_path / "meetings" / "key").write_text(word)
    with pytest.raises(TimeoutError, match="names no run"):
        agreed(tmp_path, "key", lambda: "one")


def test_old_keys_are_forgotten(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    agreed(tmp_path, "old", lambda: "one")
    monkeypatch.setattr(meeting, "FORGOTTEN", -10.0)
    agreed(tmp_path, "new", lambda: "two")
    assert not (tmp_path / "meetings" / "old").exists()


def test_ranks_hear_what_others_told(tmp_path: Path) -> None:
    first, second = Meeting(tmp_path, 0), Meeting(tmp_path, 1)
    first.tell("step", step=1)
    second.tell("step", step=1, word="b")
    heard = first.hear(range(3))  # rank 2 has not come
    assert [r["step"] for r in heard[0]] == [1]
    assert [r["word"] for r in heard[1]] == ["b"]
    second.tell("step", step=2, word="c")
    assert [r["word"] for r in first.hear([1])[1]] == ["b", "c"]


def test_torn_lines_and_other_attempts_are_not_heard(tmp_path: Path) -> None:
    first, again = Meeting(tmp_path, 0), Meeting(tmp_path, 1, attempt=1)
    again.tell("step", step=1)
    with (tmp_path / "told-1.jsonl").open("a") as file:
        file.write('{"kind": "step", "att')
    assert first.hear([1])[1] == []
    old = Meeting(tmp_path, 2)
    old.tell("step", step=1)
    first._since = time.time() + 60
    assert first.hear([2])[2] == []


def test_a_rank_tells_only_so_much(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(meeting, "TOLD_LIMIT", 200)
    one = Meeting(tmp_path, 0)
    for step in range(50):
        one.tell("step", step=step)
    assert (tmp_path / "told-0.jsonl").stat().st_size <= 200


def test_a_folder_that_is_gone_is_no_error(tmp_path: Path) -> None:
    one = Meeting(tmp_path / "gone", 0)
    one.tell("step", step=1)
    assert [record["step"] for record in one.hear([1])[0]] == [1]
