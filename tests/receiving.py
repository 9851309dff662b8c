"""A receiver of webhooks on loopback: a real HTTP server that keeps what it is sent and answers as it is told."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hmac
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

OK = "HTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n"


def answer(status: int, body: str = "", **headers: str) -> str:
    lines = [f"HTTP/1.1 {status} As told", f"Content-Length: {len(body.encode())}", "Connection: close"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", body])


@dataclass(frozen=True)
class Received:
    headers: dict[str, str]
    body: bytes

    @property
    def id(self) -> str:
        return self.headers["webhook-id"]

    @property
    def told(self) -> dict[str, Any]:
        return json.loads(self.body)

    @property
    def data(self) -> dict[str, Any]:
        return self.told["data"]

    def is_signed_with(self, secret: str) -> bool:
        """As the specification says it, written anew."""
        key = base64.b64decode(secret.split("_", 1)[1])
        signed = b".".join([self.id.encode(), self.headers["webhook-timestamp"].encode(), self.body])
        wanted = "v1," + base64.b64encode(hmac.digest(key, signed, sha256)).decode()
        return wanted in self.headers["webhook-signature"].split(" ")


@dataclass
class Receiver:
    port: int = 0
    connections: int = 0
    received: list[Received] = field(default_factory=list)
    #: Request → what is answered, as bytes on the wire; None: nothing, for ever.
    answers: Callable[[Received], str | None] = lambda _received: OK

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook"

    @property
    def ids(self) -> Counter[str]:
        return Counter(each.id for each in self.received)

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        with contextlib.suppress(OSError, asyncio.IncompleteReadError):
            head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
            one = Received(headers, await reader.readexactly(int(headers.get("content-length", 0))))
            self.received.append(one)
            said = self.answers(one)
            if said is None:
                await reader.read()
            else:
                writer.write(said.encode())
                await writer.drain()
        writer.close()


@contextlib.asynccontextmanager
async def receiver(answers: Callable[[Received], str | None] | None = None) -> AsyncIterator[Receiver]:
    one = Receiver()
    if answers is not None:
        one.answers = answers
    server = await asyncio.start_server(one.take, "127.0.0.1", 0)
    one.port = server.sockets[0].getsockname()[1]
    async with server:
        yield one
