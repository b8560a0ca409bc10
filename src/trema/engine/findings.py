"""The findings of a run: a repeat extends one, a finding that stops occurring says so."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from trema.core.diagnosis import Confidence, Diagnosis, Severity


@dataclass
class Finding:
    """One diagnosis over the time of a run."""

    diagnosis: Diagnosis
    segment: int
    first_step: int | None
    first_epoch: int | None
    last_step: int | None
    last_epoch: int | None
    count: int = 1
    active: bool = True
    ranks: tuple[int, ...] = (0,)
    extra: dict[str, Any] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return self.diagnosis.id

    @property
    def check(self) -> str:
        return self.diagnosis.check

    @property
    def severity(self) -> Severity:
        return self.diagnosis.severity

    @property
    def confidence(self) -> Confidence:
        return self.diagnosis.confidence


class Findings:
    """All findings by segment and identity."""

    def __init__(self, rank: int = 0) -> None:
        self._by_id: dict[tuple[int, str], Finding] = {}
        self._rank = rank

    def all(self) -> list[Finding]:
        """Every finding in order of appearance."""
        return list(self._by_id.values())

    def update(
        self,
        check: str,
        segment: int,
        diagnoses: Iterable[Diagnosis],
        step: int | None,
        epoch: int | None,
    ) -> tuple[list[Finding], list[Finding], list[Finding]]:
        """Take in what one check says now; returns new, changed and gone findings.

        A finding counts as changed when its severity, cause or activity changed.
        """
        new: list[Finding] = []
        changed: list[Finding] = []
        seen: set[str] = set()
        for diagnosis in diagnoses:
            if diagnosis.id in seen:
                continue
            seen.add(diagnosis.id)
            known = self._by_id.get((segment, diagnosis.id))
            if known is None:
                finding = Finding(diagnosis, segment, step, epoch, step, epoch, ranks=(self._rank,))
                self._by_id[segment, diagnosis.id] = finding
                new.append(finding)
                continue
            before = known.diagnosis
            if (before.severity, before.cause) != (diagnosis.severity, diagnosis.cause) or not (
                known.active
            ):
                changed.append(known)
            known.diagnosis = diagnosis
            known.active = True
            known.last_step, known.last_epoch = step, epoch
            known.count += 1
        gone = [
            finding
            for (number, _), finding in self._by_id.items()
            if number == segment
            and finding.check == check
            and finding.active
            and finding.id not in seen
        ]
        for finding in gone:
            finding.active = False
        return new, changed, gone
