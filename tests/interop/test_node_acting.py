"""Real Node beside what people do to jobs: it reads and runs what was edited, copied, recovered and restored."""

from __future__ import annotations

import json

import pytest

from queues.actions import adding, altering, jobs
from queues.actions.actor import Actor
from queues.protocol import moving, reads
from tests.eventually import eventually
from tests.integration.test_undo import led_back, seen
from tests.interop.nodes import Node
from tests.planting import plant_failed

ana = Actor(None, "ana")
pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]


async def test_a_removed_parent_comes_back_with_its_children_and_a_child_to_its_parent(
    node, connection, client_of_redis, prefix
):
    children = [{"name": "c", "queueName": "chat", "data": {"n": n}, "opts": {"delay": 60_000 * n}} for n in range(3)]
    tree = {"name": "p", "queueName": "chat", "data": {}, "children": children}
    parent, first, *_ = await node("flow", tree)
    before = seen(client_of_redis, prefix)
    done = await jobs.remove_job(ana, connection, "chat", parent)
    back = await led_back(connection, done, parent)
    assert "with 3 of its children" in back.message
    assert seen(client_of_redis, prefix) == before
    done = await jobs.remove_job(ana, connection, "chat", first)
    await led_back(connection, done, first)
    assert seen(client_of_redis, prefix) == before
    assert (await node("look", [parent]))[0]["state"] == "waiting-children"


async def test_a_deduplicating_job_owns_its_id_again(node, connection, client_of_redis, prefix):
    (job_id,) = await node("add", [{"name": "a", "data": {}, "opts": {"deduplication": {"id": "d", "ttl": 90_000}}}])
    done = await jobs.remove_job(ana, connection, "chat", job_id)
    assert not client_of_redis.exists(f"{prefix}:chat:de:d")
    await led_back(connection, done, job_id)
    assert client_of_redis.get(f"{prefix}:chat:de:d") == job_id.encode()
    assert 0 < client_of_redis.pttl(f"{prefix}:chat:de:d") <= 90_000


async def test_node_runs_what_was_edited_copied_recovered_and_restored(
    node, redis_server, connection, client_of_redis, prefix, sight
):
    added = [{"name": "slow", "data": {"n": n, "ms": 1}, "opts": {"attempts": 2}} for n in range(4)]
    edited, dropped, lost, source = await node("add", [*added[:3], {"name": "fail", "data": {"n": 9}}])
    data = await reads.job_field(connection, "chat", edited, "data")
    typed = b'{"n": 100, "big": 12345678901234567890, "ms": 1}'
    await altering.edit_data(ana, connection, "chat", edited, typed, moving.seal(data))
    removed = await jobs.remove_job(ana, connection, "chat", dropped)
    await led_back(connection, removed, dropped)
    # As a worker leaves it that was killed, its lock run out.
    client_of_redis.lrem(f"{prefix}:chat:wait", 1, lost)
    client_of_redis.lpush(f"{prefix}:chat:active", lost)
    client_of_redis.hset(f"{prefix}:chat:{lost}", "ats", 1)
    await jobs.recover_job(ana, connection, "chat", lost)
    copy = await adding.add_text(ana, connection, "chat", "slow", '{"n": 7, "ms": 1}', {}, source=("chat", source))
    async with Node(redis_server.port, prefix).working() as said:
        await sight.until("completed", edited, dropped, lost, copy.id, timeout_s=15)
        await sight.until("failed", source)
        await jobs.retry_job(ana, connection, "chat", source, reset_attempts=True)
        await eventually(lambda: sum(line.get("ran") == source for line in said) == 2, 10)
        await sight.until("failed", source)
    looked = {job["id"]: job for job in await node("look", [edited, dropped, lost, copy.id])}
    # Node's own numbers are rounded; what is stored is not.
    assert looked[edited]["returnvalue"] == {"n": 100, "big": 12345678901234567000, "ms": 1}
    assert client_of_redis.hget(f"{prefix}:chat:{edited}", "data") == typed
    assert looked[dropped]["returnvalue"] == {"n": 1, "ms": 1}
    assert looked[lost]["stalledCounter"] == 1
    assert looked[copy.id]["data"] == {"n": 7, "ms": 1}


async def test_node_fails_a_job_that_was_cancelled_and_does_not_run_it(
    node, redis_server, connection, client_of_redis, prefix, sight
):
    (job_id,) = await node("add", [{"name": "work", "data": {}, "opts": {"attempts": 5}}])
    await jobs.fail_job(ana, connection, "chat", job_id, "not today")
    async with Node(redis_server.port, prefix).working() as said:
        await sight.until("failed", job_id, timeout_s=15)
    assert not [line for line in said if "ran" in line]
    job = sight.job(job_id)
    assert (job["failedReason"], "defa" in job) == ("not today", False)


async def test_node_sees_a_retry_that_was_undone_as_the_failure_it_was(node, connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1, opts=json.dumps({"attempts": 1}))
    done = await jobs.retry_job(ana, connection, "chat", "1", delay_ms=60_000)
    assert (await node("look", ["1"]))[0]["state"] == "delayed"
    await led_back(connection, done, "1")
    (job,) = await node("look", ["1"])
    assert (job["state"], job["failedReason"]) == ("failed", "TimeoutError: no answer")
    assert (await node("ask", [["getJobCounts"]]))[0]["failed"] == 1
