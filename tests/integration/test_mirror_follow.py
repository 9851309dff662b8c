"""The mirror follows events: every row equals what Redis holds, told by events and sweeps alone (no patrol)."""

from __future__ import annotations

import pytest

from queues.mirror import follow
from queues.mirror import session as turns
from queues.mirror.incarnations import UNREAD
from queues.models import Job, Queue
from queues.protocol import writes
from queues.protocol.events import read_events
from queues.states import State
from tests.eventually import eventually
from tests.mirroring import (
    add,
    clean,
    differences,
    finish,
    in_step,
    mirror_running,
    redis,
    session,
    start,
    turn_until_quiet,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


async def test_a_new_queue_is_found_and_its_jobs_get_rows(connection):
    ids = await add(connection, "chat", 7, data='{"n":1}', name="talk")
    await add(connection, "chat", 2, delay_ms=60_000)
    await add(connection, "chat", 3, priority=5)
    async with mirror_running(connection):
        await in_step(connection)
        await eventually(lambda: Queue.objects.filter(cursor__startswith="1", synced_at__isnull=False).aexists())
    queue = await Queue.objects.aget(name="chat")
    assert (queue.waiting, queue.delayed, queue.prioritized) == (7, 2, 3)
    row = await Job.objects.aget(job_id=ids[0])
    assert (row.name, row.data, row.state, row.removed_at) == ("talk", '{"n":1}', "waiting", None)


async def test_a_walk_over_the_keys_that_was_held_up_hides_no_new_queue_for_long(connection, monkeypatch):
    """As if a Redis that stood still for some seconds had made it dear."""
    monkeypatch.setattr(turns, "DISCOVER_SHARE", 1e-9)
    async with session(connection) as mirror:
        await mirror.turn()
        assert 0 < mirror._discover.left_s <= 60


async def test_a_job_is_followed_through_its_life(connection):
    async with session(connection) as mirror:
        await add(connection, "chat", 3)
        await turn_until_quiet(mirror)
        assert await differences() == []
        first, second = await start(connection, "chat", 2)
        await turn_until_quiet(mirror)
        assert await differences() == []
        assert await Job.objects.filter(state="active").acount() == 2
        await finish(connection, "chat", [first], '{"a":1}')
        await finish(connection, "chat", [second], "boom", is_failed=True)
        await turn_until_quiet(mirror)
        assert await differences() == []
        await writes.retry_job(connection, "chat", second.decode(), State.FAILED)
        await turn_until_quiet(mirror)
        assert await differences() == []
    done, retried = await Job.objects.aget(state="completed"), await Job.objects.aget(job_id=second.decode())
    assert (done.return_value, done.attempts_made) == ('{"a":1}', 1)
    assert (retried.state, retried.failed_reason) == ("waiting", "")


async def test_what_people_do_to_a_queue_is_followed(connection):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", 5)
        delayed = await add(connection, "chat", 3, delay_ms=60_000)
        await turn_until_quiet(mirror)
        await writes.pause(connection, "chat")
        await writes.promote_job(connection, "chat", delayed[0])
        await writes.remove_job(connection, "chat", ids[0])
        await turn_until_quiet(mirror)
        assert await differences() == []
    queue = await Queue.objects.aget(name="chat")
    assert (queue.is_paused, queue.waiting, queue.delayed) == (True, 5, 2)
    gone = await Job.objects.aget(job_id=ids[0])
    assert gone.removed_at is not None
    assert gone.state == "waiting"


async def test_jobs_removed_on_completion_keep_what_their_events_told(connection):
    async with session(connection) as mirror:
        seen = await add(connection, "chat", 4, data='{"kept":true}')
        await turn_until_quiet(mirror)
        unseen = await add(connection, "chat", 4, name="quick")
        active = await start(connection, "chat", 8)
        await finish(connection, "chat", active[1:], '{"r":1}', keep={"count": 0})
        await finish(connection, "chat", active[:1], "boom", keep={"count": 0}, is_failed=True)
        await turn_until_quiet(mirror)
        assert await differences() == []
    rows = {job.job_id: job async for job in Job.objects.all()}
    assert sorted(rows) == sorted([*seen, *unseen])
    assert all(job.removed_at and job.finished_on_ms and job.processed_on_ms for job in rows.values())
    assert {job.state for job in rows.values()} == {"completed", "failed"}
    assert (rows[seen[0]].failed_reason, rows[seen[0]].attempts_made) == ("boom", 1)
    assert (rows[seen[1]].data, rows[seen[1]].return_value) == ('{"kept":true}', '{"r":1}')
    assert (rows[unseen[0]].name, rows[unseen[0]].data, rows[unseen[0]].problems) == ("quick", "", UNREAD)


async def test_an_id_used_again_and_again_has_a_row_for_each_life(connection):
    async with session(connection) as mirror:
        for _ in range(3):
            await add(connection, "chat", 1, job_id="sync")
            await finish(connection, "chat", await start(connection, "chat"), keep={"count": 0})
        await turn_until_quiet(mirror)
        assert await Job.objects.filter(job_id="sync", state="completed").acount() == 3
        for _ in range(2):
            await add(connection, "chat", 1, job_id="sync")
            await turn_until_quiet(mirror)
            await finish(connection, "chat", await start(connection, "chat"), keep={"count": 0})
            await turn_until_quiet(mirror)
        await add(connection, "chat", 1, job_id="sync")
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(job_id="sync").acount() == 6
    assert await Job.objects.filter(job_id="sync", removed_at=None).acount() == 1


async def test_retention_that_no_event_tells_closes_the_rows(connection):
    async with session(connection) as mirror:
        await add(connection, "chat", 40)
        await turn_until_quiet(mirror)
        for job_id in await start(connection, "chat", 40):
            await finish(connection, "chat", [job_id], keep={"count": 5})
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(removed_at=None).acount() == 5
    assert await Job.objects.filter(state="completed").acount() == 40


async def test_cleaned_and_drained_jobs_are_closed(connection):
    async with session(connection) as mirror:
        await add(connection, "chat", 600)
        await finish(connection, "chat", await start(connection, "chat", 300), "no", is_failed=True)
        await turn_until_quiet(mirror)
        await clean(connection, "chat", "failed", 200)
        await clean(connection, "chat", "wait", 300)
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(removed_at=None).acount() == 100


async def test_many_queues_are_followed_at_once(connection):
    names = [f"q{n}" for n in range(30)]
    async with session(connection) as mirror:
        for name in names:
            await add(connection, name, 3)
        await turn_until_quiet(mirror)
        for name in names:
            await finish(connection, name, await start(connection, name, 2))
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(state="completed").acount() == 60


async def test_told_the_same_events_twice_nothing_changes(connection):
    async with session(connection) as mirror:
        await add(connection, "chat", 10)
        await finish(connection, "chat", await start(connection, "chat", 5), keep={"count": 0})
        await finish(connection, "chat", await start(connection, "chat", 2))
        await turn_until_quiet(mirror)
        before = [row async for row in Job.objects.order_by("pk").values()]
        mirror.followed["chat"].cursor = "0-0"
        await turn_until_quiet(mirror)
    after = [row async for row in Job.objects.order_by("pk").values()]
    assert [row | {"synced_at": None} for row in after] == [row | {"synced_at": None} for row in before]
    assert after == before


async def test_a_stream_that_is_no_stream_stops_no_other_queue(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "good", 2)
        await add(connection, "bad", 2)
        await turn_until_quiet(mirror)
        await redis(connection, "DEL", f"{prefix}:bad:events")
        await redis(connection, "HSET", f"{prefix}:bad:events", "name", "a job whose id is events")
        await start(connection, "good", 1)
        await turn_until_quiet(mirror)
        assert await differences() == []
        assert mirror.followed["bad"].is_broken
    assert await Job.objects.filter(queue="good", state="active").acount() == 1


async def test_large_results_are_never_read_many_at_once(connection, client_of_redis, prefix, monkeypatch):
    client_of_redis.hset(f"{prefix}:chat:meta", "opts.maxLenEvents", 10_000)
    with client_of_redis.pipeline() as planting:
        for n in range(200):
            told = {"event": "completed", "jobId": str(n), "returnvalue": "x" * 250_000}
            planting.xadd(f"{prefix}:chat:events", told)
        planting.execute()
    sizes = []

    async def read(*args):
        events = await read_events(*args)
        sizes.append(sum(len(value) for event in events for value in event.fields.values()))
        return events

    monkeypatch.setattr(follow, "read_events", read)
    async with session(connection) as mirror:
        await turn_until_quiet(mirror)
    assert sum(sizes) > 200 * 250_000
    assert max(sizes) <= follow.MOST_BYTES * 1.1


async def test_ghosts_without_a_hash_get_no_row_and_are_not_read_again_and_again(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 2)
        await redis(connection, "LPUSH", f"{prefix}:chat:wait", "ghost")
        await turn_until_quiet(mirror)
        assert await differences() == []
        assert not mirror.is_mending
    assert await Job.objects.acount() == 2


async def test_each_connection_has_its_own_rows(connection, redis_server, prefix, settings):
    from queues.options import reset_options

    other = f"{prefix}other"
    settings.TORIL["CONNECTIONS"]["other"] = {"URL": redis_server.url, "PREFIX": other}
    reset_options()
    await add(connection, "chat", 2)
    await add("other", "chat", 3)
    async with mirror_running(connection, "other"):
        await in_step(connection)
        await in_step("other")
    assert await Job.objects.filter(connection="other").acount() == 3
    assert await Queue.objects.acount() == 2
