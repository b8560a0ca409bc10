"""Runs of several ranks: the page shows what the command line shows, each finding once."""

from __future__ import annotations

from pathlib import Path

from tests.api.asking import Asked
from trema.cli.folders import document_of
from trema.journal.folder import RunFolder


def second_rank(root: Path, run: str, *, ended: bool = True) -> RunFolder:
    """The run, with a second rank that saw what the first one saw."""
    folder = RunFolder(root / "runs" / run)
    text = folder.journal(0).read_text("utf-8")
    text = text.replace('"rank":0', '"rank":1').replace('"ranks":[0]', '"ranks":[1]')
    if not ended:
        lines = [line for line in text.splitlines() if '"kind":"end"' not in line]
        text = "\n".join(lines) + "\n"
    folder.journal(1).write_text(text, "utf-8")
    return folder


def test_findings_of_two_ranks_stand_once_with_both(asked: Asked) -> None:
    run = asked.make()
    folder = second_rank(asked.root, run)
    asked.index()
    document = document_of(folder)
    cards = asked.queries.cards(run).cards
    assert [(card.id, card.ranks) for card in cards] == [
        (finding["id"], [0, 1]) for finding in document["findings"]
    ]
    assert [finding["rank"] for finding in document["findings"]] == [1, 2, 3][: len(cards)]
    assert asked.queries.run(run).row.state == document["run"]["state"] == "finished"


def test_a_rank_that_was_killed_shows(asked: Asked) -> None:
    run = asked.make()
    folder = second_rank(asked.root, run, ended=False)
    before = folder.journal(1).read_text("utf-8").splitlines()
    gone = before[0].replace('"pid":', '"pid":2147480000,"was":')
    folder.journal(1).write_text("\n".join([gone, *before[1:]]) + "\n", "utf-8")
    assert document_of(folder)["run"]["state"] == "killed"
    asked.index()
    assert asked.queries.run(run).row.state in ("killed", "running")
