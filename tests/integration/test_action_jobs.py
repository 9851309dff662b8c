"""Retry, promote and remove one job: what is done, what is refused, and what the audit says of it."""

from __future__ import annotations

import asyncio

import pytest

from queues.actions.actor import Actor
from queues.actions.jobs import promote_job, remove_job, retry_job
from queues.errors import JobLocked, JobNotFound, JobStateChanged, Refused
from queues.models import AuditEntry, Outcome
from queues.protocol import reads, writes
from queues.states import State
from tests.planting import plant_delayed, plant_failed, plant_waiting

ana = Actor(None, "ana")

pytestmark = pytest.mark.django_db(transaction=True)


async def state(connection: str, job_id: str) -> State:
    return (await reads.job_states(connection, "chat", [job_id]))[0]


async def last() -> AuditEntry:
    return await AuditEntry.objects.afirst()


async def test_a_failed_job_is_retried_with_its_attempts_and_the_row_says_so(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1, atm=3)
    done = await retry_job(ana, connection, "chat", "1")
    assert (done.state, done.message) == (
        State.WAITING,
        "Job “1” was put back to run again: it is waiting now.",
    )
    assert client_of_redis.hget(f"{prefix}:chat:1", "atm") == b"3"
    assert client_of_redis.hget(f"{prefix}:chat:1", "failedReason") is None
    entry = await last()
    assert (entry.action, entry.queue, entry.job_id, entry.outcome, entry.affected) == (
        "job.retry",
        "chat",
        "1",
        Outcome.DONE,
        1,
    )


async def test_a_completed_job_is_retried_too(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1, returnvalue="1", priority=3)
    client_of_redis.rename(f"{prefix}:chat:failed", f"{prefix}:chat:completed")
    assert (await retry_job(ana, connection, "chat", "1")).state is State.PRIORITIZED


async def test_a_job_that_moved_on_says_where_it_is_now(connection):
    (job_id,) = await plant_waiting(connection, "chat")
    with pytest.raises(JobStateChanged, match="was not retried: it is waiting now") as caught:
        await retry_job(ana, connection, "chat", job_id)
    assert caught.value.state == "waiting"
    with pytest.raises(JobStateChanged, match="was not promoted: it is waiting now"):
        await promote_job(ana, connection, "chat", job_id)
    assert (await last()).outcome == Outcome.REFUSED


async def test_two_people_retry_one_job_once(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    answers = await asyncio.gather(*[retry_job(ana, connection, "chat", "1") for _ in range(5)], return_exceptions=True)
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert {type(answer) for answer in answers if isinstance(answer, Exception)} == {JobStateChanged}
    assert client_of_redis.llen(f"{prefix}:chat:wait") == 1
    assert await AuditEntry.objects.filter(outcome=Outcome.DONE).acount() == 1
    assert await AuditEntry.objects.filter(outcome=Outcome.REFUSED).acount() == 4


async def test_a_delayed_job_is_promoted(connection):
    (job_id,) = await plant_delayed(connection, "chat")
    assert (await promote_job(ana, connection, "chat", job_id)).state is State.WAITING
    assert (await last()).action == "job.promote"


async def test_a_job_is_removed_and_a_second_removal_finds_nothing(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    assert (await remove_job(ana, connection, "chat", "1")).message == "Job “1” was removed."
    assert not client_of_redis.exists(f"{prefix}:chat:1")
    for act in (remove_job, retry_job, promote_job):
        with pytest.raises(JobNotFound):
            await act(ana, connection, "chat", "1")
    assert (await last()).outcome == Outcome.REFUSED


async def test_a_job_that_a_worker_holds_is_not_removed(connection, client_of_redis, prefix):
    (job_id,) = await plant_waiting(connection, "chat")
    client_of_redis.lmove(f"{prefix}:chat:wait", f"{prefix}:chat:active")
    client_of_redis.set(f"{prefix}:chat:{job_id}:lock", "token")
    with pytest.raises(JobLocked, match="being run by a worker"):
        await remove_job(ana, connection, "chat", job_id)
    assert await state(connection, job_id) is State.ACTIVE


async def test_a_schedulers_next_run_is_not_removed_and_the_scheduler_is_named(connection, client_of_redis, prefix):
    plant_iteration(client_of_redis, prefix, "nightly:9", 1_900_000_000_000)
    with pytest.raises(Refused, match="next run of scheduler “nightly:9”"):
        await remove_job(ana, connection, "chat", "repeat:nightly:9:1900000000000")
    assert client_of_redis.zcard(f"{prefix}:chat:delayed") == 1
    assert (await last()).outcome == Outcome.REFUSED


def plant_iteration(client, prefix, scheduler: str, due_ms: int) -> str:
    base, job_id = f"{prefix}:chat:", f"repeat:{scheduler}:{due_ms}"
    client.hset(f"{base}meta", "opts.maxLenEvents", 10000)
    client.zadd(f"{base}repeat", {scheduler: due_ms})
    client.hset(base + job_id, mapping={"name": "n", "data": "{}", "timestamp": 5, "rjk": scheduler, "delay": 1})
    client.zadd(f"{base}delayed", {job_id: due_ms * 4096})
    return job_id


@pytest.mark.parametrize("name", ["meta", "wait", "failed", "events", "2:logs", "repeat:nightly", "de:x", "nope", ""])
async def test_what_is_no_job_is_never_touched(connection, client_of_redis, prefix, name):
    await plant_waiting(connection, "chat", 2)
    plant_failed(client_of_redis, prefix, "chat", 2)
    client_of_redis.rpush(f"{prefix}:chat:2:logs", "x")
    client_of_redis.set(f"{prefix}:chat:de:x", "2")
    client_of_redis.hset(f"{prefix}:chat:repeat:nightly", mapping={"name": "n", "data": "{}", "every": 1000})
    before = {key: client_of_redis.dump(key) for key in client_of_redis.keys(f"{prefix}:*")}
    for act in (remove_job, retry_job, promote_job):
        with pytest.raises(JobNotFound):
            await act(ana, connection, "chat", name)
    assert {key: client_of_redis.dump(key) for key in client_of_redis.keys(f"{prefix}:*")} == before


async def test_a_reserved_name_that_is_listed_does_not_take_the_queue_with_it(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat")
    client_of_redis.zadd(f"{prefix}:chat:failed", {"meta": 5})
    for act in (remove_job, retry_job):
        with pytest.raises(JobNotFound):
            await act(ana, connection, "chat", "meta")
    assert client_of_redis.hexists(f"{prefix}:chat:meta", "opts.maxLenEvents")


async def test_an_id_whose_hash_is_gone_can_be_unlisted(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    (delayed,) = await plant_delayed(connection, "chat")
    client_of_redis.delete(f"{prefix}:chat:1", f"{prefix}:chat:{delayed}")
    with pytest.raises(Refused, match="was not retried: its hash is gone"):
        await retry_job(ana, connection, "chat", "1")
    with pytest.raises(Refused, match="was not promoted: its hash is gone"):
        await promote_job(ana, connection, "chat", delayed)
    await remove_job(ana, connection, "chat", "1")
    await remove_job(ana, connection, "chat", delayed)
    assert client_of_redis.exists(*[f"{prefix}:chat:{key}" for key in ("failed", "delayed", "wait", "1", delayed)]) == 0


async def test_a_job_that_no_list_holds_can_be_removed_but_not_retried(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    client_of_redis.delete(f"{prefix}:chat:failed")
    with pytest.raises(Refused, match="no list of the queue holds it"):
        await retry_job(ana, connection, "chat", "1")
    await remove_job(ana, connection, "chat", "1")
    assert not client_of_redis.exists(f"{prefix}:chat:1")


@pytest.mark.parametrize("stored", [b"x/retry", "é🐂'\"<b>".encode(), b"\xff\xfe\x00", b"a:b:c", b"%2F*?["])
async def test_ids_of_odd_bytes_are_retried_and_removed(connection, client_of_redis, prefix, stored):
    from queues.protocol.codec import text

    key = f"{prefix}:chat:".encode() + stored
    client_of_redis.hset(f"{prefix}:chat:meta", "opts.maxLenEvents", 10000)
    client_of_redis.hset(key, mapping={"name": "n", "data": "{}", "timestamp": 5})
    client_of_redis.zadd(f"{prefix}:chat:failed", {stored: 5})
    assert (await retry_job(ana, connection, "chat", text(stored))).state is State.WAITING
    assert client_of_redis.lrange(f"{prefix}:chat:wait", 0, -1) == [stored]
    await remove_job(ana, connection, "chat", text(stored))
    assert not client_of_redis.exists(key)
    assert (await last()).job_id == text(stored)


async def test_a_queue_and_an_id_with_slashes_are_not_mistaken_for_each_other(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "a/b", 1)
    plant_failed(client_of_redis, prefix, "a", 1)
    with pytest.raises(JobNotFound):
        await remove_job(ana, connection, "a", "b/1")
    await remove_job(ana, connection, "a/b", "1")
    assert client_of_redis.exists(f"{prefix}:a:1")


async def test_a_job_that_ran_at_once_and_was_not_kept_is_still_a_success(
    connection, client_of_redis, prefix, monkeypatch
):
    plant_failed(client_of_redis, prefix, "chat", 1)
    retry = writes.retry_job

    async def retried_and_run(*given):
        await retry(*given)
        client_of_redis.delete(f"{prefix}:chat:1", f"{prefix}:chat:wait")

    monkeypatch.setattr(writes, "retry_job", retried_and_run)
    done = await retry_job(ana, connection, "chat", "1")
    assert done.message == "Job “1” was put back to run again; it has run already and was not kept."
