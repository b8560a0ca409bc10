"""Curves and the timeline of a report as SVG: no script, colours from the page's style."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from trema.api.models import Card, Number
from trema.api.report_axes import Scale, round_numbers, scale_of
from trema.api.report_text import esc, figure

WIDTH, HEIGHT = 420, 230
_SPANS = 200  # of one finding
_LEFT, _RIGHT, _TOP, _BOTTOM = 58, 12, 14, 34

#: Paths in a box of 12 × 12, one shape a severity, so that colour is not needed to tell them.
SHAPES = {
    "critical": "M6 0 12 6 6 12 0 6Z",
    "error": "M1 1H11V11H1Z",
    "warning": "M6 .8 12 11.2H0Z",
    "info": "M6 1a5 5 0 1 1 0 10A5 5 0 1 1 6 1Z",
}


@dataclass(frozen=True)
class Curve:
    """One line of a plot."""

    label: str
    steps: Sequence[int]
    values: Sequence[Number]
    low: Sequence[Number] | None = None
    high: Sequence[Number] | None = None


def real(value: Number | None) -> float:
    """A number of the API as a float."""
    return math.nan if value is None else float(value)


def plot(
    title: str,
    curves: Sequence[Curve],
    axis: str,
    *,
    shades: Sequence[Card] = (),
    limit: float | None = None,
) -> str:
    """A figure with the curves of one metric.

    axis : ``epoch`` or ``step``
    shades : findings whose epochs are marked below the curves; only where the axis is epochs
    limit : a value to draw across
    """
    x = scale_of(
        (float(step) for curve in curves for step in curve.steps),
        _LEFT,
        WIDTH - _RIGHT,
        whole=True,
    )
    seen = [
        real(value)
        for curve in curves
        for row in (curve.values, curve.low or (), curve.high or ())
        for value in row
    ]
    y = scale_of([*seen, math.nan if limit is None else limit], HEIGHT - _BOTTOM, _TOP)
    drawn = "".join(_curve(curve, number, x, y) for number, curve in enumerate(curves, start=1))
    said = f"{esc(title)} by {axis}: {'; '.join(_said(curve) for curve in curves)}"
    return (
        f'<figure class="plot"><figcaption><b>{esc(title, 60)}</b>{_legend(curves)}</figcaption>'
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{said}">'
        f"{_axes(x, y, axis)}{_limit(limit, y)}"
        f"{_strip(shades, x) if axis == 'epoch' else ''}{drawn}</svg></figure>"
    )


def _said(curve: Curve) -> str:
    last = figure(curve.values[-1]) if curve.values else "no values"
    return f"{esc(curve.label, 60)} ends at {last}"


def _legend(curves: Sequence[Curve]) -> str:
    rows = []
    for number, curve in enumerate(curves, start=1):
        last = figure(curve.values[-1]) if curve.values else "–"
        key = f'<svg width="22" height="8" aria-hidden="true"><path class="c{number}" d="M1 4H21"/>'
        rows.append(f"<span>{key}</svg>{esc(curve.label, 40)} <em>{last}</em></span>")
    return f'<span class="legend">{"".join(rows)}</span>'


def _axes(x: Scale, y: Scale, axis: str) -> str:
    parts = []
    for place, text in y.ticks(5):
        parts.append(f'<path class="grid" d="M{_LEFT} {place:.1f}H{WIDTH - _RIGHT}"/>')
        parts.append(f'<text x="{_LEFT - 7}" y="{place + 4:.1f}" class="end">{text}</text>')
    bottom = HEIGHT - _BOTTOM
    for place, text in _whole_ticks(x, 6):
        parts.append(f'<path class="axis" d="M{place:.1f} {bottom}v4"/>')
        parts.append(f'<text x="{place:.1f}" y="{bottom + 17}" class="middle">{text}</text>')
    parts.append(f'<path class="axis" d="M{_LEFT} {bottom}H{WIDTH - _RIGHT}"/>')
    parts.append(f'<text x="{WIDTH - _RIGHT}" y="{HEIGHT - 3}" class="end soft">{axis}</text>')
    if y.log:
        parts.append(f'<text x="{_LEFT + 4}" y="{_TOP}" class="soft">log scale</text>')
    return "".join(parts)


def _limit(limit: float | None, y: Scale) -> str:
    place = math.nan if limit is None else y(limit)
    if math.isnan(place):
        return ""
    return (
        f'<path class="limit" d="M{_LEFT} {place:.1f}H{WIDTH - _RIGHT}"/>'
        f'<text x="{WIDTH - _RIGHT}" y="{place - 4:.1f}" class="end soft">'
        f"limit {figure(limit)}</text>"
    )


def _whole_ticks(x: Scale, count: int) -> list[tuple[float, str]]:
    """Ticks at integers: steps and epochs are counts."""
    numbers = [n for n in round_numbers(x.low, x.high, count) if n == int(n)]
    numbers = numbers or [float(math.ceil(x.low))]
    return [(x(number), figure(number)) for number in numbers]


def _strip(cards: Sequence[Card], x: Scale) -> str:
    """Marks on the axis where findings were seen, the worst last and so on top."""
    parts = []
    for card in reversed(cards):
        for first, last in card.spans[:_SPANS]:
            start, end = x(max(first - 0.4, x.low)), x(min(last + 0.4, x.high))
            if end >= start:
                parts.append(
                    f'<rect x="{start:.1f}" y="{HEIGHT - _BOTTOM - 3}" height="3" '
                    f'width="{max(2.0, end - start):.1f}" class="s-{severity(card)}">'
                    f"<title>{esc(card.title, 120)}</title></rect>"
                )
    return "".join(parts)


def _curve(curve: Curve, number: int, x: Scale, y: Scale) -> str:
    steps = [x(float(step)) for step in curve.steps]
    values = [y(real(value)) for value in curve.values]
    parts = []
    if curve.low is not None and curve.high is not None:
        parts.append(_band(steps, curve, number, y))
    parts.append(f'<path class="c{number}" d="{_path(steps, values)}"/>')
    if len(steps) <= 30:
        parts += [
            f'<circle class="d{number}" cx="{a:.1f}" cy="{b:.1f}" r="2.4">'
            f"<title>{esc(curve.label, 60)} {step}: {figure(value)}</title></circle>"
            for a, b, step, value in zip(steps, values, curve.steps, curve.values, strict=True)
            if not math.isnan(b)
        ]
    parts += [
        f'<path class="lost" d="M{a - 3:.1f} {_TOP}l6 6m0 -6l-6 6"><title>{step}: '
        f"{figure(value)}</title></path>"
        for a, step, value in zip(steps, curve.steps, curve.values, strict=True)
        if not math.isfinite(real(value))
    ][:200]
    return "".join(parts)


def _band(steps: Sequence[float], curve: Curve, number: int, y: Scale) -> str:
    rows = [
        (a, y(real(low)), y(real(high)))
        for a, low, high in zip(steps, curve.low or (), curve.high or (), strict=True)
    ]
    whole = [row for row in rows if not (math.isnan(row[1]) or math.isnan(row[2]))]
    if len(whole) < 2:
        return ""
    there = " ".join(f"{a:.1f},{high:.1f}" for a, _, high in whole)
    back = " ".join(f"{a:.1f},{low:.1f}" for a, low, _ in reversed(whole))
    return f'<polygon class="b{number}" points="{there} {back}"/>'


def _path(steps: Sequence[float], values: Sequence[float]) -> str:
    """Lines between neighbours; a value without a place leaves a gap."""
    parts, pen = [], "M"
    for a, b in zip(steps, values, strict=True):
        if math.isnan(b):
            pen = "M"
            continue
        parts.append(f"{pen}{a:.1f} {b:.1f}")
        pen = "L"
    return "".join(parts)


# timeline ---------------------------------------------------------------------------------


def severity(card: Card) -> str:
    """The severity when it is a known one: it becomes part of a class name."""
    return card.severity if card.severity in SHAPES else "info"


def shape(name: str) -> str:
    """The sign of a severity."""
    path = SHAPES.get(name, SHAPES["info"])
    kind = name if name in SHAPES else "info"
    return (
        f'<svg class="sign s-{kind}" viewBox="0 0 12 12" width="12" height="12" '
        f'aria-hidden="true"><path d="{path}"/></svg>'
    )


def timeline(cards: Sequence[Card], epochs: int, numbers: dict[str, int]) -> str:
    """Rows of findings over the epochs; those from before training start left of the axis.

    numbers : of each card's key, as it is called in the rest of the report
    """
    count = max([epochs, *(last + 1 for card in cards for _, last in card.spans)])
    rows = "".join(_row(card, count, numbers[card.key]) for card in cards)
    ticks = "".join(
        f'<text x="{_share(epoch + 0.5, count):.2f}%" y="13" class="middle">{epoch:,}</text>'
        for epoch in _epoch_ticks(count)
    )
    return (
        f'<div class="timeline">{rows}<div class="name soft">epoch</div>'
        f'<svg class="ticks" width="100%" height="18" aria-hidden="true">'
        f'<text x="0" y="13" class="soft">before</text>{ticks}</svg></div>'
    )


_BEFORE = 13.0  # per cent of the width that stand for the time before training


def _share(epoch: float, count: int) -> float:
    return _BEFORE + (100 - _BEFORE) * epoch / max(1, count)


def _epoch_ticks(count: int) -> list[int]:
    numbers = round_numbers(0, max(1, count - 1), 8)
    return [int(number) for number in numbers if number == int(number) and number < count]


def _row(card: Card, count: int, number: int) -> str:
    kind = severity(card)
    rects = [
        f'<rect x="{_share(first, count):.2f}%" y="4" height="14" rx="2" '
        f'width="{max(0.4, _share(last + 1, count) - _share(first, count)):.2f}%" class="s-{kind}">'
        f"<title>{_epochs(first, last)}</title></rect>"
        for first, last in card.spans[:_SPANS]
    ]
    if card.first.epoch is None:
        rects.append(
            f'<rect x="0" y="4" height="14" rx="2" width="{_BEFORE - 1.5}%" class="s-{kind}">'
            "<title>before training</title></rect>"
        )
    gone = " · no longer seen" if card.state == "gone" else ""
    said = f"{esc(card.title, 120)}: {', '.join(_epochs(*pair) for pair in card.spans[:20])}"
    return (
        f'<a class="name" href="#finding-{number}">{shape(kind)}<span>{number}. '
        f"{esc(card.title, 90)}<small>{gone}</small></span></a>"
        f'<svg width="100%" height="22" role="img" aria-label="{said or "before training"}">'
        f'<rect x="{_BEFORE}%" y="10.5" height="1" width="{100 - _BEFORE}%" class="rail"/>'
        f"{''.join(rects)}</svg>"
    )


def _epochs(first: int, last: int) -> str:
    return f"epoch {first}" if first == last else f"epochs {first} to {last}"
