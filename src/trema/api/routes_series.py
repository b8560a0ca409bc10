"""Routes of what was measured over time: series, the network, the heat map."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi.exceptions import RequestValidationError

from trema.api.models import CellDetail, HeatMap, Network, SeriesAnswer, SeriesList
from trema.api.parameters import (
    SERIES_KEY,
    After,
    End,
    QueriesOf,
    RunId,
    Segment,
    Start,
    Step,
    Word,
    Words,
    problems,
    several,
)

router = APIRouter(tags=["series"], responses=problems(404))

HeatFact = Literal[
    "activation-mean",
    "activation-std",
    "activation-zeros",
    "activation-saturated",
    "activation-nonfinite",
    "gradient-norm",
    "weight-norm",
    "update-ratio",
]
Keys = Annotated[
    list[Annotated[str, Query(pattern=SERIES_KEY)]],
    Query(
        min_length=1,
        max_length=64,
        description="A key of the list of series; ``key:position`` for the points after those.",
    ),
]


@router.get("/runs/{run}/series")
def list_series(
    queries: QueriesOf,
    run: RunId,
    *,
    fact: Annotated[Words, several("Only series of these facts.")],
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=10_000)] = 1000,
) -> SeriesList:
    """The series of a run in order of appearance."""
    return queries.series_list(run, facts=fact, after=after, limit=limit)


@router.get("/runs/{run}/points")
def get_points(
    queries: QueriesOf,
    run: RunId,
    key: Keys,
    start: Start = None,
    end: End = None,
    width: Annotated[int, Query(ge=1, le=10_000, description="Points that can be shown.")] = 1000,
) -> SeriesAnswer:
    """Points of series, thinned to the width so that spikes survive."""
    _ordered(start, end)
    return queries.series(run, [_wanted(text) for text in key], start=start, end=end, width=width)


@router.get("/runs/{run}/network")
def get_network(queries: QueriesOf, run: RunId, segment: Segment = 0) -> Network:
    """The layers of the network and how they connect."""
    return queries.network(run, segment)


@router.get("/runs/{run}/heat")
def get_heat_map(
    queries: QueriesOf,
    run: RunId,
    fact: HeatFact,
    segment: Segment = 0,
    start: Start = None,
    end: End = None,
    columns: Annotated[int, Query(ge=1, le=1000)] = 120,
) -> HeatMap:
    """A fact by layer and stretch of steps."""
    _ordered(start, end)
    return queries.heat_map(run, fact, segment=segment, start=start, end=end, columns=columns)


@router.get("/runs/{run}/cell")
def get_cell(
    queries: QueriesOf, run: RunId, layer: Word, step: Step, segment: Segment = 0
) -> CellDetail:
    """What was observed of one layer near a step."""
    return queries.cell(run, layer, step, segment=segment)


def _wanted(text: str) -> tuple[str, int]:
    key, _, position = text.partition(":")
    return key, int(position or 0)


def _ordered(start: int | None, end: int | None) -> None:
    if start is not None and end is not None and start > end:
        told = {"type": "value_error", "loc": ("query", "end"), "input": end}
        raise RequestValidationError([{**told, "msg": f"Input should be at least start, {start}"}])
