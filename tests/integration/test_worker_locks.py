"""Locks: kept while a job runs, whatever its processor does to the loop; where one is lost, nothing is overwritten."""

from __future__ import annotations

import asyncio
import contextlib
import threading
import time
from collections import Counter
from collections.abc import Iterator

import pytest

from queues import queue
from queues.options import QueueOptions
from queues.processors import Registry
from queues.protocol.blocking import close_blocking
from queues.protocol.keys import Keys
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob
from queues.worker.aside import Aside
from queues.worker.leases import Leases
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import eventually, eventually_sync
from tests.working import Sight, working

QUICK = {"lock_duration_ms": 1_000, "stalled_interval_ms": 400}


@contextlib.contextmanager
def rival(function, after_s: float = 0.0, **options) -> Iterator[None]:
    """A second worker in a thread and loop of its own, so that it goes on when the test's loop is blocked."""
    registry, stop, started = Registry(), threading.Event(), threading.Event()
    registry.processor("chat")(function)

    async def run() -> None:
        started.set()
        await asyncio.sleep(after_s)
        worker = Worker([QueuePlan("chat", registry.of("chat"), QueueOptions(**options))], name="rival")
        worker.start()
        await asyncio.to_thread(stop.wait)
        await worker.stop(1)

    thread = threading.Thread(target=lambda: asyncio.run(run()))
    thread.start()
    started.wait(5)
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_processor_that_blocks_for_longer_than_its_lock_keeps_its_job(connection, sight, kind):
    runs: Counter[str] = Counter()

    def block(job):
        runs[job.id] += 1
        time.sleep(2.5)

    async def block_the_loop(job):
        block(job)

    async def quick(job):
        runs[job.id] += 1

    async with working(block_the_loop if kind == "async" else block, concurrency=3, **QUICK):
        with rival(quick, after_s=0.5, **QUICK):
            # The first blocks at once; what was fetched meanwhile lies unread in the socket, and the rival looks on.
            await asyncio.to_thread(lambda: [queue("chat").sync.add("x") for _ in range(4)])
            await sight.until_count("completed", 4, timeout_s=20)
    close_blocking()
    assert runs == {"1": 1, "2": 1, "3": 1, "4": 1}
    assert sight.events("stalled") == []


async def test_a_job_of_a_dead_worker_is_put_back_and_run_again(connection, sight):
    async def note(job):
        return "rescued"

    added = await queue("chat").add("x")
    # A worker that took the job and vanished: active, its lock over soon.
    sight.client.lmove(sight.keys("wait"), sight.keys("active"), "RIGHT", "LEFT")
    sight.client.set(sight.keys.lock(added.id), "dead:1", px=200)
    async with working(note, **QUICK):
        await sight.until("completed", added.id, timeout_s=5)
    assert sight.job(added.id)["stc"] == "1"
    assert [event["jobId"] for event in sight.events("stalled")] == [added.id]


async def test_a_job_that_stalls_too_often_fails_with_that_reason(connection, sight):
    ran = []

    async def note(job):
        ran.append(job.id)

    added = await queue("chat").add("x")
    sight.client.lmove(sight.keys("wait"), sight.keys("active"), "RIGHT", "LEFT")
    sight.client.hset(sight.keys.job(added.id), "stc", 1)
    async with working(note, max_stalled_count=1, **QUICK):
        await sight.until("failed", added.id, timeout_s=5)
    assert ran == []
    assert sight.job(added.id)["failedReason"] == "job stalled more than allowable limit"


async def test_an_outcome_is_refused_when_another_worker_holds_the_lock(connection, sight, caplog):
    go_on = asyncio.Event()

    async def hold(job):
        await go_on.wait()
        return "mine"

    async with working(hold):
        added = await queue("chat").add("x")
        await sight.until("active", added.id)
        sight.client.set(sight.keys.lock(added.id), "other:1")
        go_on.set()
        await eventually(lambda: "another worker holds its lock" in caplog.text)
        good = await queue("chat").add("y")
        await sight.until("completed", good.id)
    assert "returnvalue" not in sight.job(added.id)
    assert sight.client.get(sight.keys.lock(added.id)) == b"other:1"


async def test_a_job_that_came_back_to_the_same_worker_keeps_its_second_lock(connection, sight, caplog):
    """The first run is still under way; its end must not take away the second's lock."""
    runs = []
    first_ends, second_ends = asyncio.Event(), asyncio.Event()

    async def hold(job):
        runs.append(job.id)
        await (first_ends if len(runs) == 1 else second_ends).wait()
        return len(runs)

    async with working(hold, concurrency=2, **QUICK):
        added = await queue("chat").add("x")
        await eventually(lambda: len(runs) == 1)
        sight.client.delete(sight.keys.lock(added.id))
        await eventually(lambda: len(runs) == 2)
        first_ends.set()
        await eventually(lambda: "not stored" in caplog.text)
        await asyncio.sleep(2.2)
        assert sight.client.exists(sight.keys.lock(added.id))
        second_ends.set()
        await sight.until("completed", added.id)
    assert len(runs) == 2


async def test_of_two_locks_on_one_job_that_fall_due_together_the_one_that_is_ours_is_kept(connection, sight, prefix):
    lost, dead = [], []
    commands = RunningCommands(Keys(prefix, "chat"), name="tester", lock_ms=600)
    aside = Aside(connection, dead.append)
    leases = Leases(aside, "me", lambda token, taken: lost.append(token))
    sight.client.set(sight.keys.lock("1"), "me:2", px=600)
    for token in ("me:1", "me:2"):
        leases.hold(commands, TakenJob(b"1", {}), token)
    aside.add("leases", lambda: leases.keep([commands]))
    aside.start()
    await eventually(lambda: lost)
    await asyncio.sleep(0.8)
    assert sight.client.get(sight.keys.lock("1")) == b"me:2"
    await aside.stop()
    assert (lost, dead) == (["me:1"], [])


async def test_news_of_the_slots_job_before_does_not_end_the_one_that_runs_now(connection, sight):
    """It was finished while the loop stood still; its lock was gone, and the slot went on under the same token."""
    go_on = asyncio.Event()

    async def hold(job):
        await go_on.wait()

    async with working(hold) as worker:
        added = await queue("chat").add("x")
        (token,) = await eventually(lambda: list(worker.engines[0].running))
        worker._lock_lost(token, TakenJob(b"before", {}))
        go_on.set()
        await sight.until("completed", added.id)


async def test_a_lost_lock_is_told_once_while_the_job_runs(connection, sight, caplog):
    go_on = asyncio.Event()

    async def hold(job):
        await go_on.wait()

    async with working(hold, **QUICK):
        added = await queue("chat").add("x")
        await sight.until("active", added.id)
        sight.client.delete(sight.keys.lock(added.id))
        await eventually(lambda: "lost the lock" in caplog.text)
        go_on.set()
        await eventually(lambda: "not stored" in caplog.text)
    assert caplog.text.count("lost the lock") == 1


@pytest.mark.parametrize("kind", ["async", "thread"])
async def test_a_processor_hears_that_its_lock_is_lost(connection, sight, caplog, kind):
    heard = []

    def in_thread(job):
        while not job.cancelled:
            time.sleep(0.01)
        heard.append(job.id)

    async def on_loop(job):
        try:
            await asyncio.sleep(60)
        finally:
            heard.append(job.id)

    async with working(on_loop if kind == "async" else in_thread, lock_duration_ms=1_000, stalled_interval_ms=60_000):
        added = await queue("chat").add("x", attempts=3)
        await sight.until("active", added.id)
        sight.client.set(sight.keys.lock(added.id), "other:1")
        await eventually(lambda: "not stored" in caplog.text)
    assert heard == [added.id]
    assert sight.ids("active") == [added.id]
    assert "failedReason" not in sight.job(added.id)


async def test_a_lock_is_renewed_before_two_thirds_of_it_are_over(connection, sight):
    lowest = []

    async def hold(job):
        until = time.monotonic() + 1.5
        while time.monotonic() < until:
            lowest.append(sight.client.pttl(sight.keys.lock(job.id)))
            await asyncio.sleep(0.01)

    async with working(hold, lock_duration_ms=600):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert min(lowest) > 200


async def test_locks_of_many_jobs_in_several_queues_are_renewed(connection, client_of_redis, prefix):
    end = asyncio.Event()

    async def hold(job):
        await end.wait()

    async with (
        working(hold, "one", concurrency=20, **QUICK),
        working(hold, "two", concurrency=20, **QUICK),
    ):
        sights = [Sight(client_of_redis, prefix, name) for name in ("one", "two")]
        await asyncio.gather(*(queue(name).add("x") for name in ("one", "two") for _ in range(20)))
        for sight in sights:
            await sight.until_count("active", 20)
        await asyncio.sleep(2.2)
        end.set()
        for sight in sights:
            await sight.until_count("completed", 20)
            assert sight.events("stalled") == []


def test_the_thread_beside_the_loop_ends_with_its_worker(connection, redis_server):
    async def nothing(job):
        return None

    with rival(nothing):
        eventually_sync(lambda: [thread for thread in threading.enumerate() if thread.name == "aside"])
    eventually_sync(lambda: not [thread for thread in threading.enumerate() if thread.name == "aside"])


async def test_a_duty_that_is_slow_to_leave_is_no_death(connection, monkeypatch):
    monkeypatch.setattr("queues.worker.aside.LEAVE_S", 0.1)
    deaths, has_begun = [], threading.Event()

    async def slow() -> None:
        has_begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(1)

    beside = Aside(connection, deaths.append)
    beside.add("slow", slow)
    beside.start()
    await eventually(has_begun.is_set)
    await beside.stop()
    await beside.stop()
    # What it told is heard in the loop's next turn.
    await asyncio.sleep(0)
    assert deaths == []
