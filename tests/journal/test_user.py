"""What people did: written by one process a file, folded whatever the order."""

from __future__ import annotations

import itertools
import json
import os
import socket
import threading
from pathlib import Path
from typing import Any

import pytest

from trema.journal.folder import create_run
from trema.journal.sent import Sent, read_sent, write_sent
from trema.journal.user import (
    UserAction,
    UserState,
    append_action,
    fold,
    read_actions,
    user_file,
)


def mute(id: str, time: float, **data: Any) -> UserAction:
    given = {"scope": "run", "check": "c", "finding": None, "reason": "", **data}
    return UserAction(kind="mute", run="r", id=id, time=time, data=given)


def test_actions_come_back(tmp_path: Path) -> None:
    actions = [
        UserAction(kind="tags", run="r", data={"tags": ["ü", "\ud800", "a\nb"]}),
        UserAction(kind="archive", run="r", data={"archived": True}),
    ]
    for action in actions:
        append_action(tmp_path, action)
    assert list(read_actions(tmp_path)) == actions
    assert user_file(tmp_path).name.endswith(f"-{os.getpid()}.jsonl")


def test_the_name_of_the_host_is_no_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for host in ("../../etc", "", ".", "a/b\\c", "ü" * 300):
        monkeypatch.setattr(socket, "gethostname", lambda host=host: host)
        file = user_file(tmp_path)
        assert file.parent == tmp_path / "user"
        assert not file.name.startswith(".")
        assert len(file.name) < 100


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_link_leads_no_writer_out_of_the_folder(tmp_path: Path) -> None:
    mine = tmp_path / "mine"
    mine.write_text("mine\n")
    user_file(tmp_path).parent.mkdir()
    user_file(tmp_path).symlink_to(mine)
    with pytest.raises(OSError, match="symbolic link"):
        append_action(tmp_path, UserAction(kind="tags", run="a"))
    run = create_run(tmp_path, "train")
    (run.path / f".sync.json.{os.getpid()}-{threading.get_ident()}").symlink_to(mine)
    write_sent(run, Sent(server="http://x"))
    assert mine.read_text() == "mine\n"
    note = read_sent(run)
    assert note is not None
    assert note.server == "http://x"


@pytest.mark.skipif(os.name == "nt", reason="there are none")
def test_a_pipe_holds_up_no_reader(tmp_path: Path) -> None:
    append_action(tmp_path, UserAction(kind="tags", run="a", id="1"))
    os.mkfifo(tmp_path / "user" / "pipe.jsonl")
    assert [action.id for action in read_actions(tmp_path)] == ["1"]


def test_a_torn_line_stays_alone(tmp_path: Path) -> None:
    append_action(tmp_path, UserAction(kind="tags", run="a", id="1"))
    with user_file(tmp_path).open("a") as file:
        file.write('{"id": "2", "t": 1.0, "ki')
    append_action(tmp_path, UserAction(kind="tags", run="a", id="3"))
    with user_file(tmp_path).open("a") as file:
        odd_ones: list[Any] = [[], {"kind": "tags"}, {"kind": "tags", "id": 3, "t": 1, "data": {}}]
        for odd in odd_ones:
            file.write(json.dumps(odd) + "\n")
        file.write('{"kind": "tags", "id": "4", "t": NaN, "data": {}}\n')
        file.write('{"kind": "tags", "id": "5", "t": 1, "data": {}, "run": 3}\n')
    assert [action.id for action in read_actions(tmp_path)] == ["1", "3"]
    assert list(read_actions(tmp_path / "none")) == []


def test_the_order_of_reading_does_not_matter() -> None:
    actions = [
        mute("m", 1.0),
        mute("n", 2.0, check="d"),
        UserAction(kind="unmute", run="r", id="u", time=0.5, data={"mute": "m"}),
        UserAction(kind="tags", run="r", id="t", time=3.0, data={"tags": ["old"]}),
        UserAction(kind="tags", run="r", id="s", time=4.0, data={"tags": ["new", 3]}),
    ]
    states = [fold(order) for order in itertools.permutations(actions)]
    assert all(state == states[0] for state in states)
    assert [item.id for item in states[0].mutes] == ["n"]
    assert states[0].tags == {"r": ("new",)}


def test_archiving() -> None:
    def archive(time: float, archived: bool) -> UserAction:
        data = {"archived": archived}
        return UserAction(kind="archive", run="r", id=str(time), time=time, data=data)

    assert fold([archive(1, True)]).archived == {"r"}
    assert fold([archive(1, True), archive(2, False)]).archived == frozenset()


def test_which_findings_a_mute_covers() -> None:
    state = fold(
        [
            mute("run", 1.0, finding="f"),
            mute("project", 2.0, scope="project"),
            mute("other", 3.0, check="d"),
        ]
    )
    assert [item.id for item in state.mutes] == ["other", "project", "run"]

    def by(run: str, check: str, finding: str) -> str | None:
        found = state.mute_of(run, check, finding)
        return found.id if found is not None else None

    assert by("r", "c", "f") == "run"  # the narrower one is named
    assert by("r", "c", "g") == "project"
    assert by("q", "c", "f") == "project"
    assert by("r", "d", "f") == "other"
    assert by("q", "d", "f") is None


@pytest.mark.parametrize(
    "action",
    [
        mute("m", 1.0, check=3),
        mute("m", 1.0, finding=3),
        mute("m", 1.0, scope="world"),
        UserAction(kind="mute", data={"scope": "run", "check": "c"}),
        UserAction(kind="tags", data={"tags": ["a"]}),
        UserAction(kind="dance", run="r"),
    ],
)
def test_odd_actions_are_passed_over(action: UserAction) -> None:
    assert fold([action]) == UserState()
