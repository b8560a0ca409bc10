"""Ranking of findings that are plain documents, as the engine ranks its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trema.core.diagnosis import Cause, Confidence, Severity
from trema.diagnosis.ranking import explanations, ranked
from trema.diagnosis.relations import Relations


@dataclass(frozen=True)
class DocumentFinding:
    """A finding of a document, as ranking reads it; odd fields count as absent."""

    data: Mapping[str, Any]

    @property
    def id(self) -> str:
        return str(self.data.get("id"))

    @property
    def check(self) -> str:
        return str(self.data.get("check"))

    @property
    def cause(self) -> Cause | None:
        given = self.data.get("cause")
        return Cause(given) if given in list(Cause) else None

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
        return self._step("first")

    @property
    def last_step(self) -> int | None:
        return self._step("last")

    @property
    def layer(self) -> str | None:
        where = self.data.get("where")
        layer = where.get("layer") if isinstance(where, Mapping) else None
        return layer if isinstance(layer, str) else None

    def _step(self, moment: str) -> int | None:
        given = self.data.get(moment)
        step = given.get("step") if isinstance(given, Mapping) else None
        return step if isinstance(step, int) else None


def rank_documents(
    findings: Sequence[Mapping[str, Any]], relations: Relations
) -> list[dict[str, Any]]:
    """The findings, the most urgent first, each with ``rank`` and ``explained_by``."""
    items = [DocumentFinding(finding) for finding in findings]
    explained = explanations(items, relations)
    return [
        {**item.data, "rank": rank, "explained_by": list(explained[item.segment, item.id])}
        for rank, item in enumerate(ranked(items, explained), start=1)
    ]
