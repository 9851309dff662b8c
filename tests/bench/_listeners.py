"""A thousand programs at their sockets, each in a conversation of its own or of up to five: from an event in Redis to
each of them, at 200 events a second, and one a second to all.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import statistics
import time
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import redis.asyncio
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed

from tests.conftest import RedisServer
from tests.listening import SETTINGS, token
from tests.procfs import cpu_s
from tests.stand import Stand
from tests.tabs import memory

PREFIX, QUEUE, TO_ALL = "bull", "chat", "all-hands"
SOCKETS = int(os.environ.get("SOCKETS", "1000"))
PER_S = 200
#: What is still on its way at the end is waited for.
LAST_S = 20.0
MB = 2**20


def measure(server: RedisServer, folder: Path, seconds: float) -> None:
    """Prints what was promised beside it: p95 at most 500 ms, at most 300 MB."""
    stand = Stand(folder, server.url, PREFIX, STAND_TORIL=json.dumps(SETTINGS), TORIL_DEMO="0")
    try:
        stand.web()
        idle = memory(stand)
        late, sent, load = asyncio.run(_drive(stand, server, seconds))
        held = memory(stand)
    finally:
        stand.close()
    told = statistics.quantiles(late, n=20)
    print(
        f"{f'{SOCKETS} programs, {PER_S} events/s, 1/s to all':44} {statistics.median(late):7.0f} {told[-1]:7.0f}"
        f" {max(late):7.0f}   {held / MB:.0f} MB ({idle / MB:.0f} MB before), {100 * load:.0f} % CPU,"
        f" {len(late):,} of {sent:,} messages (promised: p95 ≤ 500 ms, ≤ 300 MB)"
    )


async def _drive(stand: Stand, server: RedisServer, seconds: float) -> tuple[list[float], int, float]:
    """Latencies in ms, how many messages there should be, and which share of a core the web took for them."""
    sizes = _sizes()
    async with AsyncExitStack() as stack, redis.asyncio.Redis(port=server.port) as client:
        await _plant(client, len(sizes))
        members = [conversation for conversation, size in enumerate(sizes) for _ in range(size)]
        opened: list[ClientConnection] = []
        for at in range(0, len(members), 25):
            some = [_join(stand, stack, number, members[number]) for number in range(at, min(at + 25, len(members)))]
            opened += await asyncio.gather(*some)
        late: list[float] = []
        reading = [asyncio.create_task(_read(ws, late)) for ws in opened]
        cpu, began = _cpu(stand), time.monotonic()
        sent = await _tell(client, sizes, seconds)
        while len(late) < sent and time.monotonic() - began < seconds + LAST_S:  # noqa: ASYNC110
            await asyncio.sleep(0.1)
        load = (_cpu(stand) - cpu) / (time.monotonic() - began)
        for task in reading:
            task.cancel()
        await asyncio.gather(*reading)
    return late, sent, load


def _sizes() -> list[int]:
    """How many listen to each conversation: one to five, all of them together as many as there are sockets."""
    sizes: list[int] = []
    while (left := SOCKETS - sum(sizes)) > 0:
        sizes.append(min(left, 1 + len(sizes) % 5))
    return sizes


async def _plant(client: redis.asyncio.Redis, conversations: int) -> None:
    for name in (QUEUE, TO_ALL):
        await client.hset(f"{PREFIX}:{name}:meta", "version", "bullmq:6.7.0")
    for number in range(conversations):
        data = json.dumps({"conversationId": f"c{number}", "userId": f"u{number}", "message": "x" * 300})
        job = {"name": "talk", "data": data, "timestamp": int(time.time() * 1000)}
        await client.hset(f"{PREFIX}:{QUEUE}:{number}", mapping=job)


async def _join(stand: Stand, stack: AsyncExitStack, number: int, conversation: int) -> ClientConnection:
    # Of a service each: who is bound to data of their own would not hear what is told to all.
    bearer = token(f"program-{number}", "https://issuer.test/services")
    address = f"{stand.address.replace('http', 'ws')}/api/ws?token={bearer}"
    ws = await stack.enter_async_context(connect(address, compression=None, open_timeout=120))
    for asked in ({"conversationId": f"c{conversation}"}, {"queue": TO_ALL}):
        await ws.send(json.dumps({"action": "subscribe", **asked}))
        while json.loads(await ws.recv())["type"] != "subscribed":
            pass
    return ws


async def _tell(client: redis.asyncio.Redis, sizes: list[int], seconds: float) -> int:
    began, told, sent = time.monotonic(), 0, 0
    while (now := time.monotonic() - began) < seconds:
        while told < now * PER_S:
            conversation = random.randrange(len(sizes))
            await _event(client, QUEUE, str(conversation))
            told, sent = told + 1, sent + sizes[conversation]
            if told % PER_S == 0:
                await _event(client, TO_ALL, "")
                sent += SOCKETS
        await asyncio.sleep(0.001)
    return sent


async def _event(client: redis.asyncio.Redis, queue: str, job_id: str) -> None:
    job: dict[Any, Any] = {"jobId": job_id} if job_id else {}
    await client.xadd(f"{PREFIX}:{queue}:events", {"event": "bench:told", **job, "at": repr(time.time())})


async def _read(ws: ClientConnection, late: list[float]) -> None:
    try:
        async for said in ws:
            message = json.loads(said)
            if message["type"] == "bench:told":
                late.append((time.time() - float(message["at"])) * 1000)
    except (asyncio.CancelledError, ConnectionClosed):
        # One that was cut off misses messages, and their number says so.
        pass


def _cpu(stand: Stand) -> float:
    return cpu_s(stand.processes["web"].pid)
