"""The folder of runs that a command means, and the documents in it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from trema.core.config import Config
from trema.journal.document import read_document
from trema.journal.folder import RunFolder


def root_folder(given: Path | None) -> Path:
    """The folder given, or that of the environment, or ``.trema``; absolute."""
    return Config.of(dir=str(given) if given is not None else None).folder


def document_of(run: RunFolder) -> dict[str, Any]:
    """The findings document; one rebuilt from a killed run is ranked here."""
    document = read_document(run)
    if document["run"]["state"] in ("killed", "running") and document["findings"]:
        _rank(document)
    return document


def _rank(document: dict[str, Any]) -> None:
    from trema.checks.base import all_checks
    from trema.diagnosis.documents import rank_documents
    from trema.diagnosis.ranking import explains_of

    document["findings"] = rank_documents(document["findings"], explains_of(all_checks()))
