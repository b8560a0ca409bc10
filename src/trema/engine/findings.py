"""The findings of a run: a repeat extends one, a finding that stops occurring says so."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from trema.core.diagnosis import Cause, Confidence, Diagnosis, Severity

#: Spans of a finding; of more, the two with the smallest gap are joined.
SPANS = 64
#: Entries of a finding's history; of more, every second one goes.
HISTORY = 200


@dataclass
class Finding:
    """One diagnosis over the time of a run.

    spans : first and last epoch of each run of epochs in which it was seen, oldest first
    history : the value of the first evidence, once an epoch as it was seen last, evenly thinned
    told_count, told_at : ``count`` and the monotonic time when it was last written
    """

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
    spans: list[list[int]] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    told_count: int = 0
    told_at: float = -math.inf
    _entries: int = field(default=0, init=False)  # epochs with a value …
    _stride: int = field(default=1, init=False)  # … of which every so many are kept

    def seen(self, step: int | None, epoch: int | None) -> None:
        """Note when it was seen; before training there is no epoch, and nothing to note."""
        if epoch is None:
            return
        self._extend(epoch)
        if self.diagnosis.evidence:
            value = self.diagnosis.evidence[0].value
            self._keep({"epoch": epoch, "step": step, "value": value})

    def _extend(self, epoch: int) -> None:
        spans = self.spans
        if spans and epoch <= spans[-1][1] + 1:
            spans[-1][1] = max(epoch, spans[-1][1])
            return
        spans.append([epoch, epoch])
        if len(spans) > SPANS:
            gaps = [after[0] - before[1] for before, after in pairwise(spans)]
            closest = gaps.index(min(gaps))
            spans[closest][1] = spans.pop(closest + 1)[1]

    def _keep(self, entry: dict[str, Any]) -> None:
        """Add an entry; the newest one is always there, of the others every ``_stride``-th."""
        history = self.history
        if history and history[-1]["epoch"] == entry["epoch"]:
            history[-1] = entry
            return
        if history and (self._entries - 1) % self._stride:
            history[-1] = entry
        else:
            history.append(entry)
        self._entries += 1
        if len(history) > HISTORY:
            history[:] = [*history[:-1:2], history[-1]]
            self._stride *= 2

    @property
    def id(self) -> str:
        return self.diagnosis.id

    @property
    def check(self) -> str:
        return self.diagnosis.check

    @property
    def cause(self) -> Cause:
        return self.diagnosis.cause

    @property
    def layer(self) -> str | None:
        return self.diagnosis.where.layer

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

    def of(self, segment: int) -> list[Finding]:
        """The findings of one segment."""
        return [finding for (number, _), finding in self._by_id.items() if number == segment]

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
            ranks = diagnosis.ranks or (self._rank,)
            known = self._by_id.get((segment, diagnosis.id))
            if known is None:
                finding = Finding(diagnosis, segment, step, epoch, step, epoch, ranks=ranks)
                finding.seen(step, epoch)
                self._by_id[segment, diagnosis.id] = finding
                new.append(finding)
                continue
            before = known.diagnosis
            if (before.severity, before.cause) != (diagnosis.severity, diagnosis.cause) or not (
                known.active
            ):
                changed.append(known)
            known.diagnosis, known.ranks = diagnosis, ranks
            known.active = True
            known.last_step, known.last_epoch = step, epoch
            known.count += 1
            known.seen(step, epoch)
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
