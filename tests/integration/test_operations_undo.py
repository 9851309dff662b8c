"""What an operation removes is kept whole and comes back whole; what it moves is in one queue, once."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from queues.errors import Refused
from queues.models import StoredJobs
from queues.operations import Target, preview, restore, stored
from queues.producer import queue
from queues.states import State
from tests.mirroring import add
from tests.operating import ANA, begun, done, duty, now, outcomes, run
from tests.planting import plant_delayed, plant_failed

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
ALL = (State.WAITING, State.PRIORITIZED, State.DELAYED, State.FAILED)


def _dump(client, prefix, name="chat"):
    """Every key of the queue but its events and counters, byte for byte."""
    found = {}
    for key in sorted(client.scan_iter(f"{prefix}:{name}:*")):
        suffix = key.split(b":", 2)[2]
        if suffix in (b"events", b"meta", b"marker", b"id", b"pc") or b"toril:once" in suffix:
            continue
        kind = client.type(key)
        reads = {b"hash": client.hgetall, b"string": client.get, b"set": client.smembers}
        lists = {
            b"list": lambda k: client.lrange(k, 0, -1),
            b"zset": lambda k: client.zrange(k, 0, -1, withscores=True),
        }
        found[suffix] = (reads | lists)[kind](key)
    return found


async def _restored(operation):
    back = await restore(ANA, operation.pk, "it was a mistake")
    async with duty() as one:
        await run(one, back)
    return await now(back)


async def test_what_was_removed_comes_back_as_it_was_byte_for_byte(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 700, reason="no\x00 answer \U0001f600")
    client_of_redis.hset(f"{prefix}:chat:5", mapping={b"data": b'{"a":"\xff\xfe\x00"}', b"odd": b"\x00\xff"})
    client_of_redis.hset(f"{prefix}:chat:6", b"data", b'{"n":1e999,"big":92233720368547758089}')
    client_of_redis.rpush(f"{prefix}:chat:7:logs", "one", b"tw\xffo")
    client_of_redis.hset(f"{prefix}:chat:8:processed", f"{prefix}:other:1", '"ok"')
    await add(connection, "chat", 300, data='{"w":1}')
    await add(connection, "chat", 20, priority=5)
    await plant_delayed(connection, "chat", 20)
    before = _dump(client_of_redis, prefix)
    target = Target.of_state(connection, ["chat"], ALL)
    assert (await preview(target, "remove")).restorable
    operation = await done(target, "remove")
    assert (operation.done, operation.kept_jobs, operation.left) == (1_040, 1_040, 0)
    assert _dump(client_of_redis, prefix) == {}
    back = await _restored(operation)
    assert (back.total, back.done, back.restores_id) == (1_040, 1_040, operation.pk)
    assert _dump(client_of_redis, prefix) == before
    assert await StoredJobs.objects.acount() == 0


async def test_nothing_is_restored_twice_nor_over_a_job_of_the_same_id(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 3)
    operation = await done(Target.of_state(connection, ["chat"], [State.FAILED]), "clean")
    client_of_redis.hset(f"{prefix}:chat:2", mapping={"name": "new", "data": "{}", "timestamp": 1})
    back = await _restored(operation)
    assert await outcomes(back) == {"DONE": ["1", "3"], "STAYED": ["2"]}
    assert sight.job("2")["name"] == "new"
    # Job 1 is run, and removed as it completes: it must not be run once more.
    client_of_redis.delete(f"{prefix}:chat:1")
    client_of_redis.zrem(f"{prefix}:chat:failed", "1")
    again = await _restored(operation)
    assert await outcomes(again) == {"STAYED": ["2"]}


async def test_what_is_kept_goes_after_its_time(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    operation = await done(Target.of_state(connection, ["chat"], [State.FAILED]), "remove")
    assert await stored.count(operation.pk) == 3
    await StoredJobs.objects.aupdate(until=timezone.now() - timedelta(seconds=1))
    with pytest.raises(Refused, match="not kept any more"):
        await restore(ANA, operation.pk)
    async with duty() as one:
        one._prune_at = 0.0
        await one.turn()
    assert await StoredJobs.objects.acount() == 0


async def test_above_the_ceiling_it_stops_and_removes_nothing_that_is_not_kept(
    connection, client_of_redis, prefix, sight, monkeypatch
):
    plant_failed(client_of_redis, prefix, "chat", 50)
    monkeypatch.setattr(stored, "MOST_BYTES", 100)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    shown = await preview(target, "remove")
    assert not shown.restorable
    assert "cannot be undone" in shown.why_lost
    operation = await done(target, "remove")
    assert (operation.phase, operation.done, operation.keeps) == ("paused", 0, False)
    assert "full" in operation.message
    assert len(sight.ids("failed")) == 50
    knowing = await done(target, "remove", keeps=False)
    assert (knowing.done, knowing.kept_jobs, sight.ids("failed")) == (50, 0, [])


async def test_a_job_that_a_worker_holds_stays_and_a_schedulers_next_run_is_not_even_meant(connection, sight, prefix):
    ids = await add(connection, "chat", 3)
    sight.client.set(f"{prefix}:chat:{ids[1]}:lock", "somebody")
    await queue("chat").upsert_scheduler("nightly", pattern="0 3 1 1 *", name="report")
    operation = await done(Target.of_state(connection, ["chat"], [State.WAITING, State.DELAYED]), "remove")
    assert await outcomes(operation) == {"DONE": [ids[2], ids[0]], "STAYED": [ids[1]]}
    assert (await operation.items.aget(job_id=ids[1])).note == "a worker holds its lock"
    assert await stored.count(operation.pk) == 2
    assert len(sight.ids("delayed")) == 1


async def test_jobs_move_to_another_queue_in_their_order_and_nothing_is_left_behind(
    connection, client_of_redis, prefix, sight
):
    mine = await add(connection, "chat", 5, data='{"at":1}', name="talk")
    await add(connection, "chat", 1, job_id="my-own", priority=4)
    theirs = await add(connection, "other", 2)
    client_of_redis.hset(f"{prefix}:chat:{mine[0]}", b"data", b'{"a":"\xff"}')
    target = Target.of_state(connection, ["chat"], [State.WAITING, State.PRIORITIZED])
    operation = await done(target, "move", parameters={"queue": "other"})
    assert (operation.done, operation.kept_jobs) == (6, 0)
    assert _dump(client_of_redis, prefix) == {}
    waiting = [job_id.decode() for job_id in client_of_redis.lrange(f"{prefix}:other:wait", 0, -1)][::-1]
    notes = {item.job_id: item.note async for item in operation.items.all()}
    assert waiting == [notes[job_id] for job_id in mine] + theirs
    assert client_of_redis.zrange(f"{prefix}:other:prioritized", 0, -1) == [b"my-own"]
    assert client_of_redis.hget(f"{prefix}:other:{waiting[0]}", "data") == b'{"a":"\xff"}'
    assert await StoredJobs.objects.acount() == 0


async def test_failed_jobs_wait_in_the_other_queue_as_if_never_run_and_a_taken_id_stays(
    connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 2)
    for name in ("chat", "other"):
        client_of_redis.hset(f"{prefix}:{name}:mine", mapping={"name": name, "data": "{}", "timestamp": 5})
    client_of_redis.zadd(f"{prefix}:chat:failed", {"mine": 5})
    operation = await done(Target.of_state(connection, ["chat"], [State.FAILED]), "move", parameters={"queue": "other"})
    assert (operation.done, operation.stayed) == (2, 1)
    assert client_of_redis.zrange(f"{prefix}:chat:failed", 0, -1) == [b"mine"]
    assert client_of_redis.hget(f"{prefix}:chat:mine", "name") == b"chat"
    first = client_of_redis.lindex(f"{prefix}:other:wait", -1).decode()
    assert set(client_of_redis.hgetall(f"{prefix}:other:{first}")) == {
        b"name", b"data", b"opts", b"timestamp", b"delay", b"priority"
    }  # fmt: skip


async def test_a_job_of_a_flow_belongs_where_it_is(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 1, parentKey=f"{prefix}:parents:1")
    operation = await done(Target.of_state(connection, ["chat"], [State.FAILED]), "move", parameters={"queue": "other"})
    assert (operation.stayed, sight.ids("failed")) == (1, ["1"])


async def test_what_is_running_is_not_restored_from(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    operation = await begun(Target.of_state(connection, ["chat"], [State.FAILED]), "remove")
    with pytest.raises(Refused, match="pause or cancel"):
        await restore(ANA, operation.pk)
