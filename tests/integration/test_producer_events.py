"""Following a queue's events: all of them, in order, through outages; what was trimmed unread is told."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager

import pytest
import redis

from queues import queue
from queues.errors import RedisUnavailable
from queues.options import reset_options
from queues.producer import QueueEvent
from queues.protocol.keys import Keys
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.working import working


def listens(client: redis.Redis) -> bool:
    """Whether somebody waits on a stream by now."""
    return any(one["cmd"] == "xread" and "b" in one["flags"] for one in client.client_list())


@asynccontextmanager
async def following(client: redis.Redis, until: str = "") -> AsyncIterator[list[QueueEvent]]:
    """What comes from now on, until an event of the type `until`."""
    seen: list[QueueEvent] = []

    async def follow() -> None:
        async with aclosing(queue("chat").events()) as events:
            async for event in events:
                seen.append(event)
                if event.type == until:
                    return

    task = asyncio.create_task(follow())
    await eventually(lambda: listens(client))
    try:
        yield seen
        if until:
            await asyncio.wait_for(task, 10)
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_events_are_typed_and_in_order(connection, client_of_redis):
    async def run(job):
        await job.progress({"stage": 1})
        return {"ok": True}

    await queue("chat").add("before")
    await queue("chat").drain()
    async with following(client_of_redis, until="completed") as seen:
        job = await queue("chat").add("greet", delay_ms=1)
        async with working(run):
            await eventually(lambda: any(event.type == "completed" for event in seen))
    assert [event.type for event in seen][:2] == ["added", "delayed"]
    assert {event.job_id for event in seen if event.type != "drained"} == {job.id}
    by_type = {event.type: event for event in seen}
    assert by_type["added"].name == "greet"
    assert abs(by_type["delayed"].due_ms - by_type["delayed"].at_ms) < 5_000
    assert by_type["waiting"].prev == "delayed"
    assert by_type["progress"].value == {"stage": 1}
    assert (by_type["completed"].value, by_type["completed"].prev) == ({"ok": True}, "active")
    assert all(event.queue == "chat" for event in seen)
    assert [event.id for event in seen] == sorted(
        (event.id for event in seen), key=lambda i: tuple(map(int, i.split("-")))
    )


async def test_a_failure_tells_its_reason(connection, client_of_redis):
    async def run(job):
        raise ValueError("no")

    async with following(client_of_redis, until="failed") as seen, working(run):
        await queue("chat").add("greet", attempts=1)
        await eventually(lambda: any(event.type == "failed" for event in seen))
    assert seen[-1].reason == "no"


async def test_deduplication_tells_both_jobs(connection, client_of_redis):
    async with following(client_of_redis, until="deduplicated") as seen:
        first = await queue("chat").add("greet", deduplication="one")
        await queue("chat").add("greet", deduplication="one", job_id="second")
    told = seen[-1]
    assert (told.job_id, told.deduplication_id, told.deduplicated_job_id) == (first.id, "one", "second")


async def test_events_can_be_read_from_the_oldest_and_after_any(connection):
    jobs = [await queue("chat").add("greet") for _ in range(1_200)]
    async with aclosing(queue("chat").events("0-0")) as events:
        seen = [await anext(events) for _ in range(2_400)]
    added = [event for event in seen if event.type == "added"]
    assert [event.job_id for event in added] == [job.id for job in jobs]
    assert all(event.type in ("added", "waiting") for event in seen)
    async with aclosing(queue("chat").events(added[-1].id)) as events:
        assert (await anext(events)).type == "waiting"


async def test_what_was_trimmed_unread_is_counted(connection, client_of_redis, prefix):
    stream = Keys(prefix, "chat")("events")
    async with aclosing(queue("chat").events()) as events:
        reading = asyncio.create_task(anext(events))
        await eventually(lambda: listens(client_of_redis))
        await queue("chat").add("first")
        assert (await reading).type == "added"
        for _ in range(100):
            await queue("chat").add("more")
        client_of_redis.xtrim(stream, maxlen=10, approximate=False)
        rest = [await anext(events) for _ in range(12)]
        await queue("chat").add("last")
        assert (await anext(events)).name == "last"
    assert rest[0].type == "waiting"
    assert (rest[1].type, rest[1].count) == ("gap", 190)
    assert [event.type for event in rest[2:]] == ["added", "waiting"] * 5


async def test_a_place_that_was_trimmed_before_is_told_without_a_number(connection, client_of_redis, prefix):
    for _ in range(10):
        await queue("chat").add("x")
    stream = Keys(prefix, "chat")("events")
    (first, _), *_ = client_of_redis.xrange(stream)
    client_of_redis.xtrim(stream, maxlen=4, approximate=False)
    async with aclosing(queue("chat").events(first.decode())) as events:
        told = [await anext(events) for _ in range(5)]
    assert (told[0].type, told[0].count) == ("gap", 0)
    assert [event.type for event in told[1:]] == ["added", "waiting"] * 2


async def test_nothing_trimmed_is_no_gap(connection, client_of_redis, prefix):
    async with following(client_of_redis) as seen:
        for n in range(30):
            await queue("chat").add("x")
            await eventually(lambda wanted=2 * n + 2: len(seen) == wanted)
            client_of_redis.xtrim(Keys(prefix, "chat")("events"), maxlen=3, approximate=False)
        await eventually(lambda: len(seen) >= 60)
    assert not [event for event in seen if event.type == "gap"]


async def test_a_queue_that_is_made_anew_is_followed_on(connection, client_of_redis):
    async with following(client_of_redis) as seen:
        await queue("chat").add("old")
        await eventually(lambda: len(seen) == 2)
        await queue("chat").obliterate()
        await queue("chat").add("new")
        await eventually(lambda: seen[-1].type == "waiting" and len(seen) > 3)
    assert [event.name for event in seen if event.type == "added"] == ["old", "new"]
    assert any(event.type == "gap" for event in seen)


async def test_an_outage_is_waited_out_and_what_it_took_is_told(own_redis: RedisServer, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "away"}}}
    reset_options()
    client = redis.Redis(port=own_redis.port)
    async with following(client) as seen:
        await queue("chat").add("old")
        await eventually(lambda: len(seen) == 2)
        await asyncio.to_thread(own_redis.stop)
        await asyncio.to_thread(own_redis.start)
        await eventually(adding_works, timeout_s=5)
        await eventually(lambda: any(event.name == "new" for event in seen), timeout_s=8)
    client.close()
    assert any(event.type == "gap" for event in seen)
    reset_options()


async def adding_works() -> bool:
    try:
        await queue("chat").add("new")
    except RedisUnavailable:
        return False
    return True


async def test_leaving_gives_the_connection_back(connection, client_of_redis, prefix):
    async with following(client_of_redis):
        name = f"{prefix}:{base64.b64encode(b'chat').decode()}:qe"
        await eventually(lambda: name in [client["name"] for client in client_of_redis.client_list()])
    await eventually(lambda: name not in [client["name"] for client in client_of_redis.client_list()])


async def test_odd_events_of_others_harm_nobody(connection, client_of_redis, prefix):
    stream = Keys(prefix, "chat")("events")
    odd = [
        {"event": "completed", "jobId": b"\xff", "returnvalue": "{no json"},
        {"event": "delayed", "delay": "soon"},
        {b"\xfe": "x"},
    ]
    async with following(client_of_redis) as seen:
        for fields in odd:
            client_of_redis.xadd(stream, fields)
        await eventually(lambda: len(seen) == 3)
    assert [(event.type, event.value, event.due_ms) for event in seen] == [
        ("completed", None, None),
        ("delayed", None, None),
        ("", None, None),
    ]


@pytest.mark.parametrize("after", ["5", "5-3"])
async def test_a_place_is_a_time_or_an_id(connection, after):
    await queue("chat").add("x")
    async with aclosing(queue("chat").events(after)) as events:
        assert (await anext(events)).type == "added"
