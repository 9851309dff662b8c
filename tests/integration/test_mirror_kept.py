"""What the settings keep of which jobs, in which form, for how long and up to what size."""

from __future__ import annotations

import os
from base64 import b64encode
from datetime import timedelta
from zlib import crc32

import pytest
from asgiref.sync import sync_to_async
from django.utils import timezone

from queues.lookups.mirror_state import mirror_state
from queues.lookups.search.entries import entry
from queues.mirror import attempts, prune
from queues.mirror.indexing import index
from queues.mirror.leader import Leader
from queues.mirror.policy import LEFT_OUT
from queues.mirror.prune import Prune
from queues.models import Attempt, Job, MirrorSize
from queues.options import reset_options
from tests.mirroring import add, differences, finish, redis, session, start, turn_until_quiet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
SECRET = '{"user":1,"password":"hunter2"}'


@pytest.fixture
def keep(settings):
    """Sets `TORIL["MIRROR"]`."""

    def keep(**told) -> None:
        settings.TORIL = {**settings.TORIL, "MIRROR": told}
        reset_options()

    return keep


async def test_of_a_queue_that_keeps_failed_jobs_only_those_have_rows_and_are_followed_on(connection, keep):
    keep(QUEUES={"ch*": {"JOBS": "failed"}})
    async with session(connection) as mirror:
        await add(connection, "chat", 6)
        await turn_until_quiet(mirror)
        assert not await Job.objects.aexists()
        good, bad, worse = await start(connection, "chat", 3)
        await finish(connection, "chat", [good])
        await finish(connection, "chat", [bad], "boom", is_failed=True)
        await finish(connection, "chat", [worse], "gone", is_failed=True, keep={"count": 0})
        await add(connection, "mail", 2)
        await turn_until_quiet(mirror)
        assert await differences() == []
        await redis(connection, "HSET", f"{mirror.sides.prefix}:chat:{bad.decode()}", "failedReason", "bang")
        await redis(connection, "ZREM", f"{mirror.sides.prefix}:chat:failed", bad)
        await redis(connection, "LPUSH", f"{mirror.sides.prefix}:chat:wait", bad)
        await redis(connection, "XADD", f"{mirror.sides.prefix}:chat:events", "*", "event", "waiting", "jobId", bad)
        await turn_until_quiet(mirror)
    rows = {row.job_id: row async for row in Job.objects.filter(queue="chat")}
    assert set(rows) == {bad.decode(), worse.decode()}
    assert (rows[bad.decode()].state, rows[bad.decode()].failed_reason) == ("waiting", "bang")
    assert rows[worse.decode()].removed_at is not None
    assert await Job.objects.filter(queue="mail").acount() == 2


async def test_of_a_sampled_queue_one_in_so_many_is_kept_by_its_id_and_each_that_failed(connection, keep):
    keep(JOBS="sampled", SAMPLE=4)
    async with session(connection) as mirror:
        ids = await add(connection, "chat", 40)
        sampled = {job_id for job_id in ids if crc32(job_id.encode()) % 4 == 0}
        await turn_until_quiet(mirror)
        assert await differences() == []
        failed = next(job_id for job_id in await start(connection, "chat", 40) if job_id.decode() not in sampled)
        await finish(connection, "chat", [failed], "boom", is_failed=True)
        await turn_until_quiet(mirror)
        assert await differences() == []
    assert {row.job_id async for row in Job.objects.all()} == sampled | {failed.decode()}
    assert 0 < len(sampled) < 40


async def test_of_a_queue_that_keeps_nothing_no_job_is_read_and_older_rows_go(connection, keep):
    async with session(connection) as mirror:
        await add(connection, "chat", 3)
        await turn_until_quiet(mirror)
    keep(QUEUES={"chat": {"JOBS": "none"}})
    async with session(connection, patrols=True) as mirror:
        await add(connection, "chat", 3)
        await turn_until_quiet(mirror)
        assert not mirror.is_mending
        assert await differences() == []
    assert not await Job.objects.aexists()


async def test_payloads_are_masked_before_they_are_written_and_nothing_differs_for_it(connection, keep):
    keep(PAYLOADS="masked")
    async with session(connection) as mirror:
        (kept,) = await add(connection, "chat", data=SECRET)
        await turn_until_quiet(mirror)
        first = (await Job.objects.aget(job_id=kept)).change
        (gone,) = await add(connection, "chat")
        active = await start(connection, "chat", 2)
        await finish(connection, "chat", active[:1], SECRET)
        await finish(connection, "chat", active[1:], "password=hunter2", is_failed=True, keep={"count": 0})
        await turn_until_quiet(mirror)
        assert await differences() == []
        row = await Job.objects.aget(job_id=kept)
        mirror.followed["chat"].cursor = "0-0"
        await turn_until_quiet(mirror)
        assert (await Job.objects.aget(job_id=kept)).change == row.change > first
    failed = await Job.objects.aget(job_id=gone)
    assert '"user":1' in row.data
    assert not [text for text in (row.data, row.return_value, failed.failed_reason) if "hunter2" in text or not text]


async def test_payloads_are_left_out_and_the_row_says_so(connection, keep):
    keep(PAYLOADS="none")
    async with session(connection) as mirror:
        await add(connection, "chat", data=SECRET, name="talk")
        await finish(connection, "chat", await start(connection, "chat"), SECRET)
        await turn_until_quiet(mirror)
        assert await differences() == []
    row = await Job.objects.aget()
    assert (row.name, row.data, row.return_value, row.problem_list) == ("talk", "", "", [LEFT_OUT])


async def test_how_much_of_a_field_is_kept_is_a_setting(connection, keep):
    keep(QUEUES={"chat": {"PAYLOAD_KB": 1}})
    async with session(connection) as mirror:
        await add(connection, "chat", data='"' + "x" * 5_000 + '"')
        await turn_until_quiet(mirror)
        assert await differences() == []
    row = await Job.objects.aget()
    assert (len(row.data), row.problem_list) == (1_024, ["data is cut: 1024 of 5002 bytes are kept"])


def removed(count: int, days_ago: float, data: str = "{}") -> list[int]:
    at = timezone.now() - timedelta(days=days_ago)
    return [
        Job.objects.create(queue="chat", job_id=f"{days_ago}-{n}", state="completed", removed_at=at, data=data).pk
        for n in range(count)
    ]


async def pruned() -> None:
    leader = Leader()
    duty = Prune(leader)
    try:
        await duty.database.call(leader.try_take)
        while await duty.turn() != prune.EVERY_S:
            pass
    finally:
        await duty.database.call(leader.give_back)
        await duty.database.close()


async def test_what_a_mirror_keeps_is_measured_anew_as_soon_as_its_first_rows_may_have_come(connection):
    leader = Leader()
    duty = Prune(leader)
    try:
        await duty.database.call(leader.try_take)
        assert await duty.turn() == prune.EVERY_S
        assert (await MirrorSize.objects.aget(name="jobs")).rows == 0
        await sync_to_async(removed)(3, 0)
        await duty.turn()
        assert (await MirrorSize.objects.aget(name="jobs")).rows == 3
    finally:
        await duty.database.call(leader.give_back)
        await duty.database.close()


async def test_rows_are_kept_for_a_time_and_those_of_jobs_in_redis_for_as_long_as_these_are(
    connection, keep, monkeypatch
):
    keep(KEEP_DAYS=30)
    monkeypatch.setattr(prune, "BATCH", 4)
    forgotten: list[int] = []
    monkeypatch.setattr(prune, "FORGET", [*prune.FORGET, forgotten.extend])
    old = await sync_to_async(removed)(10, 31)
    new = await sync_to_async(removed)(3, 29)
    live = await Job.objects.acreate(queue="chat", job_id="live", state="waiting")
    await pruned()
    assert {pk async for pk in Job.objects.values_list("pk", flat=True)} == {*new, live.pk}
    assert sorted(forgotten) == sorted(old)


async def test_rows_that_are_too_large_together_go_oldest_first(connection, keep):
    keep(KEEP_DAYS=None, KEEP_MB=1)
    # What can be compressed, PostgreSQL stores in less.
    data = b64encode(os.urandom(24 * 1024)).decode()
    live = await Job.objects.acreate(queue="chat", job_id="live", state="waiting", data=data)
    await sync_to_async(removed)(30, 3, data)
    new = await sync_to_async(removed)(10, 2, data)
    await pruned()
    await pruned()
    left = {pk async for pk in Job.objects.values_list("pk", flat=True)}
    assert {live.pk, *new} <= left
    assert len(left) < 35
    size = (await mirror_state()).size()
    assert size is not None
    assert (size.rows, size.removed) == (len(left), len(left) - 1)
    assert size.bytes <= 1.1 * prune.MB


async def test_a_row_that_opens_while_it_is_chosen_is_not_pruned(monkeypatch):
    row = await Job.objects.acreate(queue="chat", job_id="1", timestamp_ms=1, state="failed")
    leader = Leader()
    await sync_to_async(leader.try_take)()
    duty = Prune(leader)
    # Chosen when it was removed; restored before the transaction began.
    monkeypatch.setattr(duty, "_doomed", lambda: [row.pk])
    await sync_to_async(duty._some)()
    assert await Job.objects.filter(pk=row.pk).aexists()


async def test_what_search_and_attempts_keep_of_a_job_counts_too(connection):
    """Of short jobs that is more than their rows: who says how much may be kept means all of it."""
    assert attempts.weigh in prune.WEIGH
    await sync_to_async(removed)(40, 3)
    bare = await sync_to_async(prune.measure)()
    rows = [job async for job in Job.objects.all()]
    await sync_to_async(index)([(job.pk, entry(job)) for job in rows])
    indexed = await sync_to_async(prune.measure)()
    assert indexed.bytes > bare.bytes + 40 * 200
    await Attempt.objects.abulk_create(Attempt(row=job, number=n) for job in rows for n in range(10))
    assert (await sync_to_async(prune.measure)()).bytes >= indexed.bytes + 40 * 10 * 100
