"""A host's ASGI application, and the sockets of ours beside it."""

from __future__ import annotations

import asyncio
from typing import Any

from dashboard import hosting
from dashboard.embedding import App, Scope
from dashboard.live.consumer import LiveConsumer
from dashboard.live.socket import socket
from dashboard.socket_door import SocketDoor, is_ours
from queues.actions.audit import settle


class Serving:
    """Takes what is addressed to our sockets; hands on the rest, `lifespan` and the host's own sockets included."""

    def __init__(self, application: App) -> None:
        self.application = application
        self.sockets = SocketDoor(LiveConsumer.as_asgi(), socket)
        hosting.serve_sockets()

    async def __call__(self, scope: Scope, receive: Any, send: Any) -> None:
        if scope["type"] == "websocket" and is_ours(scope):
            await self.sockets(scope, receive, send)
        elif scope["type"] == "http":
            await self._http(scope, receive, send)
        else:
            await self.application(scope, receive, send)

    async def _http(self, scope: Scope, receive: Any, send: Any) -> None:
        try:
            # A stream that nobody reads is noticed at the server alone.
            await self.application({**scope, "toril_send": send}, receive, send)
        except asyncio.CancelledError:
            # The server is told to stop; what was begun is finished, with its audit row.
            await settle()
            raise
