"""Writes by BullMQ's scripts, and what they answer when the job is elsewhere by now."""

from __future__ import annotations

import pytest

from queues.errors import JobLocked, JobNotFound, JobStateChanged, Refused
from queues.protocol import reads, selection, writes
from queues.states import State
from tests.planting import plant_delayed, plant_failed, plant_waiting


async def state(connection: str, job_id: str) -> State:
    return (await reads.job_states(connection, "chat", [job_id]))[0]


async def test_a_paused_queue_keeps_its_jobs_and_resumes(connection):
    await plant_waiting(connection, "chat", 3)
    await writes.pause(connection, "chat")
    (facts,) = await reads.queue_facts(connection, ["chat"])
    assert facts.is_paused
    assert facts.counts["waiting"] == 3
    assert await writes.resume(connection, "chat") == 0
    assert not (await reads.queue_facts(connection, ["chat"]))[0].is_paused


async def test_a_failed_job_is_retried_once(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    await writes.retry_job(connection, "chat", "1", State.FAILED)
    assert await state(connection, "1") is State.WAITING
    with pytest.raises(JobStateChanged, match="it is waiting now"):
        await writes.retry_job(connection, "chat", "1", State.FAILED)


@pytest.mark.parametrize(("opts", "order"), [('{"lifo":true}', [b"first", b"1"]), ("no JSON", [b"1", b"first"])])
async def test_a_retried_lifo_job_is_the_next_to_run(connection, client_of_redis, prefix, opts, order):
    plant_failed(client_of_redis, prefix, "chat", 1)
    client_of_redis.hset(f"{prefix}:chat:1", "opts", opts)
    client_of_redis.lpush(f"{prefix}:chat:wait", "first")
    await writes.retry_job(connection, "chat", "1", State.FAILED)
    # The tail is next.
    assert client_of_redis.lrange(f"{prefix}:chat:wait", 0, -1) == order


async def test_a_retried_job_keeps_its_priority(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 2, priority=7)
    assert await writes.retry_jobs(connection, "chat", State.FAILED, ["1", "2", "3"]) == [None, None, "it is gone"]
    assert (await reads.queue_facts(connection, ["chat"]))[0].counts["prioritized"] == 2


async def test_a_job_that_is_gone_cannot_be_retried(connection):
    with pytest.raises(JobNotFound, match="nope"):
        await writes.retry_job(connection, "chat", "nope", State.FAILED)


async def test_a_delayed_job_is_promoted_once(connection):
    (job_id,) = await plant_delayed(connection, "chat")
    await writes.promote_job(connection, "chat", job_id)
    assert await state(connection, job_id) is State.WAITING
    with pytest.raises(JobStateChanged):
        await writes.promote_job(connection, "chat", job_id)
    assert await writes.promote_jobs(connection, "chat", [job_id]) == ["it is in another state now"]


async def test_a_job_goes_with_its_logs(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    client_of_redis.rpush(f"{prefix}:chat:1:logs", "line")
    await writes.remove_job(connection, "chat", "1")
    assert client_of_redis.exists(f"{prefix}:chat:1", f"{prefix}:chat:1:logs") == 0
    with pytest.raises(JobNotFound):
        await writes.remove_job(connection, "chat", "1")


async def test_a_job_that_a_worker_holds_is_not_removed(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    client_of_redis.rpoplpush(f"{prefix}:chat:wait", f"{prefix}:chat:active")
    client_of_redis.set(f"{prefix}:chat:1:lock", "token")
    with pytest.raises(JobLocked):
        await writes.remove_job(connection, "chat", "1")


async def test_the_next_run_of_a_scheduler_is_not_removed(connection, client_of_redis, prefix):
    job_id = "repeat:daily:1900000000000"
    client_of_redis.hset(f"{prefix}:chat:{job_id}", mapping={"name": "daily", "rjk": "daily"})
    client_of_redis.zadd(f"{prefix}:chat:repeat", {"daily": 1900000000000})
    client_of_redis.zadd(f"{prefix}:chat:delayed", {job_id: 1900000000000 * 4096})
    with pytest.raises(Refused, match="scheduler"):
        await writes.remove_job(connection, "chat", job_id)


async def test_a_listed_job_without_a_hash_can_be_unlisted(connection, client_of_redis, prefix):
    client_of_redis.zadd(f"{prefix}:chat:failed", {"ghost": 1})
    await writes.remove_job(connection, "chat", "ghost")
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 0


async def test_a_sweep_takes_at_most_the_limit_and_nothing_younger(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 10)
    newest = int(client_of_redis.zscore(f"{prefix}:chat:failed", "10"))
    assert await selection.sweep(connection, "chat", "failed", newest - 5, 3) == ["1", "2", "3"]
    assert len(await selection.sweep(connection, "chat", "failed", newest - 5, 100)) == 2
    assert (await reads.queue_facts(connection, ["chat"]))[0].counts["failed"] == 5


async def test_an_id_of_odd_bytes_can_be_acted_on(connection, client_of_redis, prefix):
    odd = b"caf\xe9/\x00"
    client_of_redis.hset(f"{prefix}:chat:".encode() + odd, "name", "x")
    client_of_redis.zadd(f"{prefix}:chat:failed", {odd: 1})
    (job_id,) = await reads.state_ids(connection, "chat", State.FAILED, 0, 5)
    await writes.retry_job(connection, "chat", job_id, State.FAILED)
    assert client_of_redis.lrange(f"{prefix}:chat:wait", 0, -1) == [odd]
