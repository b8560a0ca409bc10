"""What people do, what changed, and the findings document."""

from __future__ import annotations

import json
import os
import shutil
import time
from importlib.resources import files
from pathlib import Path

import jsonschema
import pytest

from tests.api.asking import Asked, Fed, ended, found, seen
from tests.api.runs import make_run
from trema.api.models import NewMute, NewPrune, NewTags
from trema.api.queries import Queries
from trema.cli.folders import document_of
from trema.core.errors import (
    NotAllowed,
    NotFound,
    RunActive,
    RunNotFound,
    UnknownCheck,
    UsageError,
)
from trema.journal.folder import RunFolder
from trema.journal.user import user_file
from trema.store import open_store
from trema.store.index import index_runs


def lines(root: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in user_file(root).read_text().splitlines()]


def test_a_mute_silences_and_can_be_taken_back(everywhere: Asked) -> None:
    run, other = everywhere.make(), everywhere.make("other")
    card = everywhere.queries.cards(run).cards[0]
    mute = everywhere.queries.mute(
        NewMute(scope="run", run=run, check=card.check, finding=card.id, reason="it is meant <b>")
    )
    (muted,) = [c for c in everywhere.queries.cards(run).cards if c.mute is not None]
    assert muted.mute is not None
    assert (muted.mute.id, muted.mute.scope, muted.mute.reason) == (
        mute.id,
        "run",
        "it is meant <b>",
    )
    assert everywhere.queries.cards(run).order[-1] == card.key
    rows = {row.id: row for row in everywhere.queries.runs().runs}
    assert (rows[run].counts.critical, rows[other].counts.critical) == (0, 1)
    assert rows[run].top == "inputs are not scaled"
    assert [item.by for item in everywhere.queries.run(run).muted] == ["user"]
    project = everywhere.queries.mute(NewMute(scope="project", run=run, check="input-scale"))
    assert project.run is None
    assert [item.id for item in everywhere.queries.mutes().mutes] == [project.id, mute.id]
    assert everywhere.queries.runs(search="other").runs[0].counts.error == 0
    everywhere.queries.unmute(mute.id)
    everywhere.queries.unmute(project.id)
    assert everywhere.queries.mutes().mutes == []
    assert all(c.mute is None for c in everywhere.queries.cards(run).cards)
    assert everywhere.queries.runs(search=run).runs[0].counts.critical == 1
    with pytest.raises(NotFound, match="taken back before"):
        everywhere.queries.unmute(mute.id)


def test_mutes_that_cannot_be(asked: Asked) -> None:
    run = asked.make(epochs=1, steps=1)
    mute = asked.queries.mute
    with pytest.raises(UnknownCheck, match="did you mean 'input-scale'"):
        mute(NewMute(scope="run", run=run, check="input-scales"))
    with pytest.raises(UsageError, match="expected a run"):
        mute(NewMute(scope="run", check="input-scale"))
    with pytest.raises(RunNotFound):
        mute(NewMute(scope="run", run="../../etc", check="input-scale"))
    with pytest.raises(UsageError, match="take the id from its card"):
        mute(NewMute(scope="run", run=run, check="input-scale", finding="none"))
    assert asked.queries.mutes().mutes == []
    assert not (asked.root / "user").exists()


def test_a_check_of_a_plug_in_that_is_not_installed_here_can_be_muted(fed: Fed) -> None:
    fed.feed("run", found("x", check="somebody-s-check"))
    fed.queries.mute(NewMute(scope="run", run="run", check="somebody-s-check"))
    (card,) = fed.queries.cards("run").cards
    assert card.mute is not None
    assert card.kind == ""


def test_what_people_did_outlives_the_index(asked: Asked, tmp_path: Path) -> None:
    run = asked.make(epochs=1, steps=2)
    check = asked.queries.cards(run).cards[0].check
    asked.queries.mute(NewMute(scope="project", check=check, reason="r"))
    asked.queries.tag(run, NewTags(tags=["a", " b ", "a", " "]))
    asked.queries.archive(run, True)
    assert [line["kind"] for line in lines(asked.root)] == ["mute", "tags", "archive"]
    url = f"sqlite:///{tmp_path / 'other.db'}"
    index_runs(asked.root, url)
    store = open_store(url)
    queries = Queries(store, root=asked.root)
    (row,) = queries.runs(archived=True).runs
    assert (row.tags, row.archived) == (["a", "b"], True)
    assert queries.runs().total == 0
    assert queries.mutes() == asked.queries.mutes()
    assert queries.cards(run) == asked.queries.cards(run)
    queries.archive(run, False)
    assert queries.runs().total == 1
    store.close()
    asked.index()  # reads what the other one did
    assert asked.queries.runs().total == 1


def test_only_reading_is_allowed(asked: Asked) -> None:
    run = asked.make(epochs=1, steps=1)
    queries = Queries(asked.store, root=asked.root, writable=False)
    assert not queries.status().writable
    for act in (
        lambda: queries.mute(NewMute(scope="project", check="input-scale")),
        lambda: queries.unmute("x"),
        lambda: queries.tag(run, NewTags(tags=[])),
        lambda: queries.archive(run, True),
        lambda: queries.delete(run),
        lambda: queries.prune(NewPrune(keep=0)),
    ):
        with pytest.raises(NotAllowed):
            act()
    assert queries.runs().total == 1


def test_a_team_server_keeps_actions_in_its_store(fed: Fed) -> None:
    fed.feed("run", ended(), metadata={"unsent": 12})
    row = fed.queries.tag("run", NewTags(tags=["x"]))
    assert (row.tags, row.unsent) == (["x"], 12)
    assert Queries(fed.store, mode="server").runs().runs[0].tags == ["x"]
    assert fed.queries.status().folder is None
    with pytest.raises(RunNotFound):
        fed.queries.tag("other", NewTags(tags=[]))
    with pytest.raises(RunNotFound):
        fed.queries.archive("other", True)


# deleting -----------------------------------------------------------------------------------


def test_a_deleted_run_is_gone_with_its_folder(everywhere: Asked) -> None:
    run, other = everywhere.make(), everywhere.make("other")
    cursor = everywhere.queries.changes(None).cursor
    everywhere.queries.delete(run)
    assert not (everywhere.root / "runs" / run).exists()
    assert [row.id for row in everywhere.queries.runs().runs] == [other]
    assert run in everywhere.queries.changes(cursor).removed
    with pytest.raises(RunNotFound):
        everywhere.queries.delete(run)
    everywhere.index()
    assert everywhere.queries.runs().total == 1


def test_a_run_that_is_written_is_not_deleted(asked: Asked) -> None:
    run = make_run(asked.root, state=None)
    asked.index()
    with pytest.raises(RunActive, match="end its process first"):
        asked.queries.delete(run)
    assert asked.queries.prune(NewPrune(keep=0, dry=False)).runs == []
    assert (asked.root / "runs" / run).exists()


def test_a_run_of_another_machine_can_be_deleted_once_it_is_quiet(fed: Fed) -> None:
    fed.feed("new", {"kind": "log", "t": time.time()}, metadata={"host": "elsewhere"})
    fed.feed("old", {"kind": "log", "t": time.time() - 7200}, metadata={"host": "elsewhere"})
    with pytest.raises(RunActive):
        fed.queries.delete("new")
    fed.queries.delete("old")
    assert [row.id for row in fed.queries.runs().runs] == ["new"]


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_a_folder_that_is_a_link_is_not_deleted(asked: Asked, tmp_path: Path) -> None:
    run = asked.make(epochs=1, steps=1)
    folder, elsewhere = asked.root / "runs" / run, tmp_path / "elsewhere"
    shutil.move(folder, elsewhere)
    folder.symlink_to(elsewhere)
    with pytest.raises(UsageError, match="remove it by hand"):
        asked.queries.delete(run)
    assert (elsewhere / "rank-0.jsonl").exists()
    assert asked.queries.runs().total == 1


@pytest.mark.parametrize("name", ["..", ".", "../user", "a/b", "/etc"])
def test_names_that_lead_elsewhere_delete_nothing(asked: Asked, name: str) -> None:
    asked.make(epochs=1, steps=1)
    asked.store.add_run(name, {"name": "odd"})
    if name == "a/b":
        (asked.root / "runs" / "a" / "b").mkdir(parents=True)
    with pytest.raises(UsageError, match="remove it by hand"):
        asked.queries.delete(name)
    assert (asked.root / "runs").is_dir()
    assert len(list((asked.root / "runs").glob("*/rank-0.jsonl"))) == 1


def test_old_runs_are_pruned(asked: Asked) -> None:
    runs = [make_run(asked.root, f"run {n}", epochs=1, steps=1) for n in range(4)]
    for age, run in enumerate(reversed(runs)):
        path = asked.root / "runs" / run / "run.json"
        data = json.loads(path.read_text())
        path.write_text(json.dumps({**data, "started": time.time() - 86_400 * age - 60}))
    asked.index()
    prune = asked.queries.prune
    assert prune(NewPrune(keep=1)).runs == [runs[2], runs[1], runs[0]]
    assert prune(NewPrune(days=1.5)).runs == [runs[1], runs[0]]
    assert asked.queries.runs().total == 4
    done = prune(NewPrune(keep=3, days=2.5, dry=False))
    assert (done.runs, done.dry) == ([runs[0]], False)
    assert not (asked.root / "runs" / runs[0]).exists()
    assert asked.queries.runs().total == 3
    with pytest.raises(UsageError, match="keep or days"):
        prune(NewPrune())


# changes ------------------------------------------------------------------------------------


def test_changes_since_a_cursor(everywhere: Asked) -> None:
    first = everywhere.queries.changes(None)
    assert (first.all, first.runs, first.removed) == (True, [], [])
    run = everywhere.make(epochs=1, steps=2)
    change = {item.id: item for item in everywhere.queries.changes(first.cursor).runs}[run]
    row = everywhere.queries.runs().runs[0]
    assert (change.state, change.revision) == ("finished", row.revision)
    cursor = everywhere.queries.changes(first.cursor).cursor
    everywhere.queries.tag(run, NewTags(tags=["x"]))
    changed = everywhere.queries.changes(cursor)
    assert not changed.all
    assert changed.runs[0].revision > change.revision
    mute = everywhere.queries.mute(NewMute(scope="project", check="input-scale"))
    muted = everywhere.queries.changes(changed.cursor)
    assert muted.all  # it may concern any run
    assert not everywhere.queries.changes(muted.cursor).all
    everywhere.queries.unmute(mute.id)
    assert everywhere.queries.changes(muted.cursor).all


def test_points_alone_are_a_change(fed: Fed) -> None:
    fed.feed("run", seen(0, loss=1.0))
    before = fed.queries.changes(fed.queries.changes(None).cursor)
    fed.feed("run", seen(1, loss=1.0))
    after = fed.queries.changes(before.cursor)
    assert after.runs[0].revision > before.runs[0].revision


@pytest.mark.parametrize(
    "cursor", ["", "x", "1", "-1-2", "9" * 16 + "-0", "1-9999", "1-2-3", "1" * 200, "१-२"]
)
def test_a_cursor_that_is_not_ours_means_all(fed: Fed, cursor: str) -> None:
    changes = fed.queries.changes(cursor)
    assert changes.all
    assert not fed.queries.changes(changes.cursor).all


# documents ----------------------------------------------------------------------------------


def test_the_document_is_that_of_the_journal(everywhere: Asked) -> None:
    run = everywhere.make()
    expected = document_of(RunFolder(everywhere.root / "runs" / run))
    document = everywhere.queries.document(run)
    assert document.pop("trema") != expected.pop("trema") == ""  # the index knows the version too
    assert document == expected


def test_the_document_of_a_run_that_is_written(asked: Asked) -> None:
    run = make_run(asked.root, state=None)
    asked.index()
    expected = document_of(RunFolder(asked.root / "runs" / run))
    document = asked.queries.document(run)
    assert document["findings"] == expected["findings"]
    assert document["run"].keys() == expected["run"].keys()
    same = ("id", "name", "framework", "state", "steps", "epochs", "segments", "inputs")
    assert {key: document["run"][key] for key in same} == {
        key: expected["run"][key] for key in same
    }


def test_muted_findings_stand_apart_in_the_document(asked: Asked) -> None:
    run = asked.make()
    asked.queries.mute(NewMute(scope="project", check="missing-softmax", reason="meant"))
    document = asked.queries.document(run)
    assert [(f["check"], f["rank"]) for f in document["findings"]] == [("input-scale", 1)]
    assert document["muted"] == [
        {"check": "missing-softmax", "where": "3", "reason": "meant", "by": "user"}
    ]
    schema = files("trema").joinpath("schema/findings.schema.json").read_text(encoding="utf-8")
    jsonschema.validate(json.loads(json.dumps(document, allow_nan=False)), json.loads(schema))
    assert document_of(RunFolder(asked.root / "runs" / run))["findings"] == document["findings"]


def test_checks_have_pages(asked: Asked) -> None:
    pages = {page.id: page for page in asked.queries.checks()}
    page = pages["missing-softmax"]
    assert page == asked.queries.check("missing-softmax")
    assert page.theory
    assert page.may_be_wrong
    assert {snippet.framework for snippet in page.bad} == {"keras", "torch"}
    assert all(page.model_dump_json() for page in pages.values())
    with pytest.raises(NotFound, match="did you mean 'missing-softmax'"):
        asked.queries.check("missing-softmx")


def test_the_state_of_the_server(asked: Asked) -> None:
    status = asked.queries.status()
    assert (status.mode, status.folder, status.writable) == ("local", str(asked.root), True)
    with pytest.raises(UsageError, match="local or server"):
        Queries(asked.store, mode="cloud")
