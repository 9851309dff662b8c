"""From a job finishing to the number on the socket, and what open tabs cost Redis; beside Bull Board's polling. And
from an event to the programs that listen."""

from __future__ import annotations

import asyncio
import bisect
import logging
import os
import random
import statistics
import tempfile
import time
from contextlib import AsyncExitStack, closing
from pathlib import Path
from typing import Any

import django
import django.conf
import httpx
import redis
from websockets.asyncio.client import connect

from tests.bench import _listeners
from tests.conftest import RedisServer
from tests.interop.board import BullBoard
from tests.procfs import cpu_s
from tests.stand import Stand

PREFIX = "bull"
SECONDS = 15.0
#: other queues, tabs, jobs per second.
SCENARIOS = ((20, 1, 2), (20, 50, 2), (20, 50, 100), (500, 50, 20))
#: Bull Board's own interval; each of its tabs asks by itself.
POLL_S = 5.0


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    logging.getLogger("httpx").setLevel(logging.WARNING)
    print(f"{'':44}  median     p95     max   Redis commands/s   web CPU   (ms from finishedOn to the socket)")
    for scenario in SCENARIOS:
        with tempfile.TemporaryDirectory() as folder:
            server = RedisServer(Path(folder))
            try:
                asyncio.run(_measure(server, Path(folder), *scenario))
            finally:
                server.stop()
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        try:
            _listeners.measure(server, Path(folder), SECONDS)
        finally:
            server.stop()


async def _measure(server: RedisServer, folder: Path, others: int, tabs: int, rate: int) -> None:
    names = [f"queue-{n:03}" for n in range(others)]
    with redis.Redis(port=server.port) as client:
        for name in names:
            client.hset(f"{PREFIX}:{name}:meta", "version", "bullmq:6.7.0")
        stand = Stand(folder, server.url, PREFIX)
        try:
            stand.web()
            stand.workers()
            await _drive(stand, server, client, f"{others} queues, {tabs} tabs, {rate} jobs/s", tabs, rate)
        except AssertionError:
            print(stand.log("web")[-2000:])
            raise
        finally:
            stand.close()
        _beside(BullBoard(server.port, PREFIX, [*names, "chat"]), client, tabs)


async def _drive(stand: Stand, server: RedisServer, client: redis.Redis, title: str, tabs: int, rate: int) -> None:
    async with AsyncExitStack() as stack:
        ana = stack.enter_context(closing(stand.signed_in()))
        cookies = "; ".join(f"{name}={value}" for name, value in ana.cookies.items())
        address = stand.address.replace("http", "ws") + "/admin/queues/live?queue=chat"
        opened = [
            await stack.enter_async_context(
                connect(address, additional_headers={"Cookie": cookies}, origin=stand.address, max_size=None)
            )
            for _ in range(tabs)
        ]
        await _work(server, 20, 1)
        seen = [asyncio.create_task(_shown(tab)) for tab in opened]
        cpu, began, before = _cpu(stand), time.monotonic(), _reads(client)
        await _work(server, rate, SECONDS)
        spent, load, asked = time.monotonic() - began, _cpu(stand) - cpu, _reads(client) - before
        await asyncio.sleep(1)
        for task in seen:
            task.cancel()
        shown = [found for found in await asyncio.gather(*seen, return_exceptions=True) if isinstance(found, list)]
    late = sorted(ms for each in shown for ms in _latencies(client, each))
    told = statistics.quantiles(late, n=20)
    print(
        f"{title:44} {statistics.median(late):7.0f} {told[-1]:7.0f} {late[-1]:7.0f} {asked / spent:13.1f}"
        f" {100 * load / spent:13.0f} %"
    )


async def _work(server: RedisServer, rate: float, seconds: float) -> None:
    """Add jobs at this mean rate, at random moments; real workers of the stand finish them."""
    from queues.options import reset_options
    from queues.protocol import connections
    from tests.planting import plant_waiting

    django.conf.settings.TORIL = {"CONNECTIONS": {"default": {"URL": server.url, "PREFIX": PREFIX}}}
    reset_options()
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        await plant_waiting("default", "chat")
        await asyncio.sleep(random.expovariate(rate))
    await connections.close_wires()


async def _shown(tab: Any) -> list[tuple[float, int]]:
    """(moment, number of completed jobs) of each push, until it is cancelled."""
    found: list[tuple[float, int]] = []
    try:
        async for message in tab:
            at = time.time() * 1000
            _, mark, rest = str(message).partition('id="count__chat__completed"')
            if mark:
                found.append((at, int(rest.split('data-value="')[1].split('"')[0])))
    except asyncio.CancelledError:
        pass
    return found


def _latencies(client: redis.Redis, shown: list[tuple[float, int]], since_ms: float = 0.0) -> list[float]:
    """For each job that finished while watched, from that moment on: when a screen first counted it, less when it
    finished.
    """
    finished = [score for _, score in client.zrange(f"{PREFIX}:chat:completed", 0, -1, withscores=True)]
    counts = [count for _, count in shown]
    return [
        shown[place][0] - at
        for number, at in enumerate(finished, 1)
        if number > counts[0] and at >= since_ms and (place := bisect.bisect_left(counts, number)) < len(counts)
    ]


def _reads(client: redis.Redis) -> int:
    """Commands that only a looking web process sends here; workers and producers send others."""
    stats: Any = client.info("commandstats")
    names = ("xread", "time", "hmget", "llen", "zcard", "lindex", "pttl", "scan", "info", "client|list")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in names)


def _cpu(stand: Stand) -> float:
    return cpu_s(stand.processes["web"].pid)


def _beside(board: BullBoard, client: redis.Redis, tabs: int) -> None:
    try:
        with httpx.Client(base_url=board.address, timeout=30) as theirs:
            theirs.get("/api/queues")
            before = client.info("stats")["total_commands_processed"]
            began = time.perf_counter()
            theirs.get("/api/queues").raise_for_status()
            took_ms = (time.perf_counter() - began) * 1000
            commands = client.info("stats")["total_commands_processed"] - before - 1
    finally:
        board.close()
    print(
        f"{'Bull Board, each tab asks every 5 s':44} {POLL_S * 500 + took_ms:7.0f} {POLL_S * 950 + took_ms:7.0f}"
        f" {POLL_S * 1000 + took_ms:7.0f} {commands * tabs / POLL_S:13.1f}   (latencies from its interval)\n"
    )


if __name__ == "__main__":
    main()
