"""The sample traffic against a real Redis: it flows, it stops at full queues, and it outlives an outage."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
import redis

from queues.options import reset_options
from queues.protocol import reads
from queues.states import State
from queues.systems.settings import QUEUES
from queues.systems.traffic import MOST_KEPT, MOST_WAITING, Traffic
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually

UNFINISHED = ("waiting", "prioritized", "delayed", "waiting-children")


@pytest.fixture
def systems(connection: str, settings) -> str:
    settings.TORIL = {**settings.TORIL, "QUEUES": QUEUES}
    reset_options()
    return connection


@pytest.fixture
def fragile(own_redis: RedisServer, prefix: str, settings) -> Iterator[RedisServer]:
    """The same queues on a server that may be stopped."""
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}, "QUEUES": QUEUES}
    reset_options()
    yield own_redis
    reset_options()


@asynccontextmanager
async def running(traffic: Traffic, burst: int = 0) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(traffic.run(stop, burst))
    try:
        yield
    finally:
        stop.set()
        await asyncio.wait_for(task, 5)


async def unfinished() -> dict[str, int]:
    facts = await reads.queue_facts("default", list(QUEUES))
    return {each.name: sum(each.counts.get(state, 0) for state in UNFINISHED) for each in facts}


async def test_a_burst_arrives_in_the_queues_with_their_settings(systems: str) -> None:
    traffic = Traffic(rate=0, seed=1)
    async with running(traffic, burst=100):
        await eventually(lambda: traffic.added >= 100)
    assert sum((await unfinished()).values()) == traffic.added
    row = (await reads.job_page(systems, "ai-jobs", State.WAITING, 0, 1)).rows[0]
    assert json.loads(row.record.opts)["attempts"] == 3


async def test_jobs_come_at_about_the_rate_that_was_asked_for(systems: str) -> None:
    traffic = Traffic(rate=100, seed=1)
    began = time.monotonic()
    async with running(traffic):
        await eventually(lambda: traffic.added >= 200, timeout_s=20)
    assert time.monotonic() - began > 0.7


async def test_scans_keep_their_own_ids_and_premium_ones_run_first(systems: str) -> None:
    async with running(Traffic(rate=0, seed=1), burst=400):
        await eventually(unfinished_scans)
    page = await reads.job_page(systems, "scan", State.PRIORITIZED, 0, 100)
    ids = [row.record.id for row in page.rows]
    plans = [json.loads(fields[b"data"])["plan"] for fields in await reads.job_fields(systems, "scan", ids, ["data"])]
    assert all(job_id.startswith("scan-") for job_id in ids)
    assert plans == sorted(plans)
    assert set(plans) == {"premium", "standard"}


async def unfinished_scans() -> bool:
    return (await unfinished())["scan"] >= 10


async def test_a_full_queue_gets_no_more_jobs(systems: str) -> None:
    traffic = Traffic(rate=1_000, seed=1)
    async with running(traffic, burst=3_000):
        await eventually(at_the_bound, timeout_s=20)
        count = traffic.added
        await eventually(lambda: traffic.added > count, what="the others still get theirs")
    assert max((await unfinished()).values()) == MOST_WAITING


async def at_the_bound() -> bool:
    return (await unfinished())["ai-jobs"] == MOST_WAITING


async def test_a_queue_that_keeps_too_many_finished_jobs_gets_no_more(
    systems: str, client_of_redis: redis.Redis, prefix: str
) -> None:
    client_of_redis.zadd(f"{prefix}:ai-jobs:failed", {f"old-{number}": number for number in range(MOST_KEPT)})
    traffic = Traffic(rate=0, seed=1)
    async with running(traffic, burst=100):
        await eventually(lambda: traffic.added >= 40)
    assert (await unfinished())["ai-jobs"] == 0


async def test_an_outage_is_said_waited_out_and_ended(fragile: RedisServer) -> None:
    said: list[str] = []
    traffic = Traffic(rate=50, seed=1, say=said.append)
    async with running(traffic):
        await eventually(lambda: traffic.added > 0)
        fragile.stop()
        await eventually(lambda: any("Trying again in 1 s" in sentence for sentence in said))
        fragile.start()
        await eventually(lambda: "Redis takes jobs again." in said, timeout_s=15)
        count = traffic.added
        await eventually(lambda: traffic.added > count)
    assert len(said) < 10


async def test_it_ends_at_once_while_redis_is_away(fragile: RedisServer) -> None:
    fragile.stop()
    said: list[str] = []
    async with running(Traffic(rate=50, say=said.append)):
        await eventually(lambda: said)
        watch = Stopwatch()
    assert watch.calm_s < 2.5
