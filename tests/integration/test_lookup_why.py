"""Why a job or a queue waits, on a real Redis, with real workers: each cause by itself."""

from __future__ import annotations

import asyncio
import time

import pytest

from queues import queue as handle_of
from queues.actions.actor import Actor
from queues.actions.queues import pause_queue
from queues.lookups import heard, metrics
from queues.lookups.jobs import job_detail
from queues.lookups.snapshot import refresh
from queues.lookups.why import Cause, Reason, why_job, why_queue
from queues.processors import Registry
from queues.protocol import fleet, writes
from queues.protocol.connections import wire
from queues.protocol.keys import FleetKeys
from queues.protocol.reads import standing
from tests.eventually import eventually
from tests.working import operating, working

pytestmark = pytest.mark.django_db(transaction=True)

chat = handle_of("chat")


@pytest.fixture(autouse=True)
def always_anew(monkeypatch):
    """Who serves is asked at most every few seconds; here things change faster."""
    monkeypatch.setattr(heard, "EVERY_S", -1.0)


async def of_queue(connection: str) -> dict[Cause, Reason]:
    found = (await refresh(connection, ["chat"])).queue("chat")
    return {reason.cause: reason for reason in await why_queue(found)}


async def of_job(connection: str, job_id: str) -> list[Reason]:
    found = (await refresh(connection, ["chat"])).queue("chat")
    return await why_job((await job_detail(connection, "chat", job_id)).job, found)


async def causes(connection: str, job_id: str) -> list[Cause]:
    return [reason.cause for reason in await of_job(connection, job_id)]


async def idle(job):
    await asyncio.sleep(60)


async def test_no_live_worker_serves_the_queue(connection):
    added = await chat.add("x")
    assert await causes(connection, added.id) == [Cause.NO_WORKER, Cause.NEXT]
    assert set(await of_queue(connection)) == {Cause.NO_WORKER, Cause.BACKLOG}


async def test_a_worker_that_fell_silent_is_no_live_one_and_its_silence_is_told(connection, prefix):
    added = await chat.add("x")
    now, k = int(time.time() * 1000), FleetKeys(prefix)
    beat = fleet.Beat("w1", "web-3", beat_ms=now - 14_000, queues=(fleet.Share("chat", 5),))
    await wire(connection).run(fleet.beat_commands(k, beat))
    first, *_ = await of_job(connection, added.id)
    assert first.cause is Cause.NO_WORKER
    assert 13_000 < first.ms < 60_000


async def test_paused_by_whom_since_when(connection):
    added = await chat.add("x")
    await pause_queue(Actor(None, "ana"), connection, "chat")
    first, *_ = await of_job(connection, added.id)
    assert (first.cause, first.text) == (Cause.PAUSED, "ana")
    assert abs(first.at_ms - time.time() * 1000) < 60_000


async def test_a_pause_from_elsewhere_is_nobodys(connection):
    await chat.add("x")
    await writes.pause(connection, "chat")
    assert (await of_queue(connection))[Cause.PAUSED] == Reason(Cause.PAUSED)


async def test_paused_and_empty_is_told_too_and_running_and_empty_is_not(connection):
    added = await chat.add("x")
    await added.remove()
    assert await of_queue(connection) == {}
    await writes.pause(connection, "chat")
    assert set(await of_queue(connection)) == {Cause.PAUSED}


async def test_the_queues_own_rate_limit_is_used_up(connection):
    async with operating(lambda job: None):
        await chat.set_rate_limit(2, 60_000)
        added = await chat.add_bulk([{"name": "x"}] * 4)
        await eventually(lambda: chat.counts(), what="counts")

        async def limited():
            return (await of_queue(connection)).get(Cause.LIMITED)

        reason = await eventually(limited, what="the limit is used up")
        assert (reason.of, reason.period_ms) == (2, 60_000)
        assert 0 < reason.ms <= 60_000

        async def told():
            return await causes(connection, added[-1].id) == [Cause.LIMITED, Cause.BEHIND]

        await eventually(told, what="the two that may run are over")


async def test_the_workers_own_rate_limit_is_known_from_their_heartbeat(connection):
    from queues.options import Limiter

    async with operating(lambda job: None, limiter=Limiter(1, 60_000)):
        await chat.add_bulk([{"name": "x"}] * 3)

        async def limited():
            return (await of_queue(connection)).get(Cause.LIMITED)

        reason = await eventually(limited, what="the limit is used up")
        assert (reason.of, reason.period_ms) == (1, 60_000)


async def test_a_rate_limit_set_by_hand(connection, sight):
    added = await chat.add("x")
    sight.client.set(sight.keys("limiter"), 2**53 - 1, px=30_000)
    assert Cause.HELD in await causes(connection, added.id)


async def test_global_concurrency_is_reached(connection):
    async with operating(idle, concurrency=5):
        await chat.set_concurrency(2)
        added = await chat.add_bulk([{"name": "x"}] * 4)

        async def reached():
            return (await of_queue(connection)).get(Cause.CONCURRENCY)

        reason = await eventually(reached, what="two run")
        assert (reason.count, reason.of) == (2, 2)
        assert await causes(connection, added[2].id) == [Cause.CONCURRENCY, Cause.NEXT]


async def test_every_slot_is_busy(connection):
    async with operating(idle, concurrency=2):
        added = await chat.add_bulk([{"name": "x"}] * 5)

        async def busy():
            return (await of_queue(connection)).get(Cause.BUSY)

        reason = await eventually(busy, timeout_s=8, what="the heartbeat tells of two jobs")
        assert (reason.count, reason.of) == (2, 2)
        last = await of_job(connection, added[-1].id)
        assert [r.cause for r in last] == [Cause.BUSY, Cause.BEHIND]
        assert last[-1].count == 2


async def test_workers_that_are_quiet_take_nothing(connection):
    async with operating(idle) as worker:
        worker.quiet()
        added = await chat.add("x")

        async def resting():
            return [one for one in await of_job(connection, added.id) if one.cause is Cause.RESTING]

        (reason,) = await eventually(resting, what="the heartbeat says quiet")
        assert reason.count == 1


async def test_a_name_that_no_worker_has_a_processor_for(connection):
    registry = Registry()
    registry.processor("chat", name="resolve")(idle)
    async with operating(idle, job_name="resolve", concurrency=1):
        await chat.add("resolve")
        wrong = await chat.add("reslove")

        async def unknown():
            return [one for one in await of_job(connection, wrong.id) if one.cause is Cause.UNKNOWN_NAME]

        (reason,) = await eventually(unknown, what="the heartbeat tells its names")
        assert reason.text == "reslove"
        assert Cause.UNKNOWN_NAME in await of_queue(connection)


async def test_a_worker_that_is_not_ours_may_know_every_name(connection):
    async with operating(idle, job_name="resolve"), working(idle, worker_name="other"):
        wrong = await chat.add("reslove", delay_ms=60_000)
        assert await causes(connection, wrong.id) == [Cause.DUE]


async def test_behind_so_many_jobs_at_the_present_rate(connection, monkeypatch):
    async def pulses(connection):
        return {"chat": metrics.Pulse(completed=(None,) * 55 + (120,) * 5)}

    monkeypatch.setattr(metrics, "pulses", pulses)
    async with operating(idle, concurrency=1):
        added = await chat.add_bulk([{"name": "x"}] * 102)

        async def started():
            return (await chat.counts())["active"] == 1

        await eventually(started, what="the first is taken")
        reason = (await of_job(connection, added[-1].id))[-1]
        assert (reason.cause, reason.count, reason.ms) == (Cause.BEHIND, 100, 50_000)


async def test_a_prioritized_job_runs_after_all_that_have_no_priority(connection):
    await chat.add_bulk([{"name": "x"}] * 3)
    low, high = await chat.add("x", priority=9), await chat.add("x", priority=1)
    assert (await of_job(connection, low.id))[-1].count == 4
    assert (await of_job(connection, high.id))[-1].count == 3


async def test_a_list_too_long_to_walk_is_walked_so_far_and_no_further(connection, monkeypatch):
    monkeypatch.setattr(standing, "FURTHEST", 5)
    added = await chat.add_bulk([{"name": "x"}] * 9)
    reason = (await of_job(connection, added[-1].id))[-1]
    assert (reason.count, reason.is_at_least) == (5, True)
    assert not (await of_job(connection, added[2].id))[-1].is_at_least


async def test_waiting_for_children(connection, sight):
    flow = (await chat.add_flow("parent", children=[{"queue": "leaf", "name": "c"}] * 9)).job
    assert await of_job(connection, flow.id) == [Reason(Cause.CHILDREN, 9, 9)]
    key = sight.keys.job(flow.id) + b":dependencies"
    for member in list(sight.client.smembers(key))[:5]:
        sight.client.srem(key, member)
        sight.client.hset(sight.keys.job(flow.id) + b":processed", member, "1")
    assert await of_job(connection, flow.id) == [Reason(Cause.CHILDREN, 4, 9)]


async def test_due_later_and_overdue(connection, sight):
    async with operating(idle):
        later = await chat.add("x", delay_ms=7_200_000)
        (reason,) = await of_job(connection, later.id)
        assert reason.cause is Cause.DUE
        assert abs(reason.at_ms - time.time() * 1000 - 7_200_000) < 60_000
    sight.client.zadd(sight.keys("delayed"), {later.id: (time.time() * 1000 - 5_000) * 4096})
    assert await causes(connection, later.id) == [Cause.OVERDUE, Cause.NO_WORKER]


async def test_backing_off_says_which_attempt_is_next(connection):
    async def fail(job):
        raise ValueError("no")

    async with operating(fail):
        added = await chat.add("x", attempts=5, backoff={"type": "fixed", "delay": 60_000})

        async def waits():
            return [one for one in await of_job(connection, added.id) if one.cause is Cause.BACKOFF]

        (reason,) = await eventually(waits, what="it failed once")
        assert (reason.count, reason.of) == (2, 5)


async def test_an_active_job_whose_lock_is_gone(connection, sight):
    async with operating(idle):
        added = await chat.add("x")
        await sight.until("active", added.id)
        assert await of_job(connection, added.id) == []
        sight.client.delete(sight.keys.job(added.id) + b":lock")
        assert await causes(connection, added.id) == [Cause.LOST]


async def test_a_job_that_no_list_holds(connection, sight):
    added = await chat.add("x")
    sight.client.delete(sight.keys("wait"))
    assert await causes(connection, added.id) == [Cause.LISTLESS]


async def test_a_job_that_will_be_failed(connection, sight):
    added = await chat.add("x")
    sight.client.hset(sight.keys.job(added.id), "defa", "child failed")
    assert (await of_job(connection, added.id))[0] == Reason(Cause.FAILS, text="child failed")


async def test_a_key_of_the_wrong_type(connection, sight):
    added = await chat.add("x", delay_ms=60_000)
    sight.client.delete(sight.keys("wait"))
    sight.client.set(sight.keys("wait"), "odd")
    assert set(await of_queue(connection)) == {Cause.BROKEN}
    assert await causes(connection, added.id) == [Cause.BROKEN]


async def test_where_client_list_is_forbidden_no_absence_is_claimed(connection, client_of_redis, prefix, settings):
    added = await chat.add("x")
    client_of_redis.acl_setuser(
        f"u{prefix}", enabled=True, nopass=True, keys=["*"], channels=["*"], commands=["+@all", "-client|list"]
    )
    try:
        port = client_of_redis.connection_pool.connection_kwargs["port"]
        url = f"redis://u{prefix}:x@127.0.0.1:{port}/0"
        settings.TORIL = {**settings.TORIL, "CONNECTIONS": {"default": {"URL": url, "PREFIX": prefix}}}
        from queues.options import reset_options

        reset_options()
        assert Cause.UNSEEN in await causes(connection, added.id)
    finally:
        client_of_redis.acl_deluser(f"u{prefix}")


async def test_one_that_has_ended_needs_no_reason(connection):
    async with operating(lambda job: 1):
        added = await chat.add("x")
        await added.result(timeout_s=5)
        assert await of_job(connection, added.id) == []
