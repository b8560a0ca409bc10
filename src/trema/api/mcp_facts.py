"""Facts over time for an assistant: which there are, and their numbers, thinned."""

from __future__ import annotations

from collections.abc import Sequence

from trema.api.mcp_answers import FactAnswer, FactGroup, FactList, Series
from trema.api.mcp_shaping import numbers, word
from trema.api.models import SeriesInfo, SeriesPoints
from trema.api.queries import Queries
from trema.core.errors import UsageError, did_you_mean

_PAGE = 500  # series read at once
_NAMES = 300  # named in one answer
_SERIES = 8  # in one answer
_SCANNED = 20_000  # series a search goes through


def list_series(queries: Queries, run: str, search: str, after: int) -> FactList:
    """The facts of a run with their names, a page at a time."""
    groups: dict[str, FactGroup] = {}
    wanted, named, next = search.casefold(), 0, after
    for _ in range(_SCANNED // _PAGE):
        page = queries.series_list(run, after=next, limit=_PAGE)
        for info in page.series:
            if wanted in info.fact.casefold() or wanted in info.name.casefold():
                named += _add(groups, info)
        if page.next is None:
            return FactList(facts=list(groups.values()), next=None)
        next = page.next
        if named >= _NAMES:
            break
    return FactList(facts=list(groups.values()), next=next)


def _add(groups: dict[str, FactGroup], info: SeriesInfo) -> int:
    """Add a series; the count of names that are new."""
    group = groups.get(info.fact)
    if group is None:
        group = groups[info.fact] = FactGroup(
            fact=word(info.fact),
            unit=word(info.unit),
            axis=info.axis,
            phases=[],
            segments=[],
            ranks=[],
            names=[],
            points=0,
        )
    for values, value in (
        (group.phases, word(info.phase)),
        (group.segments, info.segment),
        (group.ranks, info.rank),
    ):
        if value not in values and len(values) < 50:
            values.append(value)  # type: ignore[arg-type]  # each list with its own values
    group.points = max(group.points, info.points)
    name = word(info.name)
    if name in group.names:
        return 0
    group.names.append(name)
    return 1


def facts_over_time(
    queries: Queries,
    run: str,
    fact: str,
    *,
    name: str | None,
    phase: str,
    segment: int | None,
    start: int | None,
    end: int | None,
    points: int,
) -> FactAnswer:
    """The series of a fact that fit.

    Raises
    ------
    UsageError
        When there is none.
    """
    known = _series_of(queries, run, fact)
    chosen = [
        info
        for info in known
        if (name is None or info.name == name)
        and phase in ("", info.phase)
        and segment in (None, info.segment)
    ]
    if not chosen:
        raise UsageError(_nothing(queries, run, fact, name, known))
    shown = chosen[:_SERIES]
    keys = [(info.key, 0) for info in shown]
    answer = queries.series(run, keys, start=start, end=end, width=points)
    by_key = {item.key: item for item in answer.series}
    return FactAnswer(
        run=run,
        series=[_series(info, by_key[info.key]) for info in shown],
        left_out=len(chosen) - len(shown),
    )


def _series_of(queries: Queries, run: str, fact: str) -> list[SeriesInfo]:
    found: list[SeriesInfo] = []
    after: int | None = 0
    while after is not None and len(found) < _SCANNED:
        page = queries.series_list(run, facts=[fact], after=after, limit=_PAGE)
        found += page.series
        after = page.next
    return found


def _nothing(
    queries: Queries, run: str, fact: str, name: str | None, known: Sequence[SeriesInfo]
) -> str:
    if known:
        names = sorted({word(info.name) for info in known})[:500]
        hint = did_you_mean(name or "", names[:20] if not name else names)[:500]
        return f"the run has {fact[:100]!r}, but not for this name, phase and segment: {hint}"
    facts = {group.fact for group in list_series(queries, run, "", 0).facts}
    if not facts:
        return f"nothing was observed by step in run {run!r}: look at its state with get_run"
    return f"the run has no fact {fact[:100]!r}: {did_you_mean(fact[:100], facts)[:1000]}"


def _series(info: SeriesInfo, points: SeriesPoints) -> Series:
    return Series(
        fact=word(info.fact),
        name=word(info.name),
        phase=word(info.phase),
        segment=info.segment,
        rank=info.rank,
        unit=word(info.unit),
        axis=info.axis,
        points=info.points,
        thinned=points.thinned,
        steps=points.steps,
        values=numbers(points.values),
        low=None if points.low is None else numbers(points.low),
        high=None if points.high is None else numbers(points.high),
    )
