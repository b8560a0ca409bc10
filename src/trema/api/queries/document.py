"""The findings document of a run from the store alone: the JSON that others build on."""

from __future__ import annotations

from typing import Any

from trema.api.models import RunRow
from trema.api.queries.cards import Deck
from trema.api.queries.described import Described
from trema.api.queries.plain import encoded, mapping, maybe_text, words
from trema.api.queries.runs import NAMES, muted_by_people

SCHEMA = 1
_LISTS = ("clear", "not_assessed", "failed_checks", "muted")


def findings_document(row: RunRow, described: Described, deck: Deck) -> dict[str, Any]:
    """The document as the end of the run has it, or as far as the run came.

    Findings that people muted stand in ``muted`` and not among the findings.
    """
    end = described.end or {}
    muted = {card.key for card in deck.cards if card.mute is not None}
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "trema": described.trema,
        "run": _run(row, described, deck),
        "findings": [
            encoded(document)
            for document in deck.documents
            if f"{document['segment']}:{document['id']}" not in muted
        ],
    }
    for name in _LISTS:
        given = end.get(name)
        document[name] = encoded(given) if isinstance(given, list) else []
    if described.end is None:
        document["failed_checks"] = [
            {"check": part, "error": error} for part, error in described.failed
        ]
    document["muted"] += [
        {"check": item.check, "where": item.where or "", "reason": item.reason or "", "by": item.by}
        for item in muted_by_people(deck)
    ]
    return document


def _run(row: RunRow, described: Described, deck: Deck) -> dict[str, Any]:
    info = described.first_info()
    facts: dict[str, Any] = {
        "overhead": None,
        "inputs": maybe_text(info.get("inputs")),
        "outputs": maybe_text(info.get("outputs")),
        "notes": [],
        **encoded(mapping((described.end or {}).get("run"))),
    }
    killed = "the run did not end by itself: shown is what was written until then"
    facts["notes"] = [
        *words(facts["notes"], NAMES),
        *([killed] if row.state == "killed" else []),
        *deck.notes(),
    ]
    return facts | {
        "id": row.id,
        "name": row.name,
        "framework": row.framework,
        "state": row.state,
        "exit_code": row.exit_code,
        "steps": row.steps,
        "epochs": row.epochs,
        "segments": described.segments,
        "seconds": row.seconds,
    }
