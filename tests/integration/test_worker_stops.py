"""Stopping: nothing new starts, what runs finishes or goes back, and nothing of the worker is left."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async

from queues import queue
from queues.options import QueueOptions
from queues.processors import Registry
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.eventually import Stopwatch, eventually
from tests.working import Sight, working


def make_worker(function, **options) -> Worker:
    registry = Registry()
    registry.processor("chat")(function)
    return Worker([QueuePlan("chat", registry.of("chat"), QueueOptions(**options))], name="tester")


async def test_running_jobs_finish_and_nothing_new_starts(connection, sight):
    started = []

    async def hold(job):
        started.append(job.id)
        await asyncio.sleep(0.2)

    worker = make_worker(hold, concurrency=5)
    worker.start()
    await asyncio.gather(*(queue("chat").add("x") for _ in range(20)))
    await eventually(lambda: len(started) == 5)
    stopped = await worker.stop(drain_timeout_s=5)
    assert (stopped.unfinished, stopped.stuck) == (0, 0)
    assert len(started) == 5
    assert len(sight.ids("completed")) == 5
    waiting = sight.ids("wait")
    assert len(waiting) == 15
    assert not any("ats" in sight.job(job_id) for job_id in waiting)
    sight.assert_all_over()


async def test_jobs_unfinished_at_the_deadline_go_back_to_the_head_without_an_attempt(connection, sight):
    started, cleaned = [], []

    async def hold(job):
        started.append(job.id)
        try:
            await asyncio.sleep(60)
        finally:
            cleaned.append(job.id)

    worker = make_worker(hold, concurrency=2)
    worker.start()
    await asyncio.gather(*(queue("chat").add("x") for _ in range(4)))
    await eventually(lambda: len(started) == 2)
    watch = Stopwatch()
    stopped = await worker.stop(drain_timeout_s=0.3)
    assert watch.passed_s >= 0.3
    assert watch.calm_s < 1
    assert (stopped.unfinished, stopped.stuck) == (2, 0)
    assert sorted(cleaned) == sorted(started)
    assert sorted(sight.ids("wait")[-2:]) == sorted(started)
    assert all(sight.job(job_id).get("atm", "0") == "0" for job_id in started)
    sight.assert_all_over()


def is_waiting(sight: Sight, name: str) -> bool:
    clients = [client for client in sight.client.client_list() if client["name"].endswith(f":w:{name}")]
    return any(client["cmd"] == "bzpopmin" and "b" in client["flags"] for client in clients)


@pytest.mark.parametrize("options", [{}, {"priority": 5}])
async def test_what_is_handed_back_is_taken_by_an_idle_worker_at_once(connection, sight, options):
    started = asyncio.Event()

    async def hold(job):
        started.set()
        await asyncio.sleep(60)

    async def quick(job):
        return "here"

    worker = make_worker(hold)
    worker.start()
    added = await queue("chat").add("x", **options)
    await started.wait()
    async with working(quick, worker_name="second"):
        await eventually(lambda: is_waiting(sight, "second") and not sight.client.exists(sight.keys("marker")))
        await worker.stop(0)
        await sight.until("completed", added.id, timeout_s=1)


async def test_a_thread_that_does_not_end_is_left_and_its_job_handed_back(connection, sight):
    end = threading.Event()
    started, refused = [], []

    def hold(job):
        started.append(job.id)
        end.wait(30)
        try:
            job.log("too late")
        except Exception as error:
            refused.append(error)

    worker = make_worker(hold)
    worker.start()
    added = await queue("chat").add("x")
    await eventually(lambda: started)
    stopped = await worker.stop(0)
    assert (stopped.unfinished, stopped.stuck) == (1, 1)
    assert sight.ids("wait") == [added.id]
    end.set()
    await eventually(lambda: refused)
    await eventually(lambda: not [t for t in threading.enumerate() if t.name.startswith("job thread")])


async def test_a_database_that_hangs_under_an_async_processor_does_not_hold_up_the_stop(connection, sight):
    end, started = threading.Event(), asyncio.Event()

    loop = asyncio.get_running_loop()

    def hang():
        loop.call_soon_threadsafe(started.set)
        end.wait(10)

    async def ask_the_database(job):
        await sync_to_async(hang)()

    worker = make_worker(ask_the_database)
    worker.start()
    added = await queue("chat").add("x")
    await started.wait()
    try:
        watch = Stopwatch()
        stopped = await worker.stop(0)
        assert watch.calm_s < 4
    finally:
        end.set()
    assert (stopped.unfinished, stopped.stuck) == (1, 1)
    assert sight.ids("wait") == [added.id]


async def test_an_async_processor_that_will_not_be_cancelled_is_handed_back_too(connection, sight):
    end = asyncio.Event()
    started = []

    async def stubborn(job):
        started.append(job.id)
        while not end.is_set():
            try:
                await asyncio.wait_for(end.wait(), 5)
            except asyncio.CancelledError:
                continue

    worker = make_worker(stubborn)
    worker.start()
    added = await queue("chat").add("x")
    await eventually(lambda: started)
    stopped = await worker.stop(0)
    assert (stopped.unfinished, stopped.stuck) == (1, 1)
    assert sight.ids("wait") == [added.id]
    end.set()
    await eventually(lambda: len(asyncio.all_tasks()) == 1)
    assert sight.ids("completed") == []


async def test_hurry_ends_a_drain(connection, sight):
    started = asyncio.Event()

    async def hold(job):
        started.set()
        await asyncio.sleep(60)

    worker = make_worker(hold)
    worker.start()
    await queue("chat").add("x")
    await started.wait()
    stopping = asyncio.create_task(worker.stop(drain_timeout_s=30))
    await asyncio.sleep(0)
    worker.hurry()
    assert (await asyncio.wait_for(stopping, 2)).unfinished == 1


async def test_stop_may_be_called_twice_and_before_start(connection, sight):
    async def nothing(job):
        return None

    never = make_worker(nothing)
    assert (await never.stop(5)).unfinished == 0
    worker = make_worker(nothing)
    worker.start()
    worker.start()
    await worker.stop(5)
    await worker.stop(5)


async def test_locks_are_renewed_while_draining(connection, sight):
    runs = []

    async def hold(job):
        runs.append(job.id)
        await asyncio.sleep(1.2)

    options = {"lock_duration_ms": 400, "stalled_interval_ms": 200}
    first, second = make_worker(hold, **options), make_worker(hold, **options)
    first.start()
    added = await queue("chat").add("x")
    await eventually(lambda: runs)
    second.start()
    await first.stop(drain_timeout_s=5)
    await sight.until("completed", added.id)
    await second.stop(5)
    assert runs == [added.id]


async def test_a_dead_side_task_is_told_with_its_name(connection, sight):
    async def nothing(job):
        return None

    worker = make_worker(nothing)
    worker.start()
    victim = next(task for task in asyncio.all_tasks() if task.get_name() == "marker chat")
    victim.cancel()
    assert "“marker chat” died" in await asyncio.wait_for(worker.died, 2)
    await worker.stop(0)


async def test_a_dead_lease_thread_is_told_too(connection, sight, monkeypatch):
    from queues.worker import leases

    async def nothing(job):
        await asyncio.sleep(60)

    async def explode(self, wire):
        raise RuntimeError("bang")

    monkeypatch.setattr(leases.Leases, "_renew_due", explode)
    worker = make_worker(nothing)
    worker.start()
    assert "“leases” died: RuntimeError: bang" in await asyncio.wait_for(worker.died, 2)
    await worker.stop(0)


async def test_no_connection_of_a_stopped_worker_is_left(connection, sight, prefix):
    async def nothing(job):
        return None

    async with working(nothing):
        await queue("chat").add("x")
        await sight.until_count("completed", 1)
        during = len(sight.client.client_list())
    # Marker, wire and perhaps leases are gone; the test's own two stay.
    await eventually(lambda: len(sight.client.client_list()) <= during - 2)
