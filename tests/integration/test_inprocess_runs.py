"""USE_JOB_QUEUE=false: adding runs the job in this process, with the states, orders and attempts Redis would give."""

from __future__ import annotations

import asyncio
import json
import threading

import pytest

from queues import queue
from queues.errors import DelayedError, RateLimitError, UnrecoverableError
from queues.inprocess import ledger, process, runner
from queues.models import LogLine
from queues.options import reset_options
from queues.processors import Registry
from queues.signals import job_completed, job_retried
from tests.eventually import eventually
from tests.inprocess import in_process, row, running, until  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_process")


async def test_adding_runs_the_job_here_and_its_row_tells_what_became_of_it():
    async def work(job):
        await job.log("began")
        await job.progress({"percent": 50})
        return {"echo": job.data, "attempt": job.attempt}

    async with running(work):
        added = await queue("chat").add("hello", {"text": "hi"})
        job = await until(added.id, "completed")
    assert json.loads(job.return_value) == {"echo": {"text": "hi"}, "attempt": 1}
    assert json.loads(job.progress) == {"percent": 50}
    assert (job.name, json.loads(job.data), job.attempts_made, job.attempts_started) == ("hello", {"text": "hi"}, 1, 1)
    assert job.timestamp_ms <= job.processed_on_ms <= job.finished_on_ms
    assert [line.text async for line in LogLine.objects.filter(job=job)] == ["began"]
    assert (job.rank, job.holder) == (None, "")


async def test_a_plain_function_runs_in_a_thread_of_this_process():
    names = []

    def work(job):
        job.log("from a thread")
        names.append(threading.current_thread().name)

    async with running(work):
        added = await queue("chat").add("hello")
        await until(added.id, "completed")
    assert names != [threading.current_thread().name]


async def test_the_job_knows_who_runs_it():
    async with running(lambda job: job.worker) as here:
        added = await queue("chat").add("hello")
        job = await until(added.id, "completed")
    assert json.loads(job.return_value) == job.processed_by == here.name


async def test_a_job_that_ends_does_not_have_every_other_queue_looked_through(monkeypatch):
    asked = []

    def feed(holder, name, free):
        asked.append(set(free))
        return real(holder, name, free)

    real = ledger.feed
    monkeypatch.setattr(ledger, "feed", feed)
    others = [f"other-{number}" for number in range(5)]
    registry = Registry()
    for name in ("chat", *others):
        registry.processor(name)(lambda job: None)
    async with running(registry=registry):
        jobs = await queue("chat").add_bulk({"name": "hello"} for _ in range(20))
        await until(jobs[-1].id, "completed")
        late = await queue("other-3").add("hello")
        await until(late.id, "completed", "other-3")
    assert {"chat"} in asked
    # What is asked of all is asked at the start, when something was added, and once a second.
    assert sum(bool(free & set(others)) for free in asked) < 10


async def paused_then_run(function, *adds):
    """Everything is added while the queue is paused, then run one after the other: the names in that order."""
    started = []

    def work(job):
        started.append(job.name)
        return function(job) if function else None

    async with running(work):
        await queue("chat").pause()
        handles = [await queue("chat").add(name, **options) for name, options in adds]
        assert started == []
        await queue("chat").resume()
        for handle in handles:
            await until(handle.id, "completed")
    return started


async def test_jobs_run_in_the_order_of_bullmq():
    started = await paused_then_run(
        None,
        ("low", {"priority": 9}),
        ("first", {}),
        ("high", {"priority": 1}),
        ("second", {}),
        ("newest", {"lifo": True}),
        ("newer still", {"lifo": True}),
        ("high too", {"priority": 1}),
    )
    assert started == ["newer still", "newest", "first", "second", "high", "high too", "low"]


async def test_the_states_are_those_that_callers_know():
    gate = threading.Event()

    def work(job):
        gate.wait(5)

    async with running(work):
        chat = queue("chat")
        active = await chat.add("a")
        await until(active.id, "active")
        waiting, prioritized = await chat.add("b"), await chat.add("c", priority=3)
        delayed = await chat.add("d", delay_ms=60_000)
        states = [await handle.state() for handle in (active, waiting, prioritized, delayed)]
        assert states == ["active", "waiting", "prioritized", "delayed"]
        counts = await chat.counts()
        assert (counts["active"], counts["waiting"], counts["prioritized"], counts["delayed"]) == (1, 1, 1, 1)
        gate.set()
        await until(prioritized.id, "completed")
        await delayed.promote()
        await until(delayed.id, "completed")
        assert [await handle.state() for handle in (active, waiting)] == ["completed", "completed"]


async def test_a_delayed_job_runs_when_it_is_due(monkeypatch):
    monkeypatch.setattr(runner, "POLL_S", 60)
    async with running(lambda job: None):
        added = await queue("chat").add("later", delay_ms=300)
        assert (await row(added.id)).state == "delayed"
        job = await until(added.id, "completed")
    assert job.processed_on_ms - job.timestamp_ms >= 300


async def test_a_failed_attempt_is_tried_again_after_its_backoff_and_its_errors_stay():
    def work(job):
        if job.attempt < 3:
            raise TimeoutError(f"no answer on attempt {job.attempt}")
        return "at last"

    async with running(work):
        added = await queue("chat").add("x", attempts=3, backoff=100)
        job = await until(added.id, "completed")
    assert (job.attempts_made, job.attempts_started, job.return_value) == (3, 3, '"at last"')
    assert [stack.strip().splitlines()[-1] for stack in job.stacks] == [
        "TimeoutError: no answer on attempt 1",
        "TimeoutError: no answer on attempt 2",
    ]
    assert job.finished_on_ms - job.timestamp_ms >= 200


async def test_the_last_attempt_fails_the_job_and_unrecoverable_ones_the_first():
    def work(job):
        raise UnrecoverableError("no such address") if job.name == "hopeless" else ValueError("odd \x00 text")

    async with running(work):
        twice, hopeless = await queue("chat").add("x", attempts=2), await queue("chat").add("hopeless", attempts=5)
        job = await until(twice.id, "failed")
        assert (job.attempts_made, job.failed_reason) == (2, "odd \\x00 text")
        job = await until(hopeless.id, "failed")
    assert (job.attempts_made, job.failed_reason) == (1, "no such address")


async def test_a_processors_own_backoff_decides():
    asked = []

    def backoff(made, error, job):
        asked.append((made, str(error), job.name))
        return 10 if made < 2 else -1

    registry = Registry()

    @registry.processor("chat", backoff=backoff)
    def work(job):
        raise ValueError("never")

    async with running(registry=registry):
        added = await queue("chat").add("x", attempts=9, backoff={"type": "custom"})
        job = await until(added.id, "failed")
    assert asked == [(1, "never", "x"), (2, "never", "x")]
    assert job.attempts_made == 2


async def test_a_processor_may_move_its_job_and_no_attempt_is_counted():
    def work(job):
        if (job.name, len(seen)) in (("delayed", 0), ("limited", 2)):
            seen.append(job.name)
            raise DelayedError(50) if job.name == "delayed" else RateLimitError(50)
        seen.append(job.name)

    seen = []
    async with running(work):
        first = await queue("chat").add("delayed")
        assert (await until(first.id, "completed")).attempts_made == 1
        second = await queue("chat").add("limited")
        job = await until(second.id, "completed")
    assert seen == ["delayed", "delayed", "limited", "limited"]
    assert (job.attempts_made, job.attempts_started) == (1, 2)


async def test_a_job_that_takes_too_long_fails_with_that_reason():
    registry = Registry()

    @registry.processor("chat", timeout_s=0.05)
    async def work(job):
        await asyncio.sleep(60)

    async with running(registry=registry):
        job = await until((await queue("chat").add("x")).id, "failed")
    assert "0.05 s" in job.failed_reason


async def test_no_more_jobs_run_at_a_time_than_the_queue_allows(settings):
    settings.TORIL = {**settings.TORIL, "QUEUES": {"chat": {"concurrency": 3}}}
    reset_options()
    at_once, most = 0, 0

    async def work(job):
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.02)
        at_once -= 1

    async with running(work):
        handles = await queue("chat").add_bulk([{"name": "x", "data": number} for number in range(12)])
        for handle in handles:
            await until(handle.id, "completed")
    assert most == 3


async def test_a_rate_limit_holds_in_this_process(settings):
    settings.TORIL = {**settings.TORIL, "QUEUES": {"chat": {"concurrency": 9, "limiter": {"max": 2, "duration": 400}}}}
    reset_options()
    async with running(lambda job: None):
        handles = await queue("chat").add_bulk([{"name": "x", "data": number} for number in range(5)])
        for handle in handles:
            await until(handle.id, "completed")
    starts = sorted([(await row(handle.id)).processed_on_ms for handle in handles])
    assert all(later - earlier >= 350 for earlier, later in zip(starts, starts[2:], strict=False))


async def test_finished_jobs_are_kept_as_long_as_they_should_be():
    def work(job):
        job.log("line")
        if job.name == "bad":
            raise ValueError("no")

    async with running(work):
        for number in range(4):
            added = await queue("chat").add("good", number, remove_on_complete=2)
            await until(added.id, "completed")
        at_once = await queue("chat").add("good", remove_on_complete=True)
        await until(at_once.id, "completed")
        bad = await queue("chat").add("bad", remove_on_fail={"age": 3600, "count": 1})
        await until(bad.id, "failed")
        counts = await queue("chat").counts()
    # What is removed at once takes no other with it.
    assert (counts["completed"], counts["failed"]) == (2, 1)
    assert (await row(at_once.id)).removed_at is not None
    assert await LogLine.objects.acount() == counts["completed"] + counts["failed"]


async def test_a_job_of_a_name_that_no_processor_takes_fails_and_says_so():
    registry = Registry()
    registry.processor("chat", name="known")(lambda job: None)
    async with running(registry=registry):
        job = await until((await queue("chat").add("unknown")).id, "failed")
    assert "no processor for “unknown”" in job.failed_reason


async def test_a_running_job_is_cancelled_with_exactly_that_reason():
    async def work(job):
        await asyncio.sleep(60)

    async with running(work):
        added = await queue("chat").add("x", attempts=3)
        await until(added.id, "active")
        await eventually(lambda: process.cancel_job("chat", added.id, "not wanted any more"))
        job = await until(added.id, "failed")
        assert not process.cancel_job("chat", added.id, "again")
    assert (job.failed_reason, job.attempts_made) == ("not wanted any more", 1)


async def test_logs_are_kept_as_many_as_the_job_says():
    def work(job):
        for number in range(5):
            job.log(f"line {number}")

    async with running(work):
        added = await queue("chat").add("x", keep_logs=2)
        job = await until(added.id, "completed")
    assert [line.text async for line in LogLine.objects.filter(job=job).order_by("pk")] == ["line 3", "line 4"]


async def test_who_listens_hears_of_a_jobs_life():
    heard = []

    def hear(signal, sender, job, **facts):
        heard.append((job.name, job.attempt, facts.get("delay_ms"), facts.get("reason")))

    def work(job):
        if job.attempt == 1:
            raise ValueError("once")

    for signal in (job_completed, job_retried):
        signal.connect(hear)
    try:
        async with running(work):
            await until((await queue("chat").add("x", attempts=2, backoff=20)).id, "completed")
    finally:
        for signal in (job_completed, job_retried):
            signal.disconnect(hear)
    assert heard == [("x", 1, 20, "once"), ("x", 2, None, None)]


def doubled(job):
    return job.data * 2


async def test_work_that_keeps_a_core_busy_has_a_process_of_its_own():
    registry = Registry()
    registry.processor("chat", executor="process")(doubled)
    async with running(registry=registry):
        added = await queue("chat").add("x", 21)
        assert await added.result(timeout_s=20) == 42
