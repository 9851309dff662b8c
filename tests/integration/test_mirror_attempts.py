"""Every attempt of a job is kept as a row, whoever worked on it, and outlives the job, its retries and its stream."""

from __future__ import annotations

import asyncio

import pytest

from queues.actions.actor import Actor
from queues.actions.altering import reprioritize_job
from queues.actions.jobs import retry_job
from queues.lookups.jobs import job_detail
from queues.lookups.trace import trace
from queues.models import Attempt, Job
from queues.producer import queue
from queues.protocol import writes
from queues.protocol.attempts import Run
from queues.states import State
from tests.eventually import eventually
from tests.mirroring import add, finish, mirror_running, redis, session, start, turn_until_quiet
from tests.working import working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
ANA = Actor(None, "ana")


async def kept(job_id: str) -> list[tuple[int, str, str, str]]:
    rows = [row async for row in Attempt.objects.filter(row__job_id=job_id).order_by("started_ms")]
    assert all(row.started_ms and row.ended_ms and row.started_ms <= row.ended_ms for row in rows)
    return [(row.number, row.worker, row.outcome, row.error) for row in rows]


async def test_attempts_outlive_retries_the_job_and_the_stream(connection, sight, prefix):
    async def run(job):
        raise ValueError(f"no {job.attempt}")

    failed = [(1, "web-3", "failed", "ValueError: no 1"), (2, "web-3", "failed", "ValueError: no 2")]
    async with working(run, worker_name="web-3"):
        added = await queue("chat").add("reply", {}, attempts=2)
        await sight.until("failed", added.id)
    async with mirror_running(connection):
        await eventually(lambda: _are(added.id, failed), 20)
    await retry_job(ANA, connection, "chat", added.id, reset_attempts=True)
    await reprioritize_job(ANA, connection, "chat", added.id, 7)
    async with working(run, worker_name="web-4"):
        await sight.until("failed", added.id)
    async with mirror_running(connection):
        again = [(number, "web-4", *rest) for number, _, *rest in failed]
        await eventually(lambda: _are(added.id, [*failed, *again]), 20)
        await writes.remove_job(connection, "chat", added.id)
        await redis(connection, "DEL", f"{prefix}:chat:events")
        await eventually(lambda: Job.objects.filter(job_id=added.id, removed_at__isnull=False).aexists(), 20)

    detail = await job_detail(connection, "chat", added.id)
    assert not detail.is_live
    found = await trace(detail.job, detail.runs)
    assert [(run.number, run.worker) for run in found.runs] == [(1, "web-4"), (2, "web-4")]
    assert [(row.number, row.worker) for row in found.earlier] == [(1, "web-3"), (2, "web-3")]
    assert [act.entry.action for act in found.acts] == ["job.retry", "job.reprioritize"]
    assert found.acts[1].told == {"before": {"priority": 0}, "after": {"priority": 7}}


async def _are(job_id: str, wanted: list[tuple[int, str, str, str]]) -> bool:
    rows = Attempt.objects.filter(row__job_id=job_id, ended_ms__isnull=False).order_by("started_ms")
    found = [(row.number, row.worker, row.outcome, row.error) async for row in rows]
    return found == wanted


async def test_of_jobs_that_no_worker_of_ours_ran_events_and_stacks_tell(connection, prefix):
    """As Node's worker does it: only the last start is in the hash."""
    async with session(connection) as mirror:
        (job_id,) = await add(connection, "chat", attempts=3)
        await start(connection, "chat")
        await turn_until_quiet(mirror)
        await _fail_once(connection, prefix, job_id, 1)
        await turn_until_quiet(mirror)
        await writes.promote_jobs(connection, "chat", [job_id])
        await start(connection, "chat")
        await _fail_once(connection, prefix, job_id, 2)
        await writes.promote_jobs(connection, "chat", [job_id])
        await start(connection, "chat")
        await turn_until_quiet(mirror)
        await finish(connection, "chat", [job_id.encode()], keep={"count": 0})
        await turn_until_quiet(mirror)
    async with mirror_running(connection):
        await eventually(lambda: Attempt.objects.filter(row__job_id=job_id, outcome="completed").aexists(), 20)
    assert [(number, outcome, error) for number, _, outcome, error in await kept(job_id)] == [
        (1, "failed", "Error: 1"),
        (2, "failed", "Error: 2"),
        (3, "completed", ""),
    ]


async def _fail_once(connection: str, prefix: str, job_id: str, number: int) -> None:
    """What BullMQ's moveToDelayed leaves of a failed attempt."""
    base, due = f"{prefix}:chat:", 99_999_999_999_999
    stacks = ",".join(f'"Error: {n}\\n    at run (/app/x.js:1:1)"' for n in range(1, number + 1))
    await asyncio.sleep(0.002)
    await redis(connection, "HSET", base + job_id, "atm", number, "stacktrace", f"[{stacks}]", "failedReason", "x")
    await redis(connection, "LREM", f"{base}active", 0, job_id)
    await redis(connection, "DEL", f"{base}{job_id}:lock")
    await redis(connection, "ZADD", f"{base}delayed", due, job_id)
    await redis(connection, "XADD", f"{base}events", "*", "event", "delayed", "jobId", job_id, "delay", due)


async def test_a_failure_that_was_retried_before_anybody_looked_is_kept(connection):
    async with session(connection) as mirror:
        (job_id,) = await add(connection, "chat")
        active = await start(connection, "chat")
        await finish(connection, "chat", active, "boom", is_failed=True)
        await writes.retry_job(connection, "chat", job_id, State.FAILED)
        await finish(connection, "chat", await start(connection, "chat"))
        await turn_until_quiet(mirror)
    row = await Job.objects.aget(job_id=job_id)
    assert (row.state, row.attempts_made) == ("completed", 2)
    async with mirror_running(connection):
        await eventually(lambda: Attempt.objects.filter(row__job_id=job_id).aexists(), 20)
    assert [(number, outcome) for number, _, outcome, _ in await kept(job_id)] == [(1, "failed"), (2, "completed")]


async def test_a_job_of_which_the_database_cannot_tell_more_shows_what_redis_told(connection, monkeypatch):
    from django.db import OperationalError

    def away(job: Job) -> None:
        raise OperationalError("away")

    monkeypatch.setattr("queues.lookups.trace._look", away)
    runs = (Run(1, 1, 2, "w"),)
    assert (await trace(Job(queue="chat", job_id="1"), runs)).runs == runs
