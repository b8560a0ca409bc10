"""The HTTP protocol of uvicorn, sending small answers at once.

An answer is written in two parts, and the system keeps the second back until the client has
acknowledged the first, which it may delay for 40 ms. asyncio switches that off only for sockets
made with their protocol named, and those that uvicorn's processes share are not.
"""

from __future__ import annotations

import asyncio
import socket

from uvicorn.protocols.http.auto import AutoHTTPProtocol


class PromptProtocol(AutoHTTPProtocol):  # type: ignore[misc,valid-type]  # chosen when imported
    """uvicorn's protocol, whichever is installed."""

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Switch the delay off, then begin."""
        connection = transport.get_extra_info("socket")
        if connection is not None and connection.family in (socket.AF_INET, socket.AF_INET6):
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().connection_made(transport)
