"""Routes of checks: what each looks for and why it matters."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from trema.api.models import CheckPage
from trema.api.parameters import QueriesOf, problems

router = APIRouter(tags=["checks"])


@router.get("/checks")
def list_checks(queries: QueriesOf) -> list[CheckPage]:
    """All checks."""
    return queries.checks()


@router.get("/checks/{id}", responses=problems(404))
def get_check(
    queries: QueriesOf,
    id: Annotated[str, Path(min_length=1, max_length=255, description="Id of a check.")],
) -> CheckPage:
    """One check."""
    return queries.check(id)
