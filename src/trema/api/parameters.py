"""Parameters that several routes take, each bounded, and what a route answers when it cannot."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Path, Query, Request
from fastapi.security import HTTPBearer
from starlette.exceptions import HTTPException

from trema.api.access import CALLER, Caller
from trema.api.models import Problem

if TYPE_CHECKING:
    from trema.api.queries import Queries
    from trema.api.running import Running
else:  # FastAPI reads annotations, and these modules read this one
    Queries = Running = object

STEP_LIMIT = 2**53 - 1  # the largest integer that a browser keeps exactly
#: No control character, no path separator, and not dots alone: ids are names of folders.
NAME = r"^\.*[^\x00-\x1f\x7f/\\.][^\x00-\x1f\x7f/\\]*$"
#: The digest of a series, and the count of its points that the caller has already.
SERIES_KEY = r"^[0-9a-f]{32}(:[0-9]{1,15})?$"

RunId = Annotated[str, Path(min_length=1, max_length=255, pattern=NAME, description="Id of a run.")]
After = Annotated[
    int, Query(ge=0, le=STEP_LIMIT, description="Only what is newer than this cursor.")
]
Segment = Annotated[int, Query(ge=0, le=2**31 - 1, description="Which fit of the run, from 0.")]
Step = Annotated[int, Query(ge=0, le=STEP_LIMIT)]
Start = Annotated[int | None, Query(ge=0, le=STEP_LIMIT, description="First step wanted.")]
End = Annotated[int | None, Query(ge=0, le=STEP_LIMIT, description="Last step wanted.")]
Word = Annotated[str, Query(min_length=1, max_length=255, pattern=r"^[^\x00]+$")]
Words = list[Annotated[str, Query(min_length=1, max_length=255)]]
Cursor = Annotated[
    str | None, Query(max_length=200, description="The cursor of the answer before.")
]

_MEANING = {
    401: "No token, or one that is not known.",
    403: "The token may only read, or the request comes from another site.",
    404: "Not known.",
    409: "Another state than the request expects.",
    413: "The request is too large.",
    421: "The request names a host that this server does not serve.",
    422: "The request is not valid.",
    429: "Too many requests.",
}


def several(description: str) -> Any:
    """A parameter that may be given again and again, or not at all."""
    return Query(default_factory=list, max_length=64, description=description)


def problems(*codes: int) -> dict[int | str, dict[str, Any]]:
    """The documentation of these answers."""
    return {code: {"model": Problem, "description": _MEANING[code]} for code in codes}


def running_of(request: Request) -> Running:
    """The parts of the running server."""
    running: Running = request.app.state.running
    return running


def queries_of(request: Request) -> Queries:
    """The queries of the running server."""
    return running_of(request).queries


def caller_of(
    request: Request,
    _: Annotated[
        object,
        Depends(HTTPBearer(auto_error=False, description="The token of the address opened.")),
    ],
) -> Caller:
    """Who sent the request.

    The guard found out before a route was looked for; asking again here documents it, and keeps
    a route shut that the guard should ever miss.
    """
    caller = request.scope.get(CALLER)
    if not isinstance(caller, Caller):
        raise HTTPException(401, "expected a token but got none")
    return caller


QueriesOf = Annotated[Queries, Depends(queries_of)]
RunningOf = Annotated[Running, Depends(running_of)]
CallerOf = Annotated[Caller, Depends(caller_of)]
