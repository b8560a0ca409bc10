"""Findings of several ranks as one; the order of the ranks' arrival does not matter."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from trema.core.diagnosis import Severity
from trema.store.base import FindingHead, StoredFinding


@lru_cache(1024)
def weight(severity: str) -> int:
    """3 for critical down to 0 for info; -1 for a word that is none."""
    try:
        return Severity(severity).weight
    except ValueError:
        return -1


def joined(parts: Sequence[StoredFinding]) -> StoredFinding:
    """One finding from what each rank says of it; each part has one rank, its reporter."""
    main = min(parts, key=lambda part: (part.state != "active", -weight(part.severity), part.ranks))
    worst = max(parts, key=lambda part: weight(part.severity))
    ranks = tuple(sorted({rank for part in parts for rank in _ranks(part)}))
    state = main.state  # an active part comes first
    document: dict[str, Any] = {
        **main.document,
        "severity": worst.severity,
        "state": state,
        "ranks": list(ranks),
    }
    if len(parts) > 1:
        documents = [part.document for part in parts]
        document["count"] = sum(_count(item.get("count")) for item in documents)
        for name, choose in (("first", min), ("last", max)):
            spans = [item[name] for item in documents if isinstance(item.get(name), dict)]
            if spans:
                document[name] = choose(spans, key=_step)
    return StoredFinding(
        run=main.run,
        id=main.id,
        segment=main.segment,
        check=main.check,
        cause=main.cause,
        severity=worst.severity,
        state=state,
        ranks=ranks,
        revision=max(part.revision for part in parts),
        document=document,
    )


def joined_heads(parts: Iterable[tuple[int, FindingHead]]) -> list[FindingHead]:
    """One head a finding from those of each rank, the worst of a run first."""
    groups: dict[tuple[str, int, str], list[tuple[int, FindingHead]]] = {}
    for rank, part in parts:
        groups.setdefault((part.run, part.segment, part.id), []).append((rank, part))
    heads = []
    for group in groups.values():
        if len(group) == 1:
            heads.append(group[0][1])
            continue
        main = min(group, key=lambda item: (_order(item[1]), item[0]))[1]
        worst = max((part.severity for _, part in group), key=weight)
        heads.append(main if main.severity == worst else replace(main, severity=worst))
    return sorted(heads, key=lambda head: (head.run, *_order(head), head.segment, head.id))


def _order(head: FindingHead) -> tuple[bool, int]:
    return head.state != "active", -weight(head.severity)


def urgency(finding: StoredFinding) -> tuple[Any, ...]:
    """Sorts findings: active before gone, the worst first, then in order of appearance."""
    return (
        finding.run,
        finding.state != "active",
        -weight(finding.severity),
        finding.segment,
        _step(finding.document.get("first")),
        finding.id,
    )


def _step(span: Any) -> float:
    step = span.get("step") if isinstance(span, dict) else None
    return float(step) if isinstance(step, int) and abs(step) < 2**63 else -1.0


def _ranks(part: StoredFinding) -> Sequence[int]:
    """The rank that reported a finding, and those that it is about."""
    given = part.document.get("ranks")
    told = [rank for rank in given if type(rank) is int] if isinstance(given, list) else []
    return [*part.ranks, *(rank for rank in told if 0 <= rank < 2**31)]


def _count(value: Any) -> int:
    return value if isinstance(value, int) else 1
