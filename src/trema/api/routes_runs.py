"""Routes of runs: the list, one run, its findings, tags and end."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query

from trema.api.models import (
    CardPage,
    NewArchived,
    NewPrune,
    NewTags,
    Pruned,
    RunDetail,
    RunPage,
    RunRow,
)
from trema.api.parameters import After, QueriesOf, RunId, Words, problems, several

router = APIRouter(tags=["runs"])

SortBy = Literal["started", "name", "state", "findings", "updated", "seconds", "steps"]
Order = Literal["asc", "desc"]


@router.get("/runs", responses=problems(404))
def list_runs(
    queries: QueriesOf,
    *,
    after: Annotated[
        str | None, Query(max_length=1000, description="The ``next`` of the page before.")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
    search: Annotated[str, Query(max_length=255, description="Part of a name, id or tag.")] = "",
    tag: Annotated[Words, several("Only runs with all of these tags.")],
    state: Annotated[Words, several("Only runs in one of these states.")],
    sort: SortBy = "started",
    order: Order = "desc",
    archived: Annotated[bool, Query(description="The runs put aside instead.")] = False,
) -> RunPage:
    """Runs in the order asked for, a page at a time."""
    return queries.runs(
        after=after,
        limit=limit,
        search=search,
        tags=tag,
        states=state,
        sort=sort,
        order=order,
        archived=archived,
    )


@router.get("/runs/{run}", responses=problems(404))
def get_run(queries: QueriesOf, run: RunId) -> RunDetail:
    """One run."""
    return queries.run(run)


@router.get("/runs/{run}/findings", responses=problems(404))
def list_findings(queries: QueriesOf, run: RunId, after: After = 0) -> CardPage:
    """Findings that changed since a revision, and the order of all."""
    return queries.cards(run, after=after)


@router.put("/runs/{run}/tags", responses=problems(404, 409, 413))
def set_tags(queries: QueriesOf, run: RunId, new: NewTags) -> RunRow:
    """Give the run these tags in place of those it has."""
    return queries.tag(run, new)


@router.put("/runs/{run}/archived", responses=problems(404, 409, 413))
def set_archived(queries: QueriesOf, run: RunId, new: NewArchived) -> RunRow:
    """Put the run aside, or take it back."""
    return queries.archive(run, new.archived)


@router.delete("/runs/{run}", status_code=204, responses=problems(404, 409, 413))
def delete_run(queries: QueriesOf, run: RunId) -> None:
    """Delete the run and all that belongs to it."""
    queries.delete(run)


@router.post("/prune", responses=problems(409, 413))
def prune_runs(queries: QueriesOf, new: NewPrune) -> Pruned:
    """Delete old runs, or only say which."""
    return queries.prune(new)
