"""Sockets of the dashboard as its pages keep them, and one as no page would."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.eventually import eventually
from tests.procfs import resident
from tests.stand import Stand
from tests.watching import Screen


class Tab(Screen):
    """A page's socket, as hx-ws keeps it."""

    def __init__(self, ws: ClientConnection) -> None:
        super().__init__()
        self.ws = ws
        self.code: int | None = None
        self._reading = asyncio.create_task(self._read(), name="tab")

    async def _read(self) -> None:
        try:
            async for message in self.ws:
                self.take(str(message))
        except ConnectionClosed:
            pass
        self.code = self.ws.close_code

    async def closed(self, timeout_s: float = 15) -> int:
        await eventually(lambda: self.code is not None, timeout_s, "the server closes the socket")
        assert self.code is not None
        return self.code

    async def close(self) -> None:
        await self.ws.close()
        await self._reading


def address(stand: Stand, **query: str) -> str:
    return f"{stand.address.replace('http', 'ws')}/admin/queues/live?{urlencode(query)}"


def cookie_of(client: httpx.Client | None) -> dict[str, str]:
    return {"Cookie": f"toril_session={client.cookies['toril_session']}"} if client else {}


@asynccontextmanager
async def tab(stand: Stand, client: httpx.Client | None, **query: str) -> AsyncIterator[Tab]:
    async with connect(
        address(stand, **query), additional_headers=cookie_of(client), origin=stand.address, max_size=None
    ) as ws:
        opened = Tab(ws)
        try:
            yield opened
        finally:
            await opened.close()


def memory(stand: Stand) -> int:
    """Resident bytes of the web process."""
    return resident(stand.processes["web"].pid)


class Stuck:
    """A client that shakes hands and never reads again."""

    def __init__(self, stand: Stand, client: httpx.Client | str) -> None:
        """Of the dashboard, as somebody signed in; or of a program, at this path."""
        is_program = isinstance(client, str)
        path = client if isinstance(client, str) else "/admin/queues/live"
        to = urlsplit(stand.address)
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.socket.connect((to.hostname, to.port))
        lines = (
            f"GET {path} HTTP/1.1",
            f"Host: {to.netloc}",
            *([] if is_program else [f"Origin: {stand.address}"]),
            "Upgrade: websocket",
            "Connection: Upgrade",
            "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            "Sec-WebSocket-Version: 13",
            *([] if isinstance(client, str) else [f"Cookie: toril_session={client.cookies['toril_session']}"]),
        )
        self.socket.sendall("\r\n".join([*lines, "", ""]).encode())

    def say(self, text: str) -> None:
        """One short text frame; the mask that a client must use is none here."""
        self.socket.sendall(bytes([0x81, 0x80 | len(text), 0, 0, 0, 0]) + text.encode())

    def close(self) -> None:
        self.socket.close()

    def is_dropped(self) -> bool:
        """Whether the server has ended the connection; found without reading what it sent."""
        # 1 ESTABLISHED; anything else has seen a FIN or a reset.
        return self.socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] != 1
