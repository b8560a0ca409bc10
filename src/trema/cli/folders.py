"""The folder of runs that a command means, and the documents in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trema.core.config import Config
from trema.journal.document import read_document
from trema.journal.folder import RunFolder
from trema.journal.user import UserState, fold, read_actions


def root_folder(given: Path | None) -> Path:
    """The folder given, or that of the environment, or ``.trema``; absolute."""
    return Config.of(dir=str(given) if given is not None else None).folder


def people_of(root: Path) -> UserState:
    """What people did with the runs of a folder: mutes, tags, archiving."""
    return fold(read_actions(root))


def document_of(run: RunFolder, people: UserState | None = None) -> dict[str, Any]:
    """The findings document; findings that people muted stand in ``muted``.

    One rebuilt from a killed run is ranked here, and so is what is left when some are muted.
    """
    document = read_document(run)
    known = people_of(run.path.parent.parent) if people is None else people
    aside = _set_aside(document, run.id, known)
    facts = document["run"]
    if aside or facts["state"] in ("killed", "running") or len(facts.get("ranks", ())) > 1:
        _rank(document)
    return document


def _set_aside(document: dict[str, Any], run: str, people: UserState) -> bool:
    kept = []
    for finding in document["findings"]:
        mute = people.mute_of(run, str(finding.get("check")), str(finding.get("id")))
        if mute is None:
            kept.append(finding)
            continue
        where = finding.get("where") or {}
        place = where.get("layer") or where.get("parameter") or ""
        document["muted"].append(
            {
                "check": str(finding.get("check")),
                "where": str(place),
                "reason": mute.reason,
                "by": "user",
            }
        )
    aside = len(kept) < len(document["findings"])
    document["findings"] = kept
    return aside


def _rank(document: dict[str, Any]) -> None:
    from trema.checks.base import all_checks
    from trema.diagnosis.documents import rank_documents
    from trema.diagnosis.relations import relations_of

    if document["findings"]:
        document["findings"] = rank_documents(document["findings"], relations_of(all_checks()))
