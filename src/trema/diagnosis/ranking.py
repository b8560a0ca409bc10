"""One ranked list: what to fix first, and what another finding already explains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol, TypeVar

from trema.core.diagnosis import Confidence, Severity

_CONFIDENCE: dict[str, int] = {"measured": 2, "likely": 1, "possible": 0}


class Ranked(Protocol):
    """What ranking needs to know of a finding."""

    @property
    def id(self) -> str: ...
    @property
    def check(self) -> str: ...
    @property
    def severity(self) -> Severity: ...
    @property
    def confidence(self) -> Confidence: ...
    @property
    def segment(self) -> int: ...
    @property
    def active(self) -> bool: ...
    @property
    def first_step(self) -> int | None: ...


R = TypeVar("R", bound=Ranked)


def explains_of(checks: Mapping[str, object]) -> dict[str, frozenset[str]]:
    """Check id -> ids of checks whose findings it explains; from checks or their classes."""
    return {
        name: frozenset(getattr(check, "explains", frozenset())) for name, check in checks.items()
    }


def explanations(
    findings: Sequence[Ranked], explains: Mapping[str, frozenset[str]]
) -> dict[tuple[int, str], tuple[str, ...]]:
    """For each finding (segment, id) the ids of the findings that explain it.

    explains : check id -> ids of checks whose findings it explains.
    """
    result: dict[tuple[int, str], tuple[str, ...]] = {}
    for finding in findings:
        result[finding.segment, finding.id] = tuple(
            other.id
            for other in findings
            if other.segment == finding.segment
            and other.id != finding.id
            and finding.check in explains.get(other.check, frozenset())
        )
    return result


def ranked(findings: Sequence[R], explained: Mapping[tuple[int, str], tuple[str, ...]]) -> list[R]:
    """Most urgent first: unexplained before explained, then severity, confidence and age."""

    def urgency(finding: R) -> tuple[object, ...]:
        return (
            bool(explained.get((finding.segment, finding.id))),
            not finding.active and finding.severity is Severity.INFO,
            -finding.severity.weight,
            not finding.active,
            -_CONFIDENCE[finding.confidence],
            -1 if finding.first_step is None else finding.first_step,
            finding.check,
            finding.id,
        )

    return sorted(findings, key=urgency)
