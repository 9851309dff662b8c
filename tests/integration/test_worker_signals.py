"""The signals of jobs and workers: when each is sent, what it says, and that a receiver's faults are its own."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from queues import queue, signals
from queues.errors import DelayedError
from queues.processors import Registry
from queues.worker.worker import Worker
from tests.eventually import eventually
from tests.working import working

OF_JOBS = ["job_started", "job_finished", "job_completed", "job_failed", "job_retried"]
trace: contextvars.ContextVar[str] = contextvars.ContextVar("trace", default="none")


@pytest.fixture
def heard() -> Iterator[list[tuple[str, dict[str, Any]]]]:
    """What the signals of jobs said, in order."""
    found: list[tuple[str, dict[str, Any]]] = []
    receivers = {}
    for name in OF_JOBS:

        def receive(name: str = name, **facts: Any) -> None:
            found.append((name, facts))

        receivers[name] = receive
        getattr(signals, name).connect(receive)
    yield found
    for name, receive in receivers.items():
        getattr(signals, name).disconnect(receive)


def of(heard: list[tuple[str, dict[str, Any]]], job_id: str) -> list[str]:
    return [name for name, facts in heard if facts["job"].id == job_id]


def both_kinds(registry: Registry, work: Any) -> None:
    @registry.processor("chat", name="async")
    async def on_loop(job):
        return work(job)

    @registry.processor("chat", name="plain")
    def in_thread(job):
        return work(job)


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_job_that_completes_starts_finishes_and_is_completed(connection, sight, heard, kind):
    registry = Registry()
    both_kinds(registry, lambda job: {"sum": sum(job.data["numbers"])})
    async with working(registry=registry):
        added = await queue("chat").add(kind, {"numbers": [1, 2]})
        await eventually(lambda: len(of(heard, added.id)) == 3)
    assert of(heard, added.id) == ["job_started", "job_finished", "job_completed"]
    started, finished, completed = (facts for _, facts in heard)
    function = registry.of("chat")[kind].function
    assert {started["sender"], finished["sender"], completed["sender"]} == {function}
    assert finished["error"] is None
    assert finished["duration_ms"] >= 0
    assert completed["result_json"] == '{"sum":3}'
    assert (completed["job"].queue, completed["job"].attempt, completed["job"].data) == ("chat", 1, {"numbers": [1, 2]})


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_a_job_that_fails_twice_is_retried_once_and_failed_once(connection, sight, heard, kind):
    def fail(job):
        raise LookupError(f"attempt {job.attempt}")

    registry = Registry()
    both_kinds(registry, fail)
    async with working(registry=registry):
        added = await queue("chat").add(kind, attempts=2, backoff=10)
        await eventually(lambda: len(of(heard, added.id)) == 6)
    once = ["job_started", "job_finished"]
    assert of(heard, added.id) == [*once, "job_retried", *once, "job_failed"]
    finished = [facts for name, facts in heard if name == "job_finished"]
    assert [(type(facts["error"]), str(facts["error"])) for facts in finished] == [
        (LookupError, "attempt 1"),
        (LookupError, "attempt 2"),
    ]
    retried, failed = heard[2][1], heard[5][1]
    assert (retried["reason"], retried["delay_ms"]) == ("attempt 1", 10)
    assert failed["reason"] == "attempt 2"
    assert "LookupError" in failed["trace"]


async def test_a_job_that_no_processor_was_found_for_only_fails(connection, sight, heard):
    registry = Registry()
    both_kinds(registry, lambda job: None)
    async with working(registry=registry):
        added = await queue("chat").add("unknown", {"n": 1})
        await eventually(lambda: of(heard, added.id))
    assert of(heard, added.id) == ["job_failed"]
    facts = heard[0][1]
    assert facts["sender"] is None
    assert facts["job"].name == "unknown"
    assert "UnknownJob" in facts["reason"]


async def test_a_job_that_moves_itself_has_no_error(connection, sight, heard):
    async def move(job):
        if len(heard) == 1:
            raise DelayedError(10)

    async with working(move):
        added = await queue("chat").add("x")
        await sight.until("completed", added.id)
    assert of(heard, added.id)[:3] == ["job_started", "job_finished", "job_started"]
    assert heard[1][1]["error"] is None


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_a_receiver_sets_in_the_context_the_processor_has_and_no_other(connection, sight, kind):
    def begin(job, **_):
        trace.set(f"trace of {job.id}")

    ended = []

    def end(job, **_):
        ended.append((job.id, trace.get()))

    registry = Registry()
    both_kinds(registry, lambda job: trace.get())
    signals.job_started.connect(begin)
    signals.job_finished.connect(end)
    try:
        async with working(registry=registry, concurrency=3):
            added = await asyncio.gather(*(queue("chat").add(kind) for _ in range(9)))
            await sight.until("completed", *(one.id for one in added))
    finally:
        signals.job_started.disconnect(begin)
        signals.job_finished.disconnect(end)
    ids = sorted(one.id for one in added)
    assert [sight.job(job_id)["returnvalue"] for job_id in ids] == [f'"trace of {job_id}"' for job_id in ids]
    assert sorted(ended) == [(job_id, f"trace of {job_id}") for job_id in ids]
    assert trace.get() == "none"


@pytest.mark.parametrize("raised", [ValueError("bad receiver"), SystemExit(3), KeyboardInterrupt()])
async def test_what_a_receiver_raises_is_logged_and_harms_no_job(connection, sight, raised, caplog):
    def explode(**_):
        raise raised

    for name in OF_JOBS:
        getattr(signals, name).connect(explode)
    try:
        async with working(lambda job: "done"):
            added = [await queue("chat").add("x") for _ in range(3)]
            await sight.until("completed", *(one.id for one in added))
    finally:
        for name in OF_JOBS:
            getattr(signals, name).disconnect(explode)
    assert any(record.exc_info and record.exc_info[1] is raised for record in caplog.records)
    sight.assert_all_over()


async def test_one_may_listen_to_one_processors_jobs(connection, sight):
    registry = Registry()
    both_kinds(registry, lambda job: None)
    names = []

    def hear(job, **_):
        names.append(job.name)

    signals.job_completed.connect(hear, sender=registry.of("chat")["plain"].function)
    try:
        async with working(registry=registry):
            added = [await queue("chat").add(kind) for kind in ("async", "plain", "async")]
            await sight.until("completed", *(one.id for one in added))
    finally:
        signals.job_completed.disconnect(hear, sender=registry.of("chat")["plain"].function)
    assert names == ["plain"]


def test_an_async_receiver_is_refused():
    async def wait(**_):
        return None

    class Waits:
        async def __call__(self, **_):
            return None

    for receiver in (wait, Waits()):
        with pytest.raises(TypeError, match="plain functions"):
            signals.job_started.connect(receiver)


async def test_a_worker_says_once_that_it_starts_and_once_that_it_stopped(connection, sight):
    found = []

    def started(worker, **_):
        found.append(("started", worker.name, threading.current_thread().name))

    def stopped(worker, unfinished, stuck, **_):
        found.append(("stopped", worker.name, unfinished, stuck))

    signals.worker_started.connect(started, sender=Worker)
    signals.worker_stopped.connect(stopped, sender=Worker)
    try:
        async with working(lambda job: None) as worker:
            worker.start()
            await worker.stop(1)
    finally:
        signals.worker_started.disconnect(started, sender=Worker)
        signals.worker_stopped.disconnect(stopped, sender=Worker)
    assert found == [("started", "tester", "MainThread"), ("stopped", "tester", 0, 0)]
