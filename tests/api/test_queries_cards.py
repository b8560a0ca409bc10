"""Findings as cards: order, explanations, places, links, mutes, sizes."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from tests.api.asking import Asked, Fed, ended, found, seen
from tests.api.runs import SCRIPT, make_run, network, open_run, train
from trema.api.models import NewMute
from trema.api.queries.cards import CARDS
from trema.api.queries.places import editor_address, place_of, source_of
from trema.cli.folders import document_of
from trema.core.errors import NotFound
from trema.journal.folder import RunFolder


def test_cards_of_a_run_that_ended_are_ranked_as_in_its_document(everywhere: Asked) -> None:
    run = everywhere.make()
    document = document_of(RunFolder(everywhere.root / "runs" / run))
    page = everywhere.queries.cards(run)
    assert [(card.id, card.rank) for card in page.cards] == [
        (finding["id"], finding["rank"]) for finding in document["findings"]
    ]
    assert page.order == [card.key for card in page.cards]
    first = page.cards[0]
    assert first.key == f"0:{first.id}"
    assert (first.check, first.kind, first.severity) == ("missing-softmax", "causal", "critical")
    assert first.layer == "3"
    assert (first.first.step, first.last.step, first.spans) == (0, 39, [(0, 3)])
    assert first.location is not None
    assert (first.location.line, first.location.source) == (8, "train.py")
    assert first.location.editor is not None
    assert first.location.editor.startswith("vscode://file/")
    (evidence,) = first.evidence
    assert (evidence.fact, evidence.value, evidence.limit) == ("output-max", 20.0, 0.0)
    (info,) = everywhere.queries.series_list(run, facts=["output-max"]).series
    assert evidence.key == info.key


def test_a_run_that_is_written_is_ranked_as_on_the_command_line(asked: Asked) -> None:
    run = make_run(asked.root, state=None)
    asked.index()
    document = document_of(RunFolder(asked.root / "runs" / run))
    assert [card.id for card in asked.queries.cards(run).cards] == [
        finding["id"] for finding in document["findings"]
    ]


def test_what_explains_comes_first_whatever_its_severity(fed: Fed) -> None:
    fed.feed(
        "run",
        found("symptom", check="nonfinite-loss", severity="critical"),
        found("cause", check="learning-rate-range", severity="error"),
    )
    cause, symptom = fed.queries.cards("run").cards
    assert (cause.id, cause.rank, cause.explained_by) == ("cause", 1, [])
    assert (symptom.id, symptom.rank, symptom.explained_by) == ("symptom", 2, ["0:cause"])
    assert fed.queries.runs().runs[0].top == "title of cause"
    fed.queries.mute(NewMute(scope="run", run="run", check="learning-rate-range"))
    symptom, cause = fed.queries.cards("run").cards  # what is muted explains nothing
    assert (symptom.id, symptom.rank, symptom.explained_by) == ("symptom", 1, [])
    assert (cause.rank, cause.mute is not None) == (2, True)
    assert fed.queries.runs().runs[0].top == "title of symptom"


def test_ranks_of_several_processes_are_one_order(fed: Fed) -> None:
    fed.feed("run", ended(found("a", severity="warning"), found("b", severity="info")))
    fed.feed("run", ended(found("c", severity="critical"), found("a", severity="error")), rank=1)
    cards = fed.queries.cards("run").cards
    assert [(card.id, card.rank, card.ranks) for card in cards] == [
        ("c", 1, [1]),
        ("a", 2, [0, 1]),
        ("b", 3, [0]),
    ]
    assert fed.queries.runs().runs[0].top == "title of c"


def test_only_what_changed_since_the_cursor(asked: Asked) -> None:
    session = open_run(asked.root)
    segment = session.open_segment(network())
    train(segment, epochs=1, steps=2)
    asked.index()
    run = asked.queries.runs().runs[0].id
    page = asked.queries.cards(run)
    assert len(page.cards) == 2
    again = asked.queries.cards(run, after=page.revision)
    assert again.cards == []
    assert again.order == page.order
    key = page.cards[1].key
    mute = asked.queries.mute(
        NewMute(scope="run", run=run, check=page.cards[1].check, finding=page.cards[1].id)
    )
    muted = asked.queries.cards(run, after=page.revision)
    assert [card.key for card in muted.cards if card.mute is not None] == [key]
    assert asked.queries.cards(run, after=muted.revision).cards == []
    asked.queries.unmute(mute.id)
    back = asked.queries.cards(run, after=muted.revision)
    assert all(card.mute is None for card in back.cards)
    assert len(back.cards) == 2
    session.finish()
    asked.index()
    assert len(asked.queries.cards(run, after=back.revision).cards) == 2


def test_times_of_a_finding(fed: Fed) -> None:
    fed.feed(
        "run",
        found("a", spans=[[0, 3], [7, 9], ["x", 1], [4]], history=[{"epoch": 1, "value": "nan"}]),
        found("b", first={"step": None, "epoch": None}, last={"step": None, "epoch": None}),
        found("c", first={"step": 4, "epoch": 2}, last={"step": 9, "epoch": 5}),
    )
    cards = {card.id: card for card in fed.queries.cards("run").cards}
    assert cards["a"].spans == [(0, 3), (7, 9)]
    assert [(p.epoch, p.step, p.value) for p in cards["a"].history] == [(1, None, "nan")]
    assert cards["b"].spans == []
    assert cards["c"].spans == [(2, 5)]


def test_evidence_points_at_the_series_of_its_rank(fed: Fed) -> None:
    evidence = [
        {"fact": "loss", "name": "", "value": "inf", "limit": None, "unit": "", "step": 3},
        {"fact": "overlap", "name": "", "value": 0.5},
        {"fact": "metric", "name": "accuracy", "value": 1},
    ]
    validation = {"kind": "metrics", "epoch": 0, "phase": "validation", "values": {"accuracy": 1}}
    fed.feed("run", seen(0, loss=1.0), validation)
    fed.feed("run", seen(0, loss=1.0), found("a", evidence=evidence), rank=1)
    fed.feed("run", validation, rank=1)
    (card,) = fed.queries.cards("run").cards
    series = {(item.fact, item.rank): item.key for item in fed.queries.series_list("run").series}
    assert [item.key for item in card.evidence] == [
        series["loss", 1],
        None,
        series["metric", 1],
    ]
    assert [item.value for item in card.evidence] == ["inf", 0.5, 1.0]


def test_what_a_script_wrote_is_bounded_and_inert(fed: Fed) -> None:
    fed.feed(
        "run",
        found(
            "a",
            title="<script>" + "x" * 2_000_000,
            message="\ud800" + "y" * 2_000_000,
            where={"layer": 3, "data": {"samples": list(range(5000))}, "z": {"a": [[[[[[[1]]]]]]]}},
            evidence=[{"fact": ["x"], "value": 10**400}] * 50,
            fixes=[{"text": None}, "odd"],
            location={"file": "train.py", "line": 0},
            links={"documentation": "javascript:alert(1)", "search": "https://x.y/?q=%3Cb%3E"}
            | {"editor": "javascript:alert(1)//vscode://"},
            explained_by=[1, "b"],
            ranks="zero",
            count=-3,
            confirmation="yes",
        ),
    )
    (card,) = fed.queries.cards("run").cards
    assert len(card.title) == 1000
    assert card.title.startswith("<script>")  # data: a page shows it as text
    assert card.message.startswith("?y")
    assert len(card.message) == 20_000
    assert card.where["data"]["samples"] == list(range(100))
    assert len(card.evidence) == 20
    assert card.evidence[0].value is None
    assert card.location is None
    assert card.links.documentation is None
    assert card.links.search == "https://x.y/?q=%3Cb%3E"
    assert card.links.editor is None
    assert (card.count, card.confirmation) == (1, None)
    assert len(card.model_dump_json()) < 40_000


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        ("train.py", "train.py"),
        ("/home/me/project/train.py", "train.py"),
        ("/home/me/project/models/net.py", "models/net.py"),
        ("C:\\work\\models\\net.py", "models/net.py"),
        ("/elsewhere/helper.py", "outside/helper.py"),
        ("/home/me/project/other.py", None),
        ("net.py", None),
        ("../train.py", None),
    ],
)
def test_a_recorded_file_is_found_among_the_sources(file: str, expected: str | None) -> None:
    sources = ["train.py", "models/net.py", "outside/helper.py", "<cell 3>"]
    assert source_of(file, None, sources) == expected


def test_a_cell_of_a_notebook_is_found_among_the_sources() -> None:
    place = place_of({"file": "x", "line": 2, "cell": 3}, ["<cell 3>"])
    assert place is not None
    assert (place.source, place.cell, place.editor) == ("<cell 3>", 3, None)


@pytest.mark.parametrize(
    ("link", "kept"),
    [
        ("vscode://file/a.py:1:2", True),
        ("pycharm://open?file=a.py", True),
        ("mine://a.py", True),
        ("javascript:alert(1)", False),
        ("JavaScript://vscode:", False),
        ("data:text/html,x", False),
        ("https://evil.example/", False),
        ("file:///etc/passwd", False),
        (3, False),
    ],
)
def test_only_editors_are_opened(link: object, kept: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TREMA_EDITOR", "mine://{file}:{line}")
    assert (editor_address(link) == link) is kept


def test_the_source_has_marks(asked: Asked) -> None:
    run = asked.make(source=SCRIPT + "\u202e\x00<b>\n")
    source = asked.queries.source(run, "train.py")
    assert source.text == SCRIPT + "\u202e\x00<b>\n"
    assert not source.truncated
    (mark,) = source.marks
    card = asked.queries.cards(run).cards[0]
    assert (mark.line, mark.end_line, mark.column) == (8, 8, 5)
    assert (mark.keys, mark.severity) == ([card.key], "critical")
    asked.queries.mute(NewMute(scope="project", check=card.check))
    assert asked.queries.source(run, "train.py").marks == []


@pytest.mark.parametrize(
    "path", ["../../run.json", "/etc/passwd", "source/train.py", "train.py\x00", "", "TRAIN.PY"]
)
def test_only_files_that_the_run_kept_are_shown(asked: Asked, path: str) -> None:
    run = asked.make()
    with pytest.raises(NotFound, match="kept no file"):
        asked.queries.source(run, path)


@pytest.mark.parametrize("end", [False, True])
def test_very_many_findings_hold_up_nobody(fed: Fed, end: bool) -> None:
    worst = found("worst", severity="critical")
    many = [worst, *(found(f"f{number}") for number in range(6000))]
    fed.feed("run", *many, *([ended(*many)] if end else []))
    begin = time.process_time()  # not of other processes
    [row] = fed.queries.runs().runs
    page = fed.queries.cards("run")
    assert time.process_time() - begin < 5  # about 0.8; it was minutes
    assert (row.counts.critical, row.counts.warning) == (1, 6000)
    assert (len(page.cards), page.cards[0].id) == (CARDS, "worst")
    assert [card.rank for card in page.cards] == list(range(1, CARDS + 1))
    notes = fed.queries.run("run").notes
    assert any("4,001 further findings are not shown" in note for note in notes)
    assert any("4,001" in note for note in fed.queries.document("run")["run"]["notes"])


@pytest.mark.skipif(os.name == "nt", reason="links need rights there")
def test_links_in_a_run_folder_lead_nowhere(asked: Asked, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("password = 1")
    run = make_run(asked.root)
    (asked.root / "runs" / run / "source" / "link.py").symlink_to(secret)
    asked.index()
    assert asked.queries.run(run).sources == ["train.py"]
    with pytest.raises(NotFound):
        asked.queries.source(run, "link.py")


def test_a_long_source_is_cut(fed: Fed) -> None:
    fed.feed("run", seen(0, loss=1.0))
    fed.store.put_source("run", "long.py", "x" * 1_200_000)
    source = fed.queries.source("run", "long.py")
    assert source.truncated
    assert len(source.text) == 1_000_000
