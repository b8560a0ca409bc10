"""Runs side by side: settings, findings, metrics and source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from trema.api.models import (
    Card,
    ComparedFinding,
    ComparedMetric,
    ComparedSetting,
    ComparedSource,
    Comparison,
    Number,
    RunDetail,
)
from trema.api.queries.context import Context
from trema.api.queries.differences import Differences, renamed
from trema.api.queries.plain import text, word
from trema.api.queries.series import axis_of
from trema.core.diagnosis import Severity
from trema.core.errors import UsageError
from trema.core.facts import VALIDATION, Fact
from trema.store.base import SeriesKey
from trema.store.upserting import digest

LEAST, MOST = 2, 8  # runs
METRICS = 1000

State = Literal["active", "gone", "absent"]


@dataclass(frozen=True)
class Side:
    """One of the runs."""

    detail: RunDetail
    cards: Sequence[Card]

    @property
    def id(self) -> str:
        """The run's id."""
        return self.detail.row.id


def check_runs(runs: Sequence[str]) -> None:
    """Refuse what cannot be compared.

    Raises
    ------
    UsageError
        For less than two runs, more than eight, or one twice.
    """
    if not LEAST <= len(runs) <= MOST:
        raise UsageError(f"expected {LEAST} to {MOST} runs to compare but got {len(runs)}")
    if len(set(runs)) != len(runs):
        raise UsageError("expected different runs but one is there twice: choose another")


def compare_runs(context: Context, sides: Sequence[Side]) -> Comparison:
    """The runs in the order given; the first one is what the others are compared with."""
    return Comparison(
        runs=[side.detail.row for side in sides],
        settings=_settings(sides),
        findings=_findings(sides),
        metrics=_metrics(context, sides),
        sources=_sources(context, sides),
    )


def _settings(sides: Sequence[Side]) -> list[ComparedSetting]:
    names = dict.fromkeys(name for side in sides for name in side.detail.settings)
    found = []
    for name in names:
        values = [side.detail.settings.get(name) for side in sides]
        found.append(ComparedSetting(name=name, values=values, same=len(set(values)) == 1))
    return found


# findings -----------------------------------------------------------------------------------


def _findings(sides: Sequence[Side]) -> list[ComparedFinding]:
    """Findings by identity: the same check at the same place, whatever the part of the run."""
    tables = [_by_id(side.cards) for side in sides]
    found = []
    for name in dict.fromkeys(name for table in tables for name in table):
        cards = [table.get(name) for table in tables]
        states: list[State] = [_state(card) for card in cards]
        verdict = verdict_of(states[0], states[-1])
        newest = next(card for card in reversed(cards) if card is not None)
        if verdict is not None:
            found.append(
                ComparedFinding(
                    id=name,
                    check=newest.check,
                    title=newest.title,
                    severity=newest.severity,
                    states=states,
                    keys=[card.key if card is not None else None for card in cards],
                    verdict=verdict,
                )
            )
    return sorted(found, key=_urgency)


def _by_id(cards: Sequence[Card]) -> dict[str, Card]:
    """One card of each id: an active one where there is one, else the most urgent."""
    found: dict[str, Card] = {}
    for card in cards:
        if card.mute is None and (
            card.id not in found or (card.state == "active" and found[card.id].state != "active")
        ):
            found[card.id] = card
    return found


def _state(card: Card | None) -> State:
    if card is None:
        return "absent"
    return "active" if card.state == "active" else "gone"


def verdict_of(first: State, last: State) -> Literal["appeared", "gone", "remaining"] | None:
    """What became of a finding from the first run to the last; None: it is active in neither."""
    if last == "active":
        return "remaining" if first == "active" else "appeared"
    return "gone" if first == "active" else None


def _urgency(finding: ComparedFinding) -> tuple[int, int]:
    known = [str(severity) for severity in Severity]
    severity = finding.severity
    return (
        ("appeared", "remaining", "gone").index(finding.verdict),
        known.index(severity) if severity in known else len(known),
    )


# metrics ------------------------------------------------------------------------------------


def _metrics(context: Context, sides: Sequence[Side]) -> list[ComparedMetric]:
    """Metrics by epoch, then what the programs logged by step."""
    found = _of_fact(context, sides, Fact.METRIC) + _of_fact(context, sides, Fact.LOG)
    return found[:METRICS]


def _of_fact(context: Context, sides: Sequence[Side], fact: Fact) -> list[ComparedMetric]:
    ids = [side.id for side in sides]
    known = context.store.keys_of(ids, str(fact))
    tables = [_by_name(known.get(run, {})) for run in ids]
    names = list(dict.fromkeys(name for table in tables for name in table))[:METRICS]
    found = []
    for name, phase in sorted(names, key=lambda pair: (pair[0], pair[1] != VALIDATION)):
        keys = [table.get((name, phase)) for table in tables]
        found.append(
            ComparedMetric(
                name=text(name),
                phase=text(phase),
                axis=axis_of(str(fact)),
                keys=[digest(key) if key is not None else None for key in keys],
                last=[
                    _last(context, run, key, known[run][key]) if key is not None else None
                    for run, key in zip(ids, keys, strict=True)
                ],
            )
        )
    return found


def _by_name(keys: Mapping[SeriesKey, int]) -> dict[tuple[str, str], SeriesKey]:
    """The series of each metric: of the newest part, of the lowest rank."""
    found: dict[tuple[str, str], SeriesKey] = {}
    for key in sorted(keys, key=lambda key: (key.segment, -key.rank)):
        found[key.name, key.phase] = key
    return found


def _last(context: Context, run: str, key: SeriesKey, points: int) -> Number | None:
    newest = context.store.series(run, key, after=max(0, points - 1))
    if not len(newest.steps) or newest.values.ndim != 1:
        return None
    return word(float(newest.values[-1]))


# source -------------------------------------------------------------------------------------


def _sources(context: Context, sides: Sequence[Side]) -> list[ComparedSource]:
    first, found, differences = sides[0], [], Differences()
    for other in sides[1:]:
        names = renamed(_only(context, first, other), _only(context, other, first))
        for path in sorted({*first.detail.sources, *other.detail.sources} - set(names.values())):
            before = names.get(path)
            old, new = _text(context, first, before or path), _text(context, other, path)
            status: Literal["same", "changed", "added", "removed"] = "changed"
            if old == new and before is None:
                status = "same"
            elif old is None or new is None:
                status = "added" if old is None else "removed"
            diff = "" if old == new else differences.of(path, old or "", new or "")
            found.append(
                ComparedSource(path=path, run=other.id, status=status, diff=diff, before=before)
            )
    return found


def _only(context: Context, side: Side, other: Side) -> dict[str, str]:
    """The files that one run has and the other does not."""
    paths = set(side.detail.sources) - set(other.detail.sources)
    return {path: kept for path in paths if (kept := _text(context, side, path)) is not None}


def _text(context: Context, side: Side, path: str) -> str | None:
    return context.store.source(side.id, path) if path in side.detail.sources else None
