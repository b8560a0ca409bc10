"""Routes of mutes: findings that people chose to silence."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from trema.api.models import Mute, Mutes, NewMute
from trema.api.parameters import NAME, QueriesOf, problems

router = APIRouter(tags=["mutes"])


@router.get("/mutes")
def list_mutes(queries: QueriesOf) -> Mutes:
    """The mutes in force, the newest first."""
    return queries.mutes()


@router.post("/mutes", status_code=201, responses=problems(404, 409, 413))
def add_mute(queries: QueriesOf, new: NewMute) -> Mute:
    """Silence a finding or a check, in one run or in the project."""
    return queries.mute(new)


@router.delete("/mutes/{id}", status_code=204, responses=problems(404, 409, 413))
def remove_mute(
    queries: QueriesOf,
    id: Annotated[str, Path(min_length=1, max_length=255, pattern=NAME)],
) -> None:
    """Let what was muted speak again."""
    queries.unmute(id)
