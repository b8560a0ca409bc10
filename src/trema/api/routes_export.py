"""The route that hands out a run as one file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from fastapi import APIRouter
from fastapi.responses import StreamingResponse

from trema.api.parameters import QueriesOf, RunId, problems

router = APIRouter(tags=["runs"])

Format = Literal["json", "csv", "html"]
_TYPES = {"json": "application/json", "csv": "text/csv", "html": "text/html"}


@router.get(
    "/runs/{run}/export",
    response_class=StreamingResponse,
    responses={
        **problems(404),
        200: {
            "description": "The file.",
            "content": {type: {"schema": {"type": "string"}} for type in _TYPES.values()}
            | {"application/json": {"schema": {"type": "object", "additionalProperties": True}}},
        },
    },
)
def export_run(queries: QueriesOf, run: RunId, format: Format = "json") -> StreamingResponse:
    """A run as JSON, as CSV of its numbers, or as a page that needs no server."""
    from trema.api import export

    write = {"json": export.export_json, "csv": export.export_csv, "html": export.export_html}
    parts = iter(write[format](queries, run))
    first = next(parts, b"")  # an unknown run is told before the answer begins
    name = re.sub(r"[^\w.-]+", "-", run, flags=re.ASCII).strip(".-") or "run"
    return StreamingResponse(
        _chain(first, parts),
        media_type=_TYPES[format],
        headers={"Content-Disposition": f'attachment; filename="trema-{name}.{format}"'},
    )


def _chain(first: bytes, rest: Iterator[bytes]) -> Iterator[bytes]:
    yield first
    yield from rest
