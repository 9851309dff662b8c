"""Rate limits and global concurrency: never exceeded, and not a moment wasted."""

from __future__ import annotations

import asyncio
import time

import pytest

from queues import queue
from queues.options import Limiter
from tests.eventually import eventually
from tests.working import Sight, working


@pytest.fixture
def sight(client_of_redis, prefix) -> Sight:
    return Sight(client_of_redis, prefix)


async def add_many(count: int, **options) -> None:
    await asyncio.gather(*(queue("chat").add("x", **options) for _ in range(count)))


def windows(duration_ms: int, starts: list[int]) -> list[int]:
    """How many jobs started in each window as BullMQ counts them: opened by its first job, of fixed length."""
    counts: list[int] = []
    opened = float("-inf")
    for start in sorted(starts):
        # Redis's clock is told in whole milliseconds, and an expiry comes up to one of them late.
        if start >= opened + duration_ms - 1:
            opened = start
            counts.append(0)
        counts[-1] += 1
    return counts


async def test_a_workers_rate_limit_is_kept_and_used(connection, sight):
    async def nothing(job):
        return None

    await add_many(25)
    async with working(nothing, concurrency=10, limiter=Limiter(max=5, duration_ms=200)):
        await sight.until_count("completed", 25)
    assert windows(200, sight.started_ms()) == [5] * 5


async def test_two_workers_share_a_rate_limit(connection, sight):
    async def nothing(job):
        return None

    await add_many(12)
    limiter = Limiter(max=3, duration_ms=150)
    async with working(nothing, concurrency=5, limiter=limiter), working(nothing, concurrency=5, limiter=limiter):
        await sight.until_count("completed", 12)
    assert windows(150, sight.started_ms()) == [3] * 4


async def test_the_queues_own_rate_limit_in_redis_goes_before_the_workers(connection, sight):
    async def nothing(job):
        return None

    sight.client.hset(sight.keys("meta"), mapping={"max": 2, "duration": 200})
    await add_many(6)
    started = time.monotonic()
    async with working(nothing, concurrency=5):
        await sight.until_count("completed", 6)
    assert 0.38 <= time.monotonic() - started <= 1.5


async def test_a_limited_worker_promotes_what_falls_due(connection, sight):
    async def nothing(job):
        return None

    async with working(nothing, limiter=Limiter(max=1, duration_ms=400)):
        await queue("chat").add("x")
        await queue("chat").add("y", delay_ms=50)
        await sight.until_count("completed", 2, timeout_s=2)


async def test_a_rate_limit_that_is_lifted_early_is_noticed(connection, sight):
    async def nothing(job):
        return None

    sight.client.set(sight.keys("limiter"), 2**53 - 1, px=3_600_000)
    async with working(nothing, limiter=Limiter(max=5, duration_ms=1000)):
        await queue("chat").add("x")
        await asyncio.sleep(0.1)
        assert sight.ids("completed") == []
        sight.client.delete(sight.keys("limiter"))
        await sight.until_count("completed", 1, timeout_s=7)


async def test_global_concurrency_is_kept_without_waiting_for_polls(connection, sight):
    running, most = 0, 0

    async def hold(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.05)
        running -= 1

    sight.client.hset(sight.keys("meta"), "concurrency", 2)
    await add_many(10)
    started = time.monotonic()
    async with working(hold, concurrency=5), working(hold, concurrency=5):
        await sight.until_count("completed", 10)
    assert most == 2
    assert time.monotonic() - started < 1.8


@pytest.mark.parametrize("options", [{}, {"priority": 3}])
async def test_jobs_that_retry_at_the_global_limit_wake_somebody(connection, sight, options):
    async def fail_once(job):
        if job.attempt == 1:
            raise ValueError("again")

    sight.client.hset(sight.keys("meta"), "concurrency", 1)
    await add_many(5, attempts=2, **options)
    started = time.monotonic()
    async with working(fail_once, concurrency=3):
        await sight.until_count("completed", 5)
    assert time.monotonic() - started < 1.8


async def test_a_higher_global_limit_is_noticed(connection, sight):
    running = 0
    end = asyncio.Event()

    async def hold(job):
        nonlocal running
        running += 1
        await end.wait()

    sight.client.hset(sight.keys("meta"), "concurrency", 1)
    await add_many(3)
    async with working(hold, concurrency=3):
        await eventually(lambda: running == 1)
        sight.client.hset(sight.keys("meta"), "concurrency", 3)
        await eventually(lambda: running == 3, timeout_s=4)
        end.set()
        await sight.until_count("completed", 3)


async def test_a_lost_marker_costs_one_poll_at_most(connection, sight):
    async def nothing(job):
        return None

    async with working(nothing):
        await eventually(lambda: [c for c in sight.client.client_list() if c["cmd"] == "bzpopmin"])
        # As if another had taken the marker and died: a job waits, nobody is told.
        added = await queue("chat").add("x", delay_ms=3_600_000)
        with sight.client.pipeline() as pipe:
            pipe.zrem(sight.keys("delayed"), added.id)
            pipe.delete(sight.keys("marker"))
            pipe.lpush(sight.keys("wait"), added.id)
            pipe.execute()
        await sight.until("completed", added.id, timeout_s=3)


async def test_a_full_worker_leaves_the_marker_to_others(connection, sight):
    end = asyncio.Event()
    ran = []

    async def hold(job):
        ran.append(("first", job.id))
        await end.wait()

    async def note(job):
        ran.append(("second", job.id))

    async with working(hold, worker_name="first"):
        one = await queue("chat").add("x")
        await eventually(lambda: ran)
        async with working(note, worker_name="second"):
            two = await queue("chat").add("y")
            await sight.until("completed", two.id, timeout_s=1)
        end.set()
        await sight.until("completed", one.id)
    assert ran == [("first", one.id), ("second", two.id)]


async def test_a_marker_heard_by_a_full_worker_is_put_back(connection, sight):
    started, end = asyncio.Event(), asyncio.Event()

    async def hold(job):
        started.set()
        await end.wait()

    async with working(hold):
        # Taken when its time has come, while the worker still listens: what it then hears is meant for others.
        await queue("chat").add("x", delay_ms=300)
        await started.wait()
        await eventually(lambda: sight.client.exists(sight.keys("marker")), timeout_s=1)
        end.set()
