"""Routes of the source, the events and the comparison of runs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query

from trema.api.models import Comparison, EventPage, SourceFile
from trema.api.parameters import NAME, After, QueriesOf, RunId, Words, problems, several

router = APIRouter(tags=["runs"], responses=problems(404))


@router.get("/runs/{run}/source")
def get_source(
    queries: QueriesOf,
    run: RunId,
    path: Annotated[
        str,
        Query(
            min_length=1,
            max_length=1000,
            pattern=r"^[^\x00]+$",
            description="One of the run's ``sources``.",
        ),
    ],
) -> SourceFile:
    """A file as it was when the run started; only those that the run recorded."""
    return queries.source(run, path)


@router.get("/runs/{run}/events")
def list_events(
    queries: QueriesOf,
    run: RunId,
    *,
    kind: Annotated[Words, several("Only records of these kinds.")],
    after: After = 0,
    limit: Annotated[int, Query(ge=1, le=2000)] = 500,
) -> EventPage:
    """Records of the journal that are neither numbers by step nor findings."""
    return queries.events(run, kinds=kind, after=after, limit=limit)


@router.get("/compare")
def compare_runs(
    queries: QueriesOf,
    run: Annotated[
        list[Annotated[str, Query(min_length=1, max_length=255, pattern=NAME)]],
        Query(min_length=2, max_length=8, description="Ids, the oldest first."),
    ],
) -> Comparison:
    """Runs side by side: settings, findings, metrics and source."""
    return queries.compare(run)
