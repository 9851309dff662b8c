"""When each attempt of a job ran: noted by our workers, told by Node's events, and nothing where nobody knows."""

from __future__ import annotations

import asyncio

from queues.errors import UnrecoverableError
from queues.lookups.jobs import job_detail
from queues.producer import queue
from queues.protocol.attempts import MOST, Run, read_runs, runs_json
from queues.protocol.keys import Keys
from tests.working import now_ms, working


async def test_our_workers_note_when_and_where_each_failed_attempt_ran(connection, sight):
    async def run(job):
        await asyncio.sleep(0.02)
        if job.attempt < 3:
            raise ValueError(f"attempt {job.attempt}")
        return "fine"

    began = now_ms()
    async with working(run, worker_name="web-3"):
        added = await queue("chat").add("reply", {}, attempts=5, backoff=50)
        await sight.until("completed", added.id)
    runs = (await job_detail(connection, "chat", added.id)).runs
    assert [(one.number, one.worker) for one in runs] == [(1, "web-3"), (2, "web-3")]
    first, second = runs
    assert began <= (first.started_ms or 0) <= (first.ended_ms or 0) - 15
    assert (second.started_ms or 0) >= (first.ended_ms or 0) + 45
    # What completed is told by the job's own fields, and nothing is added for jobs that never fail.
    assert "toril:runs" not in sight.job(await completed_at_once(sight))


async def completed_at_once(sight) -> str:
    async with working(lambda job: None, queue="chat"):
        added = await queue("chat").add("reply", {})
        await sight.until("completed", added.id)
    return added.id


async def test_an_unrecoverable_failure_is_noted_too(connection, sight):
    async def run(job):
        raise UnrecoverableError("no such user")

    async with working(run, worker_name="web-3"):
        added = await queue("chat").add("reply", {}, attempts=5)
        await sight.until("failed", added.id)
    assert [(one.number, one.worker) for one in read_runs(sight.job(added.id)["toril:runs"])] == [(1, "web-3")]


async def test_what_no_worker_of_ours_noted_is_looked_for_in_the_events(connection, client_of_redis, prefix):
    """As Node's worker leaves it: one start in the hash, the others in the stream."""
    k = Keys(prefix, "chat")
    events = [("active", 1_000), ("delayed", 3_000), ("waiting", 4_000), ("active", 5_000), ("delayed", 9_000)]
    for kind, at in [("added", 500), *events, ("active", 20_000), ("failed", 21_000)]:
        client_of_redis.xadd(k("events"), {"event": kind, "jobId": "7"}, id=f"{at}-0")
        client_of_redis.xadd(k("events"), {"event": kind, "jobId": "8"}, id=f"{at}-1")
    told = {"name": "x", "data": "{}", "opts": '{"attempts":3}', "timestamp": 500, "ats": 3, "atm": 3}
    client_of_redis.hset(k.job("7"), mapping=told | {"processedOn": 20_000, "finishedOn": 21_000})
    client_of_redis.zadd(k("failed"), {"7": 21_000})
    runs = (await job_detail(connection, "chat", "7")).runs
    assert runs[:2] == (Run(1, 1_000, 3_000), Run(2, 5_000, 9_000))


async def test_where_starts_and_attempts_differ_no_event_is_taken_for_an_attempt(connection, client_of_redis, prefix):
    k = Keys(prefix, "chat")
    for kind, at in [("active", 1_000), ("waiting", 3_000), ("active", 5_000), ("delayed", 9_000)]:
        client_of_redis.xadd(k("events"), {"event": kind, "jobId": "7"}, id=f"{at}-0")
    told = {"name": "x", "data": "{}", "opts": "{}", "timestamp": 500, "ats": 5, "atm": 2, "processedOn": 1}
    client_of_redis.hset(k.job("7"), mapping=told)
    client_of_redis.zadd(k("delayed"), {"7": 21_000 * 4096})
    assert (await job_detail(connection, "chat", "7")).runs == ()


def test_notes_are_bounded_and_survive_whatever_stands_in_their_place():
    stored = ""
    for number in range(1, 100):
        stored = runs_json(stored, Run(number, 1, 2, "w" * 1_000))
    assert len(read_runs(stored)) == MOST
    assert read_runs(stored)[-1].number == 99
    assert [run.number for run in read_runs(runs_json(stored, Run(1, 5, 6)))] == [1]
    for odd in (
        "",
        "{",
        "[1]",
        '[["x",1,2,"w"]]',
        "[[1,2]]",
        '[[1,-5,1e99,"w"]]',
        "[" * 100_000,
        "[[1,2,3,4]]",
    ):
        assert all(run.started_ms is None for run in read_runs(odd))
