"""What the mirror missed it makes good from the sets: after each of these the differ finds nothing."""

from __future__ import annotations

import signal

import pytest

from queues.mirror import sides
from queues.mirror.followed import UNSETTLED
from queues.models import Job, Queue
from queues.options import reset_options
from queues.protocol import writes
from queues.protocol.commands import call_script
from queues.protocol.connections import keys, wire
from queues.states import State
from tests.eventually import eventually
from tests.mirroring import add, differences, finish, in_step, mirror_running, redis, session, start, turn_until_quiet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


async def obliterate(connection: str, queue: str) -> None:
    await writes.pause(connection, queue)
    k = keys(connection, queue)
    while await wire(connection).call(call_script("obliterate", [k("meta"), k.base], [1000, "force"])):
        pass


async def test_a_stream_trimmed_past_the_cursor_is_noticed_and_made_good(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 20)
        await turn_until_quiet(mirror)
        await finish(connection, "chat", await start(connection, "chat", 10))
        await add(connection, "chat", 5)
        await redis(connection, "XTRIM", f"{prefix}:chat:events", "MAXLEN", 2)
        await turn_until_quiet(mirror)
        assert await differences() == []
        assert mirror.followed["chat"].is_settled


async def test_a_stream_emptied_or_deleted_while_something_happened_is_made_good(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 20)
        await turn_until_quiet(mirror)
        await start(connection, "chat", 3)
        await redis(connection, "XTRIM", f"{prefix}:chat:events", "MAXLEN", 0)
        await turn_until_quiet(mirror)
        assert await differences() == []
        await start(connection, "chat", 3)
        await redis(connection, "DEL", f"{prefix}:chat:events")
        await turn_until_quiet(mirror)
        assert await differences() == []
        await start(connection, "chat", 3)
        await turn_until_quiet(mirror)
        assert await differences() == []


async def test_a_gap_is_remembered_until_it_is_closed(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 5)
        await turn_until_quiet(mirror)
        await start(connection, "chat", 2)
        await redis(connection, "XTRIM", f"{prefix}:chat:events", "MAXLEN", 1)
        mirror.mender.turn = mirror.mender.drop  # type: ignore[method-assign,assignment]
        await mirror.ear.listen(mirror.followed, 1.0)
    assert (await Queue.objects.aget()).cursor.startswith(UNSETTLED)
    async with session(connection) as mirror:
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert not (await Queue.objects.aget()).cursor.startswith(UNSETTLED)


async def test_obliterated_and_filled_again_the_same_ids_are_new_jobs(connection):
    async with session(connection) as mirror:
        before = await add(connection, "chat", 6, data='"old"')
        await turn_until_quiet(mirror)
        await obliterate(connection, "chat")
        after = await add(connection, "chat", 4, data='"new"')
        assert after == before[:4]
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(data='"old"', removed_at=None).acount() == 0
    assert await Job.objects.filter(data='"old"').acount() == 6
    assert await Job.objects.filter(data='"new"', removed_at=None).acount() == 4


async def test_a_queue_that_is_gone_is_closed_with_its_jobs_and_opens_again(connection):
    async with session(connection) as mirror:
        await add(connection, "chat", 1200)
        await turn_until_quiet(mirror)
        await obliterate(connection, "chat")
        await turn_until_quiet(mirror)
        assert await differences() == []
        queue = await Queue.objects.aget()
        assert queue.removed_at is not None
        assert queue.total == 0
        assert await Job.objects.filter(removed_at=None).acount() == 0
        await add(connection, "chat", 2)
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert (await Queue.objects.aget()).removed_at is None


async def test_jobs_removed_behind_its_back_are_closed(connection, prefix):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", 30)
        late = await add(connection, "chat", 30, delay_ms=60_000)
        await turn_until_quiet(mirror)
        for job_id in ids[:10]:
            await redis(connection, "LREM", f"{prefix}:chat:wait", 0, job_id)
            await redis(connection, "DEL", f"{prefix}:chat:{job_id}")
        for job_id in late[:10]:
            await redis(connection, "ZREM", f"{prefix}:chat:delayed", job_id)
            await redis(connection, "DEL", f"{prefix}:chat:{job_id}")
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(removed_at=None).acount() == 40


async def test_a_list_deleted_by_hand_leaves_no_job_waiting_in_the_rows(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 300)
        await turn_until_quiet(mirror)
        await redis(connection, "DEL", f"{prefix}:chat:wait")
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(removed_at=None).acount() == 0


async def test_a_hash_deleted_or_edited_by_hand_is_found_by_the_patrol(connection, prefix):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", 10)
        await turn_until_quiet(mirror)
    await redis(connection, "DEL", f"{prefix}:chat:{ids[3]}")
    await redis(connection, "HSET", f"{prefix}:chat:{ids[1]}", "data", '{"edited":1}')
    assert len(await differences()) == 2
    async with mirror_running(connection):
        await in_step(connection)
    assert (await Job.objects.aget(job_id=ids[1])).data == '{"edited":1}'


async def test_the_differ_names_a_row_altered_by_hand(connection):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", 3)
        await turn_until_quiet(mirror)
    await Job.objects.filter(job_id=ids[0]).aupdate(data="x")
    await Job.objects.filter(job_id=ids[1]).adelete()
    await Job.objects.acreate(queue="chat", job_id="never", timestamp_ms=1, state="waiting")
    await Queue.objects.filter(name="chat").aupdate(waiting=4)
    named = {text.split(":")[0] for text in await differences()}
    assert named == {"chat waiting", f"chat/{ids[1]}", f"chat/{ids[0]} data", "chat/never"}


@pytest.fixture
def own_connection(own_redis, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "bull"}}}
    reset_options()
    yield "default"
    reset_options()


async def test_redis_restarted_with_nothing_closes_everything_and_goes_on(own_redis, own_connection):
    async with mirror_running(own_connection):
        await add(own_connection, "chat", 50)
        await in_step(own_connection)
        own_redis.stop()
        own_redis.start()
        await eventually(_none_open, 15)
        await add(own_connection, "chat", 5)
        await in_step(own_connection)
    assert await Job.objects.filter(removed_at=None).acount() == 5
    assert await Job.objects.acount() == 55


async def test_a_redis_that_hangs_is_given_up_and_found_again(own_redis, own_connection, monkeypatch):
    monkeypatch.setattr(sides, "ANSWER_S", 0.5)
    await add(own_connection, "chat", 50)
    async with mirror_running(own_connection) as mirror:
        await in_step(own_connection)
        own_redis.process.send_signal(signal.SIGSTOP)
        try:
            await eventually(lambda: not mirror.sessions[own_connection].is_open, 10)
        finally:
            own_redis.process.send_signal(signal.SIGCONT)
        await add(own_connection, "chat", 5)
        await in_step(own_connection)


async def _none_open() -> bool:
    return not await Job.objects.filter(removed_at=None).aexists()


async def test_an_older_dump_restored_is_noticed(connection, prefix):
    async with session(connection) as mirror:
        ids = await add(connection, "chat", 4)
        dump = await redis(connection, "DUMP", f"{prefix}:chat:events")
        await turn_until_quiet(mirror)
        await start(connection, "chat", 4)
        await turn_until_quiet(mirror)
        await redis(connection, "RESTORE", f"{prefix}:chat:events", 0, dump, "REPLACE")
        await redis(connection, "DEL", f"{prefix}:chat:active")
        for job_id in ids:
            await redis(connection, "LPUSH", f"{prefix}:chat:wait", job_id)
            await redis(connection, "HDEL", f"{prefix}:chat:{job_id}", "processedOn", "ats", "pb")
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert await Job.objects.filter(state=State.WAITING.value).acount() == 4
