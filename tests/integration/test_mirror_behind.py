"""A mirror that cannot keep up: what it gives up, what it says of it, and that it comes back into step."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from django.utils import timezone

from queues.lookups.mirror_state import leads, mirror_state
from queues.mirror.followed import ALL, Kind
from queues.models import Cursor, Job, Lease
from queues.protocol.reads import bulk
from queues.protocol.reads.pulses import pulses
from tests.eventually import eventually
from tests.mirroring import add, differences, finish, in_step, mirror_running, session, start, turn_until_quiet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


async def test_pages_are_told_that_it_leads_how_far_it_is_behind_and_what_it_gave_up(connection, prefix):
    assert not await leads()
    assert (await mirror_state()).is_known is False
    await add(connection, "chat", 5)
    async with mirror_running(connection) as mirror:
        await in_step(connection)
        await eventually(lambda: _said(connection, losses=0))
        state = await mirror_state()
        assert state.leads
        assert await leads()
        assert state.feed_lag_s("nobody") is None
        assert await eventually(_size)
        await finish(connection, "chat", await start(connection, "chat", 5))
        told = mirror.sessions[connection]
        pulse = (await pulses(told.sides.on, prefix, ["chat"]))["chat"]
        await told.sides.lose(told.followed["chat"], pulse, "its event stream was trimmed before it was read")
        await eventually(lambda: _said(connection, losses=1))
        await in_step(connection)
    (said,) = (await mirror_state()).connections
    assert said.lost_queue == "chat"
    assert "trimmed before it was read" in said.lost_why
    assert "s of events" in said.lost_why
    assert not await leads()
    assert (await mirror_state()).lag_s(connection) is None


async def test_a_lease_that_nobody_renews_leads_nothing_however_it_is_held(transactional_db):
    await Lease.objects.acreate(name="mirror", holder="web-1:7:x:y", until=None)
    assert not await leads()
    state = await mirror_state()
    assert (state.leads, state.is_known, state.holder) == (False, True, "web-1")


async def test_a_follower_is_as_late_as_the_oldest_change_it_has_not_taken(transactional_db):
    now = timezone.now()
    await Cursor.objects.acreate(name="search", at=1)
    await Cursor.objects.acreate(name="failures", at=3)
    for change, age_s in ((1, 900), (2, 600), (3, 300)):
        await Job.objects.acreate(
            queue="chat", job_id=str(change), state="failed", change=change, synced_at=now - timedelta(seconds=age_s)
        )
    lags = {fed.name: fed.lag_s for fed in (await mirror_state()).feeds}
    assert lags["failures"] == 0
    assert 600 <= lags["search"] < 900


async def test_a_walk_reads_no_finished_job_again_of_which_it_has_the_row(connection, monkeypatch):
    async with session(connection) as mirror:
        await add(connection, "chat", 30)
        await finish(connection, "chat", await start(connection, "chat", 20))
        await turn_until_quiet(mirror)
        await Job.objects.filter(job_id="1").adelete()
        read: list[str] = []
        sights = bulk.job_sights

        async def job_sights(on, k, job_ids, limit):
            read.extend(job_ids)
            return await sights(on, k, job_ids, limit)

        monkeypatch.setattr(bulk, "job_sights", job_sights)
        mirror.followed["chat"].wanted = ALL
        await turn_until_quiet(mirror)
        # Those that wait, and the one that was missing.
        assert set(read) == {"1", *map(str, range(21, 31))}
        assert await differences() == []


async def test_between_two_walks_under_too_much_traffic_it_rests_and_then_is_in_step(connection, prefix):
    async with session(connection) as mirror:
        await add(connection, "chat", 10)
        await turn_until_quiet(mirror)
        queue = mirror.followed["chat"]
        queue.wanted = ALL
        await mirror.mender._begin(queue)
        assert queue.work is not None
        assert queue.work.kind is Kind.WALK
        # More is missed while it goes on.
        queue.work.began_at -= 20.0
        queue.is_settled, queue.is_lost, queue.wanted = False, True, ALL
        while queue.work is not None:
            await mirror.mender._step(queue, mirror.followed)
        assert queue.rest_until > time.monotonic()
        assert queue.is_in_doubt
        assert not queue.is_pressing
        assert not queue.is_settled
        queue.rest_until = 0.0
        await turn_until_quiet(mirror)
        assert await differences() == []
        assert queue.is_settled


async def _said(connection: str, losses: int) -> bool:
    found = [each for each in (await mirror_state()).connections if each.connection == connection]
    return bool(found) and found[0].losses >= losses


async def _size() -> bool:
    return (await mirror_state()).size() is not None
