"""Series: which there are, and their points thinned to what can be shown."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Literal

from trema.api.models import SeriesAnswer, SeriesInfo, SeriesList, SeriesPoints
from trema.api.queries.context import Context
from trema.api.queries.plain import numbers, text
from trema.core.errors import UsageError
from trema.core.facts import Fact
from trema.store.base import SeriesKey, Window

AT_ONCE = 64  # series in one answer
WIDTH = 10_000  # points of a series in one answer
LISTED = 10_000  # series in one list

#: What the numbers of a fact count; those of other facts have no unit.
UNITS: Mapping[str, str] = {
    str(Fact.BATCH_SIZE): "samples",
    str(Fact.ACTIVATION_ZEROS): "fraction",
    str(Fact.ACTIVATION_SATURATED): "fraction",
    str(Fact.ACTIVATION_NONFINITE): "values",
    str(Fact.INPUT_NONFINITE): "values",
    str(Fact.TARGET_NONFINITE): "values",
    str(Fact.OUTPUT_NONFINITE): "values",
    str(Fact.GRADIENT_NONFINITE): "values",
    str(Fact.WEIGHT_NONFINITE): "values",
}


def unit_of(fact: str) -> str:
    """The unit of a fact; empty when it has none."""
    return UNITS.get(fact, "")


def axis_of(fact: str) -> Literal["epoch", "step"]:
    """What the steps of a series of this fact count."""
    return "epoch" if fact == Fact.METRIC else "step"


def is_array(fact: str) -> bool:
    """Whether each point of the fact is an array."""
    return fact == Fact.UNIT_MAX or fact.endswith("-quantiles")


def list_series(
    context: Context, run: str, facts: Collection[str], after: int, limit: int
) -> SeriesList:
    """The series of a run in order of appearance, a page at a time."""
    size = max(1, min(limit, LISTED))
    found = context.store.series_info(run, facts=facts or None, after=after, limit=size + 1)
    shown = found[:size]
    return SeriesList(
        series=[
            SeriesInfo(
                key=key,
                fact=text(series.fact),
                name=text(series.name),
                phase=text(series.phase),
                segment=series.segment,
                rank=series.rank,
                points=points,
                unit=unit_of(series.fact),
                axis=axis_of(series.fact),
            )
            for _, key, series, points in shown
        ],
        next=shown[-1][0] if len(found) > size else None,
    )


def read_series(
    context: Context,
    run: str,
    keys: Sequence[tuple[str, int]],
    revision: int,
    *,
    start: int | None,
    end: int | None,
    width: int,
) -> SeriesAnswer:
    """The points of these series, in the order asked.

    A key comes with a position. At position 0 the window from ``start`` to ``end`` is given; from
    another position on, the points after it, whatever the window.

    Raises
    ------
    UsageError
        When a key is unknown or its points are arrays, or too many are asked for.
    """
    if len(keys) > AT_ONCE:
        raise UsageError(f"expected at most {AT_ONCE} series at once but got {len(keys)}")
    known = context.store.find_series(run, {key for key, _ in keys})
    for key, _ in keys:
        if key not in known:
            raise UsageError(
                f"run {run!r} has no series {key[:100]!r}: take a key from the list of series"
            )
        if is_array(known[key].fact):
            raise UsageError(
                f"expected a series of numbers but each point of {known[key].fact} is an array: "
                "ask for one moment of a layer instead"
            )
    shown = max(2, min(width, WIDTH))
    points = []
    for key, position in keys:
        if position > 0:
            window = _after(context, run, known[key], position, shown)
        else:
            window = context.store.window(run, known[key], start=start, end=end, width=shown)
        points.append(_points(key, window))
    return SeriesAnswer(series=points, revision=revision)


def _after(context: Context, run: str, key: SeriesKey, position: int, width: int) -> Window:
    new = context.store.series(run, key, after=position)
    if new.values.ndim != 1:
        raise UsageError(f"expected a series of numbers but each point of {key.fact} is an array")
    if len(new.steps) <= width:
        return Window(new.steps, new.values, position=new.position)
    return context.store.window(run, key, start=int(new.steps.min()), width=width)


def _points(key: str, window: Window) -> SeriesPoints:
    # not validated: the numbers come from arrays, and there are many
    return SeriesPoints.model_construct(
        key=key,
        steps=window.steps.tolist(),
        values=numbers(window.values),
        low=None if window.low is None else numbers(window.low),
        high=None if window.high is None else numbers(window.high),
        thinned=window.thinned,
        position=window.position,
    )
