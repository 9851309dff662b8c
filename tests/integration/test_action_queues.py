"""Pause and resume, twice if need be, and what an older BullMQ parked."""

from __future__ import annotations

import pytest

from queues.actions.actor import Actor
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import QueueNotFound
from queues.models import AuditEntry
from queues.protocol import reads
from tests.planting import plant_waiting

ana = Actor(None, "ana")

pytestmark = pytest.mark.django_db(transaction=True)


async def is_paused(connection: str) -> bool:
    return (await reads.queue_facts(connection, ["chat"]))[0].is_paused


async def test_pausing_twice_is_one_pause_and_a_sentence(connection):
    await plant_waiting(connection, "chat")
    assert (await pause_queue(ana, connection, "chat")).message == "Queue “chat” is paused."
    assert await is_paused(connection)
    assert (await pause_queue(ana, connection, "chat")).message == "Queue “chat” was paused already."
    assert [entry.affected async for entry in AuditEntry.objects.order_by("pk")] == [1, 0]


async def test_resuming_twice_is_one_resume_and_a_sentence(connection):
    await plant_waiting(connection, "chat")
    assert (await resume_queue(ana, connection, "chat")).message == "Queue “chat” was running already."
    await pause_queue(ana, connection, "chat")
    assert (await resume_queue(ana, connection, "chat")).message == "Queue “chat” runs again."
    assert not await is_paused(connection)


async def test_a_queue_that_is_not_there_is_not_called_into_being(connection, client_of_redis, prefix):
    for act in (pause_queue, resume_queue):
        with pytest.raises(QueueNotFound):
            await act(ana, connection, "nope")
    assert client_of_redis.keys(f"{prefix}:*") == []


async def test_all_jobs_that_an_older_bullmq_parked_come_back_in_order(connection, client_of_redis, prefix):
    base = f"{prefix}:chat:"
    client_of_redis.hset(f"{base}meta", mapping={"paused": 1, "opts.maxLenEvents": 10000})
    client_of_redis.rpush(f"{base}paused", *range(20_000))
    client_of_redis.rpush(f"{base}wait", "new")
    done = await resume_queue(ana, connection, "chat")
    assert done.message == "Queue “chat” runs again; 20,000 jobs that an older BullMQ had parked came back."
    assert client_of_redis.exists(f"{base}paused") == 0
    assert client_of_redis.llen(f"{base}wait") == 20_001
    assert not await is_paused(connection)


async def test_jobs_left_parked_by_half_a_resume_come_back_though_the_queue_runs(connection, client_of_redis, prefix):
    base = f"{prefix}:chat:"
    client_of_redis.hset(f"{base}meta", "opts.maxLenEvents", 10000)
    client_of_redis.rpush(f"{base}paused", *range(2_000))
    done = await resume_queue(ana, connection, "chat")
    assert "was running already; 2,000 jobs" in done.message
    assert client_of_redis.llen(f"{base}wait") == 2_000
