"""The curves of a report: of metrics, and of what findings measured."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence

from trema.api.models import Card, SeriesInfo, SeriesPoints
from trema.api.queries import Queries
from trema.api.report_plots import Curve, plot, real

_FACTS = ("metric", "log", "loss", "learning-rate")  # in this order
_PLOTS = 24  # figures of metrics
_CURVES = 6  # in one figure
_SHADES = 12  # findings that are marked in one figure
_WIDTH = 400  # points of a curve
_ASKED = 32  # series in one question
_LISTED = 2000  # series that are looked at


def curves(queries: Queries, run: str, cards: Sequence[Card]) -> Iterator[str]:
    """A figure for each metric, with train and validation in one."""
    groups = _grouped(_all_series(queries, run, _FACTS))
    if not groups:
        return
    chosen = groups[:_PLOTS]
    points = _points(queries, run, [info.key for group in chosen for info in group])
    several = len({info.segment for group in groups for info in group}) > 1
    yield '<h2>Curves</h2><div class="plots">'
    for group in chosen:
        drawn = [_curve(info, points[info.key], group) for info in group if info.key in points]
        first = group[0]
        own = [card for card in cards if card.segment == first.segment][:_SHADES]
        if drawn and (first.fact != "learning-rate" or _varies(drawn)):
            yield plot(_title(first, several), drawn, first.axis, shades=own)
    yield "</div>"
    if len(groups) > _PLOTS:
        yield f"<p class='soft'>{len(groups) - _PLOTS} further metrics are left out.</p>"


def _varies(drawn: Sequence[Curve]) -> bool:
    return any(len({*c.values, *(c.low or ()), *(c.high or ())}) > 1 for c in drawn)


def _all_series(queries: Queries, run: str, facts: Sequence[str]) -> list[SeriesInfo]:
    found: list[SeriesInfo] = []
    after = 0
    while len(found) < _LISTED:
        page = queries.series_list(run, facts=facts, after=after)
        found += page.series
        if page.next is None:
            break
        after = page.next
    return found


def _grouped(series: Sequence[SeriesInfo]) -> list[list[SeriesInfo]]:
    """Series that belong in one figure: train and validation of one metric, of each rank."""
    groups: dict[tuple[str, str, int], list[SeriesInfo]] = defaultdict(list)
    for info in series:
        if info.points > 1 or info.fact == "metric":
            groups[info.fact, info.name, info.segment].append(info)
    chosen = sorted(groups.items(), key=lambda item: (item[0][2], _FACTS.index(item[0][0])))
    return [
        sorted(group, key=lambda info: (info.rank, info.phase))[:_CURVES] for _, group in chosen
    ]


def _title(info: SeriesInfo, several: bool) -> str:
    own = info.fact in ("metric", "log")
    name = info.name if own else " ".join(filter(None, (info.fact, info.name)))
    if info.axis == "step":
        name += " by step"
    return f"{name} · part {info.segment + 1}" if several else name


def _points(queries: Queries, run: str, keys: Sequence[str]) -> dict[str, SeriesPoints]:
    found: dict[str, SeriesPoints] = {}
    for start in range(0, len(keys), _ASKED):
        wanted = [(key, 0) for key in keys[start : start + _ASKED]]
        answer = queries.series(run, wanted, width=_WIDTH)
        found |= {item.key: item for item in answer.series}
    return found


def _curve(info: SeriesInfo, points: SeriesPoints, group: Sequence[SeriesInfo]) -> Curve:
    label = info.phase
    if len({other.rank for other in group}) > 1:
        label += f" · rank {info.rank}"
    band = points.thinned and points.low is not None and points.high is not None
    return Curve(
        label,
        points.steps,
        points.values,
        points.low if band else None,
        points.high if band else None,
    )


def evidence_plots(queries: Queries, run: str, cards: Sequence[Card]) -> dict[str, str]:
    """A figure of what each finding measured over time, where more than one value is known."""
    chosen = {
        card.key: item
        for card in reversed(cards)
        for item in reversed(card.evidence)
        if item.key is not None
    }
    points = _points(queries, run, sorted({str(item.key) for item in chosen.values()}))
    plots = {}
    for card, item in chosen.items():
        found = points.get(str(item.key))
        if found is None or len(found.steps) < 2:
            continue
        band = found.thinned and found.low is not None and found.high is not None
        curve = Curve(
            "measured",
            found.steps,
            found.values,
            found.low if band else None,
            found.high if band else None,
        )
        limit = real(item.limit)
        title = f"{item.fact} of {item.name}" if item.name else item.fact
        axis = "epoch" if item.fact == "metric" else "step"
        plots[card] = plot(title, [curve], axis, limit=limit if math.isfinite(limit) else None)
    return plots
