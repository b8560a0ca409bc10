"""Routes of the server itself: its state, what changed, and the stream of changes."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import StreamingResponse

from trema.api.models import Alerts, Changes, Status
from trema.api.parameters import Cursor, QueriesOf

router = APIRouter(tags=["server"])


@router.get("/status")
def get_status(queries: QueriesOf, request: Request) -> Status:
    """The server."""
    return queries.status()


@router.get("/changes")
def get_changes(queries: QueriesOf, cursor: Cursor = None) -> Changes:
    """What changed since a cursor; without one, only the cursor of now."""
    return queries.changes(cursor)


@router.get(
    "/stream",
    response_class=StreamingResponse,
    responses={
        200: {
            "description": "Events named ``changes``, each with a Changes document as its data.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
async def stream_changes(request: Request, cursor: Cursor = None) -> StreamingResponse:
    """What changes, as it changes (server-sent events)."""
    raise NotImplementedError


@router.get("/alerts")
def list_alerts(queries: QueriesOf) -> Alerts:
    """The rules that tell somebody; secrets are left out."""
    from trema.api import alerts

    return alerts.list_alerts(queries)
