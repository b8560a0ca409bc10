"""Routes of the server itself: its state, what changed, and the stream of changes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from trema.api.access import bearer
from trema.api.events import EventStream
from trema.api.models import Alerts, Changes, Status
from trema.api.parameters import CallerOf, Cursor, QueriesOf, RunningOf

router = APIRouter(tags=["server"])


@router.get("/status")
def get_status(running: RunningOf, caller: CallerOf) -> Status:
    """The server, and whether this client may write."""
    status = running.queries.status()
    return status.model_copy(
        update={
            "writable": status.writable and caller.scope == "write",
            "problems": [*status.problems, *running.problems],
        }
    )


@router.get("/changes")
def get_changes(queries: QueriesOf, cursor: Cursor = None) -> Changes:
    """What changed since a cursor; without one, only the cursor of now."""
    return queries.changes(cursor)


@router.get(
    "/stream",
    response_class=StreamingResponse,  # as the document sees it
    responses={
        200: {
            "description": "Events named ``changes``, each with a Changes document as its data.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_changes(
    running: RunningOf, caller: CallerOf, request: Request, cursor: Cursor = None
) -> EventStream:
    """What changes, as it changes; first what changed since the cursor."""
    token = bearer(request.headers.get("authorization", "").encode("latin-1")) or ""
    address = request.client.host if request.client else ""
    return EventStream(
        running.feed,
        cursor,
        place=running.places.take(f"{caller.key} {address}"),
        allowed=lambda: running.access.caller(token) is not None,
    )


@router.get("/alerts")
def list_alerts(running: RunningOf) -> Alerts:
    """The rules that tell somebody; secrets are left out."""
    return running.watcher.describe()
