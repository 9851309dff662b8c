"""Rate limits and global concurrency: never exceeded, and not a moment wasted."""

from __future__ import annotations

import asyncio

import pytest

from queues import queue
from queues.errors import RateLimitError
from queues.options import Limiter
from queues.worker import engine as engine_module
from tests.eventually import Stopwatch, eventually
from tests.working import Sight, working


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
    watch = Stopwatch()
    async with working(nothing, concurrency=5):
        await sight.until_count("completed", 6)
    assert watch.passed_s >= 0.38
    assert watch.calm_s <= 1.5


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


@pytest.mark.parametrize("limits", [{}, {"limiter": Limiter(max=100, duration_ms=1000)}], ids=["none", "a limiter"])
@pytest.mark.parametrize("options", [{}, {"priority": 3}], ids=["plain", "prioritized"])
async def test_a_processor_may_limit_the_queue_for_all_workers(connection, sight, limits, options):
    """The PyPI Worker knows no RateLimitError: the job fails with bullmq:rateLimitExceeded."""
    runs: list[tuple[str, str]] = []

    async def limit_once(job):
        runs.append((job.data, job.id))
        if len(runs) == 1:
            raise RateLimitError(600)

    await queue("chat").add("x", job_id="first", **options)
    async with (
        working(limit_once, worker_name="one", concurrency=3, **limits),
        working(limit_once, worker_name="two", concurrency=3, **limits),
    ):
        # Not while the processor has raised and Redis has not heard of it.
        await eventually(lambda: runs and sight.client.exists(sight.keys("limiter")))
        await add_many(6, **options)
        await sight.until_count("completed", 7)
    first, *later = sight.started_ms()
    assert min(later) - first >= 599
    assert (sight.job("first")["atm"], sight.job("first")["ats"]) == ("1", "2")
    # Back to its place: it was the first, and is the first again.
    assert [event["jobId"] for event in sight.events("active")][:2] == ["first", "first"]
    assert sight.events("failed") == []
    sight.assert_all_over()


async def test_a_limit_set_by_hand_stops_a_busy_worker_that_has_no_limiter(connection, sight):
    async def short(job):
        await asyncio.sleep(0.01)

    await add_many(400)
    async with working(short, concurrency=2):
        await eventually(lambda: len(sight.ids("completed")) > 10)
        sight.client.set(sight.keys("limiter"), 2**53 - 1, px=700)
        await eventually(lambda: not sight.ids("active"), what="the slots stop taking jobs")
        left = len(sight.ids("wait"))
        assert left > 300
        await eventually(lambda: len(sight.ids("wait")) < left, timeout_s=2)


@pytest.mark.parametrize("error", [RateLimitError(float("nan")), RateLimitError(-5), RateLimitError(0)])
async def test_an_odd_duration_limits_for_no_time_worth_naming(connection, sight, error):
    runs = []

    async def limit_once(job):
        runs.append(job.attempt)
        if len(runs) == 1:
            raise error

    async with working(limit_once):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert runs == [1, 1]


async def test_a_namesake_of_the_rate_limit_error_is_an_error_like_any_other(connection, sight):
    class RateLimitError(Exception):
        pass

    async def fail(job):
        raise RateLimitError("429 from the model's provider")

    async with working(fail):
        added = await queue("chat").add("x")
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"] == "429 from the model's provider"


async def test_a_limited_worker_sleeps_until_the_limit_is_over(connection, sight):
    async def nothing(job):
        return None

    sight.client.set(sight.keys("limiter"), 2**53 - 1, px=1500)
    await add_many(1)
    async with working(nothing, limiter=Limiter(max=5, duration_ms=1000)):
        await eventually(lambda: _calls(sight) > 0)
        await asyncio.sleep(0.3)
        before = _calls(sight)
        await asyncio.sleep(0.8)
        # Neither worker, leases nor marker ask often.
        assert _calls(sight) - before < 10
        await sight.until_count("completed", 1)


async def test_a_queue_that_is_limited_is_not_drained(connection, sight):
    async def nothing(job):
        return None

    for how in ({"limiter": Limiter(max=1, duration_ms=400)}, {}):
        async with working(nothing, **how) as worker:
            (engine,) = worker.engines
            await eventually(lambda engine=engine: engine.is_drained)
            before = engine.last_answer
            sight.client.set(sight.keys("limiter"), 2**53 - 1, px=400)
            await add_many(1)
            await eventually(lambda engine=engine: not engine.is_drained)
            # And not out of touch with Redis, as a probe would think.
            assert engine.last_answer > before
            await eventually(lambda: not sight.ids("wait"), timeout_s=2)
            await eventually(lambda engine=engine: engine.is_drained)


def _calls(sight: Sight) -> int:
    stats = sight.client.info("commandstats")
    return sum(stats.get(f"cmdstat_{name}", {"calls": 0})["calls"] for name in ("evalsha", "bzpopmin"))


async def test_a_worker_that_stops_wakes_another_for_the_place_below_the_global_limit(connection, sight, monkeypatch):
    monkeypatch.setattr(engine_module, "POLL_S", 60.0)
    end = asyncio.Event()

    async def hold(job):
        await end.wait()

    async def nothing(job):
        return None

    sight.client.hset(sight.keys("meta"), "concurrency", 1)
    async with working(hold, worker_name="first") as first:
        one = await queue("chat").add("x")
        await sight.until("active", one.id)
        async with working(nothing, worker_name="second") as second:
            two = await queue("chat").add("y")
            await eventually(lambda: second.engines[0].is_drained)
            first.quiet()
            await asyncio.sleep(0.1)
            end.set()
            await sight.until("completed", one.id)
            await sight.until("completed", two.id)


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
    watch = Stopwatch()
    async with working(hold, concurrency=5), working(hold, concurrency=5):
        await sight.until_count("completed", 10)
    assert most == 2
    assert watch.calm_s < 1.8


@pytest.mark.parametrize("options", [{}, {"priority": 3}])
async def test_jobs_that_retry_at_the_global_limit_wake_somebody(connection, sight, options):
    async def fail_once(job):
        if job.attempt == 1:
            raise ValueError("again")

    sight.client.hset(sight.keys("meta"), "concurrency", 1)
    await add_many(5, attempts=2, **options)
    watch = Stopwatch()
    async with working(fail_once, concurrency=3):
        await sight.until_count("completed", 5)
    assert watch.calm_s < 1.8


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
