"""The folder of runs that a command means, and the documents in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trema.core.config import Config
from trema.core.diagnosis import Confidence, Severity
from trema.journal.document import read_document
from trema.journal.folder import RunFolder


def root_folder(given: Path | None) -> Path:
    """The folder given, or that of the environment, or ``.trema``; absolute."""
    return Config.of(dir=str(given) if given is not None else None).folder


@dataclass(frozen=True)
class _Ranked:
    """A finding of a document, as ranking reads it."""

    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.data.get("id"))

    @property
    def check(self) -> str:
        return str(self.data.get("check"))

    @property
    def severity(self) -> Severity:
        given = self.data.get("severity")
        return Severity(given) if given in list(Severity) else Severity.INFO

    @property
    def confidence(self) -> Confidence:
        given = self.data.get("confidence")
        return given if given in ("measured", "likely") else "possible"

    @property
    def segment(self) -> int:
        return int(self.data.get("segment") or 0)

    @property
    def active(self) -> bool:
        return self.data.get("state") != "gone"

    @property
    def first_step(self) -> int | None:
        step = (self.data.get("first") or {}).get("step")
        return step if isinstance(step, int) else None


def document_of(run: RunFolder) -> dict[str, Any]:
    """The findings document; one rebuilt from a killed run is ranked here."""
    document = read_document(run)
    if document["run"]["state"] in ("killed", "running") and document["findings"]:
        _rank(document)
    return document


def _rank(document: dict[str, Any]) -> None:
    from trema.checks.base import all_checks
    from trema.diagnosis.ranking import explanations, ranked

    explains = {
        name: frozenset(getattr(check, "explains", frozenset()))
        for name, check in all_checks().items()
    }
    findings = [_Ranked(finding) for finding in document["findings"]]
    explained = explanations(findings, explains)
    document["findings"] = [
        {**item.data, "rank": rank, "explained_by": list(explained[item.segment, item.id])}
        for rank, item in enumerate(ranked(findings, explained), start=1)
    ]
