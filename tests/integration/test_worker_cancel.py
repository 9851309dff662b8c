"""Ending a run before it ends by itself: somebody cancels it, its time is over, the worker stops."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import Any

import pytest

from queues import queue
from queues.processors import Registry
from queues.runs.execution import Execution
from queues.runs.threads import MAX_STUCK
from queues.worker.worker import Worker
from tests.eventually import eventually
from tests.working import working


async def run_of(worker: Worker, job_id: str) -> Execution:
    def found() -> Execution | None:
        return next((run for run in worker.engines[0].running.values() if run.taken.id == job_id and run.job), None)

    return await eventually(found)


def until_seen(job: Any) -> str:
    while not job.cancelled:
        time.sleep(0.005)
    return "broke off"


async def for_ever(job: Any) -> None:
    await asyncio.sleep(60)


async def swallowing(job: Any) -> str:
    try:
        await asyncio.sleep(60)
    except asyncio.CancelledError:
        assert job.cancelled
    return "tidied up"


def own_error(job: Any) -> None:
    until_seen(job)
    raise ValueError("my own words")


@pytest.mark.parametrize("function", [until_seen, for_ever, swallowing, own_error])
async def test_a_cancelled_job_fails_with_that_reason_and_is_not_tried_again(connection, sight, function):
    async with working(function) as worker:
        added = await queue("chat").add("x", attempts=3)
        run = await run_of(worker, added.id)
        assert run.cancel("the customer left")
        await sight.until("failed", added.id)
        assert not run.cancel("too late")
    job = sight.job(added.id)
    assert job["failedReason"] == "the customer left"
    assert job["atm"] == "1"
    sight.assert_all_over()


@pytest.mark.parametrize("function", [until_seen, for_ever])
async def test_it_is_tried_again_where_that_is_asked(connection, sight, function):
    async with working(function) as worker:
        added = await queue("chat").add("x", attempts=2)
        (await run_of(worker, added.id)).cancel("once more", retry=True)
        await eventually(lambda: sight.job(added.id).get("ats") == "2")
        (await run_of(worker, added.id)).cancel("enough", retry=True)
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"] == "enough"


async def test_a_plain_function_that_never_looked_has_completed(connection, sight):
    go = threading.Event()

    def work(job):
        go.wait(10)
        return "done"

    async with working(work) as worker:
        added = await queue("chat").add("x")
        (await run_of(worker, added.id)).cancel("too late")
        go.set()
        await sight.until("completed", added.id)


async def test_the_first_reason_stands_and_a_stop_is_none(connection, sight):
    go = threading.Event()

    def work(job):
        go.wait(10)
        assert job.cancelled

    async with working(work) as worker:
        added = await queue("chat").add("x")
        run = await run_of(worker, added.id)
        run.cancel("first")
        run.cancel("second")
        go.set()
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"] == "first"


async def test_a_plain_function_that_breaks_off_because_the_worker_stops_is_handed_back(connection, sight):
    async with working(until_seen, drain_s=0) as worker:
        added = await queue("chat").add("x")
        await run_of(worker, added.id)
        stopped = await worker.stop(0)
    assert stopped.unfinished == 1
    assert sight.ids("wait") == [added.id]


async def test_a_reason_of_any_size_and_content_is_stored(connection, sight):
    async with working(for_ever) as worker:
        added = await queue("chat").add("x")
        (await run_of(worker, added.id)).cancel("a\x00\ud800" + "x" * 100_000)
        await sight.until("failed", added.id)
    assert len(sight.job(added.id)["failedReason"]) < 2_000


# --- its time is over


@pytest.mark.parametrize("function", [until_seen, for_ever, swallowing])
async def test_a_job_over_its_time_fails_and_is_tried_again(connection, sight, function):
    registry = Registry()
    registry.processor("chat", timeout_s=0.1)(function)
    async with working(registry=registry):
        added = await queue("chat").add("x", attempts=2)
        await sight.until("failed", added.id)
    job = sight.job(added.id)
    assert job["failedReason"] == "TimeoutError: the job took longer than its 0.1 s"
    assert job["atm"] == "2"


async def test_a_job_within_its_time_knows_what_is_left(connection, sight):
    seen = []
    registry = Registry()

    @registry.processor("chat", timeout_s=30)
    async def look(job):
        seen.append((job.timeout_s, job.time_left_s, job.cancelled))

    @registry.processor("chat", name="endless")
    def endless(job):
        seen.append((job.timeout_s, job.time_left_s, job.cancelled))

    async with working(registry=registry):
        first, second = await queue("chat").add("x"), await queue("chat").add("endless")
        await sight.until("completed", first.id, second.id)
    (timeout_s, left_s, cancelled), without = seen
    assert timeout_s == 30
    assert 20 < left_s <= 30
    assert not cancelled
    assert without == (None, None, False)


async def test_a_thread_over_its_time_frees_its_slot_and_may_report_no_more(connection, sight):
    go, refused, registry = threading.Event(), [], Registry()

    @registry.processor("chat", timeout_s=0.1)
    def hang(job):
        go.wait(20)
        try:
            job.log("I am late")
        except Exception as error:
            refused.append((str(error), job.cancelled))

    @registry.processor("chat", name="quick")
    def quick(job):
        return "here"

    async with working(registry=registry) as worker:
        slow, fast = await queue("chat").add("x"), await queue("chat").add("quick")
        await sight.until("completed", fast.id)
        assert sight.ids("failed") == [slow.id]
        assert worker._executors.stuck == 1
        go.set()
        await eventually(lambda: worker._executors.stuck == 0)
    assert refused == [("This run was given up: its time was over, or the worker has stopped.", True)]
    assert sight.logs(slow.id) == []


async def test_fifty_threads_that_never_end_stop_the_worker_and_not_the_others_jobs(connection, sight):
    """THREATS.md A2.4: no more threads than slots and ten, and the process is replaced."""
    go, registry, threads = threading.Event(), Registry(), set()

    @registry.processor("chat", timeout_s=0.05)
    def hang(job):
        threads.add(threading.current_thread())
        go.wait(30)

    @registry.processor("chat", name="quick")
    def quick(job):
        threads.add(threading.current_thread())

    registry_queue = registry.of("chat")
    from queues.options import QueueOptions
    from queues.worker.plans import QueuePlan

    worker = Worker([QueuePlan("chat", registry_queue, QueueOptions(concurrency=2))], name="tester")
    worker.start()
    for number in range(50):
        await queue("chat").add("x")
        if number < MAX_STUCK - 2:
            await queue("chat").add("quick")
    said = await asyncio.wait_for(worker.died, 10)
    assert "threads hang in processors whose time is over" in said
    stopped = await worker.stop(2)
    assert len(threads) <= 2 + MAX_STUCK
    assert MAX_STUCK <= stopped.stuck <= 2 + MAX_STUCK
    assert len(sight.ids("completed")) >= 1
    assert len(sight.ids("failed")) == stopped.stuck
    go.set()
    await eventually(lambda: not any(thread.is_alive() for thread in threads))


async def test_jobs_go_on_while_threads_hang(connection, sight):
    go, registry = threading.Event(), Registry()

    @registry.processor("chat", timeout_s=0.05)
    def hang(job):
        go.wait(30)

    @registry.processor("chat", name="quick")
    def quick(job):
        return None

    async with working(registry=registry, concurrency=2) as worker:
        for _ in range(MAX_STUCK - 1):
            await queue("chat").add("x")
        await sight.until_count("failed", MAX_STUCK - 1)
        added = [await queue("chat").add("quick") for _ in range(20)]
        await sight.until("completed", *(one.id for one in added))
        assert worker._executors.stuck == MAX_STUCK - 1
        go.set()
        await eventually(lambda: worker._executors.stuck == 0)


async def test_a_runtime_error_of_a_report_is_the_reports_own(connection, sight, monkeypatch):
    from queues.worker.reporter import RedisReporter

    async def broken(self, text):
        raise RuntimeError("not a stop")

    monkeypatch.setattr(RedisReporter, "log", broken)

    def work(job):
        job.log("x")

    async with working(work):
        added = await queue("chat").add("x")
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"] == "not a stop"


async def test_a_receiver_that_looks_is_not_the_processor_that_does(connection, sight):
    from queues.signals import job_finished

    go, seen = threading.Event(), []

    def work(job):
        go.wait(10)

    def look(job, **_):
        seen.append(job.cancelled)

    job_finished.connect(look)
    try:
        async with working(work) as worker:
            added = await queue("chat").add("x")
            (await run_of(worker, added.id)).cancel("too late")
            go.set()
            await sight.until("completed", added.id)
    finally:
        job_finished.disconnect(look)
    assert seen == [True]
