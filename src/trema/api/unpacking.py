"""Request bodies that came packed by gzip, unpacked within the bound of their route."""

from __future__ import annotations

import zlib
from collections.abc import Callable, Coroutine
from typing import Any

from fastapi import Request, Response
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect

from trema.api.answers import path_of
from trema.api.limits import body_limit

_GZIP = 16 + zlib.MAX_WBITS


class UnpackingRoute(APIRoute):
    """A route that reads a body as if it had come unpacked."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """What FastAPI calls, with the request replaced."""
        handler = super().get_route_handler()

        async def handle(request: Request) -> Response:
            return await handler(UnpackedRequest(request.scope, request.receive))

        return handle


class UnpackedRequest(Request):
    """A request whose body was unpacked."""

    async def body(self) -> bytes:
        """The body.

        Raises
        ------
        HTTPException
            413 when it is too large, also unpacked; 422 when it is damaged or packed in another
            way.
        """
        if not hasattr(self, "_unpacked"):
            packing = self.headers.get("content-encoding", "identity").strip().lower()
            try:
                data = await super().body()
            except ClientDisconnect:  # nobody reads the answer; the client sends it again
                raise HTTPException(400, "the body does not end") from None
            if packing in ("gzip", "x-gzip"):
                data = unpack(data, body_limit(path_of(self.scope), self.app.state.settings.limits))
            elif packing != "identity":
                raise HTTPException(
                    422, "expected a body packed by gzip or not at all: send it in one of these"
                )
            self._unpacked = data
        return self._unpacked


def unpack(data: bytes, limit: int) -> bytes:
    """What was packed by gzip; no more than ``limit`` bytes are ever held.

    Raises
    ------
    HTTPException
        413 when it is more, 422 when it is damaged or does not end.
    """
    unpacker = zlib.decompressobj(_GZIP)
    try:
        unpacked = unpacker.decompress(data, limit + 1)
    except zlib.error:
        raise HTTPException(
            422, "expected a body packed by gzip but it cannot be unpacked: send it again"
        ) from None
    if len(unpacked) > limit:
        raise HTTPException(
            413, f"expected at most {limit:,} bytes unpacked but got more: send less at once"
        )
    if not unpacker.eof or unpacker.unused_data:
        what = "does not end" if not unpacker.eof else "goes on behind its end"
        raise HTTPException(422, f"expected a body packed by gzip but it {what}: send it again")
    return unpacked
