"""Ranking of findings that are plain documents, as the engine ranks its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trema.core.diagnosis import Confidence, Severity
from trema.diagnosis.ranking import explanations, ranked


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
        segment = self.data.get("segment")
        return segment if isinstance(segment, int) else 0

    @property
    def active(self) -> bool:
        return self.data.get("state") != "gone"

    @property
    def first_step(self) -> int | None:
        first = self.data.get("first")
        step = first.get("step") if isinstance(first, dict) else None
        return step if isinstance(step, int) else None


def rank_documents(
    findings: Sequence[Mapping[str, Any]], explains: Mapping[str, frozenset[str]]
) -> list[dict[str, Any]]:
    """The findings, the most urgent first, each with ``rank`` and ``explained_by``.

    explains : check id -> ids of checks whose findings it explains.
    """
    items = [_Ranked(finding) for finding in findings]
    explained = explanations(items, explains)
    return [
        {**item.data, "rank": rank, "explained_by": list(explained[item.segment, item.id])}
        for rank, item in enumerate(ranked(items, explained), start=1)
    ]
