"""The dashboard beside the real Bull Board on the same Redis in the same run: time, Redis commands, bytes, paint.

BENCH_FIGURES=overview,tabs,failed,payloads,paint,events picks some; BENCH_ROUNDS (5) says how often what is quick is
measured. Ratios are Bull Board's figure by ours: above 1 we need less.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django
import django.conf
import httpx
import redis

from tests.conftest import RedisServer
from tests.interop.board import BullBoard
from tests.planting import plant_failed
from tests.stand import Stand

PREFIX = "bull"
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "5"))
#: Bull Board's own interval.
POLL_S = 5.0
#: A page shares figures that are younger than this: only requests further apart pay for a reading each.
SHARED_S = 1.05


@dataclass
class Pair:
    """Both boards on one Redis."""

    server: RedisServer
    client: redis.Redis
    stand: Stand
    board: BullBoard
    ours: httpx.Client
    theirs: httpx.Client


@contextmanager
def both(names: Sequence[str], plant: Callable[[redis.Redis], None]) -> Iterator[Pair]:
    with tempfile.TemporaryDirectory() as folder:
        server = RedisServer(Path(folder))
        client = redis.Redis(port=server.port)
        stand = board = None
        try:
            plant(client)
            stand = Stand(Path(folder), server.url, PREFIX)
            stand.web()
            board = BullBoard(server.port, PREFIX, names)
            with closing(stand.signed_in()) as ours, httpx.Client(base_url=board.address, timeout=60) as theirs:
                ours.headers["Accept-Encoding"] = theirs.headers["Accept-Encoding"] = "gzip"
                yield Pair(server, client, stand, board, ours, theirs)
        finally:
            if board:
                board.close()
            if stand:
                stand.close()
            client.close()
            server.stop()


def say(what: str, ours: float, theirs: float | None, unit: str, reach: str = "") -> None:
    beside = (
        f"{theirs:12,.1f} {theirs / ours if ours else float('inf'):9.1f}" if theirs is not None else f"{'–':>12}{'':10}"
    )
    print(f"{what:58}{ours:12,.1f}{beside}  {unit:10} {reach}", flush=True)


def timed(ask: Callable[[], httpx.Response], times: int, every_s: float = 0.0) -> tuple[float, float, int]:
    """Median and p95 in ms, and the bytes that went over the line."""
    ask(), ask()
    took, sizes = [], []
    for _ in range(times):
        time.sleep(every_s)
        began = time.perf_counter()
        answer = ask().raise_for_status()
        took.append((time.perf_counter() - began) * 1000)
        sizes.append(answer.num_bytes_downloaded)
    return statistics.median(took), statistics.quantiles(took, n=20)[-1], int(statistics.median(sizes))


def commands(client: redis.Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])


# --- the overview: 200 queues × 1,000 jobs, 200 connected workers


def overview() -> None:
    names = [f"queue-{n:03}" for n in range(200)]
    with both(names, lambda client: _plant_overview(client, names)) as pair:
        workers = [redis.Redis(port=pair.server.port, client_name=_worker(name)) for name in names]
        others = [redis.Redis(port=pair.server.port) for _ in names]
        for connected in (*workers, *others):
            connected.ping()
        theirs = timed(lambda: pair.theirs.get("/api/queues"), 4 * ROUNDS)
        fresh = timed(lambda: pair.ours.get("/admin/queues/"), 4 * ROUNDS, SHARED_S)
        shared = timed(lambda: pair.ours.get("/admin/queues/"), 8 * ROUNDS)
        data, trips = asyncio.run(_data(pair.server))
        say("overview data alone, read anew each time: median", data, theirs[0], "ms", "≤ 15")
        say("  round trips to Redis for it", trips, None, "", "1")
        say("overview, the whole HTML page, each read anew: median", fresh[0], theirs[0], "ms")
        say("  p95", fresh[1], theirs[1], "ms")
        say("  one right after the other (figures up to 1 s old)", shared[0], theirs[0], "ms")
        say("  bytes sent", fresh[2] / 1000, theirs[2] / 1000, "kB")
        for connected in (*workers, *others):
            connected.close()


def _plant_overview(client: redis.Redis, names: Sequence[str]) -> None:
    for name in names:
        plant_failed(client, PREFIX, name, 300)
        with client.pipeline(transaction=False) as pipe:
            pipe.rpush(f"{PREFIX}:{name}:wait", *[f"w{n}" for n in range(100)])
            pipe.zadd(f"{PREFIX}:{name}:completed", {f"c{n}": n for n in range(600)})
            pipe.hset(f"{PREFIX}:{name}:w99", "timestamp", int(time.time() * 1000) - 90_000_000)
            pipe.execute()


def _worker(queue: str) -> str:
    return f"{PREFIX}:{base64.b64encode(queue.encode()).decode()}"


async def _data(server: RedisServer) -> tuple[float, float]:
    """The reading that all pages share, with workers and server in each: median ms, and writes to Redis per reading."""
    from queues.lookups import snapshot as snapshots
    from queues.protocol import connections

    _connect(server)
    snapshots.SURROUNDINGS_EVERY_S = 0.0
    await snapshots.snapshot()
    wire, writes = connections.wire("default"), 0
    write = wire._write

    def counted(*calls: Any) -> None:
        nonlocal writes
        writes += 1
        write(*calls)

    wire._write = counted  # type: ignore[method-assign]
    took = []
    for _ in range(20 * ROUNDS):
        began = time.perf_counter()
        await snapshots.snapshot(max_age_s=0)
        took.append((time.perf_counter() - began) * 1000)
    await snapshots.forget()
    await connections.close_wires()
    return statistics.median(took), round(writes / len(took), 2)


def _connect(server: RedisServer) -> None:
    from queues.options import reset_options

    django.conf.settings.TORIL = {"CONNECTIONS": {"default": {"URL": server.url, "PREFIX": PREFIX}}}
    reset_options()


# --- open tabs


def tabs() -> None:
    names = ["chat", *(f"queue-{n:03}" for n in range(199))]

    def plant(client: redis.Redis) -> None:
        for name in names:
            client.hset(f"{PREFIX}:{name}:meta", "version", "bullmq:6.7.0")

    with both(names, plant) as pair:
        pair.stand.workers()
        pair.theirs.get("/api/queues")
        before = pair.client.info("commandstats")
        pair.theirs.get("/api/queues").raise_for_status()
        poll = _looked(pair.client) - _looked_in(before)
        one, fifty = (asyncio.run(_watched(pair, count)) for count in (1, 50))
        say("Redis commands a minute, 1 tab, 200 queues, traffic", one, poll * 60 / POLL_S, "")
        say("the same with 50 tabs", fifty, 50 * poll * 60 / POLL_S, "", "as for one")


def _looked(client: redis.Redis) -> int:
    return _looked_in(client.info("commandstats"))


def _looked_in(stats: Any) -> int:
    """Commands that only who looks sends here, those inside scripts included; workers and producers send others."""
    names = "xread time hmget llen zcard sort_ro lindex pttl scan info client|list hgetall zrange".split()
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in names)


async def _watched(pair: Pair, count: int, seconds: float = 20.0) -> float:
    from tests.bench.live import _work

    async with AsyncExitStack() as stack:
        await _open(stack, pair, count, "/admin/queues/live")
        await _work(pair.server, 5, 2)
        before, began = _looked(pair.client), time.monotonic()
        await _work(pair.server, 5, seconds)
        return (_looked(pair.client) - before) * 60 / (time.monotonic() - began)


async def _open(stack: AsyncExitStack, pair: Pair, count: int, path: str) -> list[Any]:
    from websockets.asyncio.client import connect

    cookies = "; ".join(f"{name}={value}" for name, value in pair.ours.cookies.items())
    address = pair.stand.address.replace("http", "ws") + path
    more: Any = {"additional_headers": {"Cookie": cookies}, "origin": pair.stand.address, "max_size": None}
    return [await stack.enter_async_context(connect(address, **more)) for _ in range(count)]


# --- lists


def failed() -> None:
    names = [f"queue-{n}" for n in range(5)]

    def plant(client: redis.Redis) -> None:
        # All ids, and the hashes of the pages that are read: no other is looked at by either board.
        for name in names:
            plant_failed(client, PREFIX, name, 200, stacktrace=json.dumps(["Error: no answer\n" + "  at line\n" * 10]))
            for at in range(200, 200_000, 10_000):
                ids = {str(n): 1_000 + n for n in range(at, min(at + 10_000, 200_000))}
                client.zadd(f"{PREFIX}:{name}:failed", ids)

    with both(names, plant) as pair:
        for page in (1, 4_000, 8_000):
            listing = f"/api/queues?activeQueue=queue-1&status=failed&jobsPerPage=25&page={page}"
            theirs = timed(lambda listing=listing: pair.theirs.get(listing), 8 * ROUNDS)
            path = f"/admin/queues/queue/queue-1?status=failed&jobsPerPage=25&page={page}"
            ours = timed(lambda path=path: pair.ours.get(path), 8 * ROUNDS)
            say(f"failed page {page:,} of 25, 5 queues × 200,000: HTML, JSON", ours[0], theirs[0], "ms", "≤ 25")


def payloads() -> None:
    names = [f"queue-{n}" for n in range(3)]

    def plant(client: redis.Redis) -> None:
        for name in names:
            plant_failed(client, PREFIX, name, 60, data=json.dumps({"blob": "x" * 1_000_000}))

    with both(names, plant) as pair:
        theirs = timed(
            lambda: pair.theirs.get("/api/queues?activeQueue=queue-1&status=failed&jobsPerPage=10&page=1"), 6
        )
        ours = timed(lambda: pair.ours.get("/admin/queues/queue/queue-1?status=failed&jobsPerPage=10"), 6)
        say("list of 10 jobs with 1 MB each: bytes sent", ours[2] / 1000, theirs[2] / 1000, "kB", "≤ 150")
        say("  median", ours[0], theirs[0], "ms")


# --- what a browser sees


def paint() -> None:
    from playwright.sync_api import sync_playwright

    from tests.browser.conftest import LAUNCH_ARGUMENTS
    from tests.services import require_browser

    names = [f"queue-{n:03}" for n in range(200)]
    with both(names, lambda client: _plant_overview(client, names)) as pair, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=require_browser(), args=LAUNCH_ARGUMENTS)
        cookies = [{"name": n, "value": v, "url": pair.stand.address} for n, v in pair.ours.cookies.items()]
        ours = [_painted(browser, pair.stand.address + "/admin/queues/", cookies) for _ in range(ROUNDS)]
        theirs = [_painted(browser, pair.board.address + "/", []) for _ in range(ROUNDS)]
        browser.close()
        for at, (what, unit, reach) in enumerate(
            (
                ("first contentful paint, cold, 200 queues", "ms", "≤ half"),
                ("  until the queues are there", "ms", ""),
                ("JavaScript sent", "kB", "≤ 80"),
                ("everything sent", "kB", ""),
            )
        ):
            say(what, *(statistics.median(run[at] for run in runs) for runs in (ours, theirs)), unit, reach)


def _painted(browser: Any, address: str, cookies: list[Any]) -> tuple[float, float, float, float]:
    context = browser.new_context(viewport={"width": 1400, "height": 1000})
    context.add_cookies(cookies)
    page = context.new_page()
    page.goto(address)
    page.get_by_text("queue-001").first.wait_for()
    told = page.evaluate(
        """() => {
        const entries = [...performance.getEntriesByType("resource"), ...performance.getEntriesByType("navigation")];
        const sent = (list) => list.reduce((sum, entry) => sum + entry.encodedBodySize, 0) / 1000;
        return [performance.getEntriesByName("first-contentful-paint")[0].startTime, performance.now(),
                sent(entries.filter((entry) => entry.initiatorType === "script")), sent(entries)];
    }"""
    )
    context.close()
    return tuple(told)


# --- from an event to the screen


def events() -> None:
    names = ["chat", *(f"queue-{n:03}" for n in range(20))]

    def plant(client: redis.Redis) -> None:
        for name in names:
            client.hset(f"{PREFIX}:{name}:meta", "version", "bullmq:6.7.0")

    with both(names, plant) as pair:
        pair.stand.workers()
        late = asyncio.run(_late(pair))
        say("a job’s end to the screen, 200 viewers: median", statistics.median(late), POLL_S * 500, "ms")
        say("  p95", statistics.quantiles(late, n=20)[-1], POLL_S * 950, "ms", "≤ 400")


async def _late(pair: Pair) -> list[float]:
    from tests.bench.live import _latencies, _shown, _work

    async with AsyncExitStack() as stack:
        opened = await _open(stack, pair, 200, "/admin/queues/live?queue=chat")
        # Read from the start: a push that waits in a socket for its reader would count as late.
        seen = [asyncio.create_task(_shown(tab)) for tab in opened]
        await _work(pair.server, 20, 1)
        await asyncio.sleep(1)
        since_ms = time.time() * 1000
        await _work(pair.server, 2, 15)
        await asyncio.sleep(1)
        for task in seen:
            task.cancel()
        shown = [found for found in await asyncio.gather(*seen, return_exceptions=True) if isinstance(found, list)]
    return sorted(ms for each in shown for ms in _latencies(pair.client, each, since_ms))


FIGURES: dict[str, Callable[[], None]] = {
    "overview": overview,
    "tabs": tabs,
    "failed": failed,
    "payloads": payloads,
    "paint": paint,
    "events": events,
}


def main() -> None:
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
    print(f"{'':58}{'Toril':>12}{'Bull Board':>12}{'ratio':>10}")
    for name in os.environ.get("BENCH_FIGURES", ",".join(FIGURES)).split(","):
        FIGURES[name]()
    print(f"load {os.getloadavg()[0]:.1f} at the end")


if __name__ == "__main__":
    main()
