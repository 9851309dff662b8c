"""Crashes, outages and second thoughts: whatever breaks, each job is done once, and what was asked last holds."""

from __future__ import annotations

import asyncio

import pytest

from queues.errors import NotFound, RedisUnavailable, Refused
from queues.mirror.leader import LeaseLost
from queues.models import AuditEntry, Operation, StoredJobs
from queues.operations import Target, cancel, engine, pause, repeat, resume, stored
from queues.protocol import operating, taking
from queues.states import State
from tests.operating import ANA, begun, done, duty, leading, now, run
from tests.planting import plant_failed
from tests.working import working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


class PowerCut(BaseException):
    """Nothing that runs hears of it."""


def _failed(connection):
    return Target.of_state(connection, ["chat"], [State.FAILED])


def _cut(monkeypatch, place, name, *, at, before=False):
    """The process ends in its `at`th call of this function: after Redis was asked, or `before`."""
    real, calls = getattr(place, name), []

    async def cut(*given, **more):
        calls.append(given)
        if before and len(calls) == at:
            raise PowerCut
        answer = await real(*given, **more)
        if len(calls) == at:
            raise PowerCut
        return answer

    monkeypatch.setattr(place, name, cut)
    return lambda: monkeypatch.setattr(place, name, real)


async def _until_cut(operation):
    async with duty() as one:
        with pytest.raises(PowerCut):
            await run(one, operation)


@pytest.mark.parametrize("before", [True, False])
async def test_after_a_crash_nothing_is_retried_twice(connection, client_of_redis, prefix, sight, monkeypatch, before):
    plant_failed(client_of_redis, prefix, "chat", 900)
    operation = await begun(_failed(connection), "retry")
    mend = _cut(monkeypatch, operating, "retry", at=3, before=before)
    await _until_cut(operation)
    mend()
    retried = sight.ids("wait")
    assert 0 < len(retried) < 900
    # Meanwhile one of them ran and failed again: it is not retried once more.
    client_of_redis.lrem(f"{prefix}:chat:wait", 0, retried[0])
    client_of_redis.zadd(f"{prefix}:chat:failed", {retried[0]: operation.created_at.timestamp() * 1000 + 5})
    async with duty() as one:
        await run(one, operation)
    assert len(sight.events("waiting")) == 900
    assert sight.ids("failed") == [retried[0]]
    assert ((await now(operation)).done, (await now(operation)).moved) == (900, 0)


@pytest.mark.parametrize("name", ["take", "copies"])
async def test_after_a_crash_every_removed_job_is_kept(connection, client_of_redis, prefix, sight, monkeypatch, name):
    plant_failed(client_of_redis, prefix, "chat", 700)
    operation = await begun(_failed(connection), "remove")
    mend = _cut(monkeypatch, taking, name, at=2)
    await _until_cut(operation)
    mend()
    async with duty() as one:
        await run(one, operation)
    assert (await now(operation)).done == 700
    assert sight.ids("failed") == []
    assert await stored.count(operation.pk) == 700


@pytest.mark.parametrize("name", ["take", "bring"])
async def test_after_a_crash_every_moved_job_is_in_the_other_queue_once(
    connection, client_of_redis, prefix, sight, monkeypatch, name
):
    plant_failed(client_of_redis, prefix, "chat", 600)
    operation = await begun(_failed(connection), "move", parameters={"queue": "other"})
    mend = _cut(monkeypatch, taking, name, at=2)
    await _until_cut(operation)
    mend()
    # It is cancelled before anybody goes on: what is on its way still arrives, and nothing else leaves.
    await cancel(ANA, operation.pk)
    there = len(sight.ids("failed"))
    async with duty() as one:
        await run(one, operation)
    assert len(sight.ids("failed")) == there
    assert client_of_redis.llen(f"{prefix}:other:wait") == 600 - there
    assert (await now(operation)).done == 600 - there
    assert await StoredJobs.objects.acount() == 0


async def test_a_crash_while_jobs_are_frozen_freezes_them_anew(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 2_500)
    operation = await begun(_failed(connection), "retry")
    await Operation.objects.filter(pk=operation.pk).aupdate(total=2)
    for seq in (1, 2):
        await operation.items.acreate(seq=seq, queue="chat", job_id="ghost", state="failed")
    async with duty() as one:
        await run(one, operation)
    assert ((await now(operation)).total, (await now(operation)).done) == (2_500, 2_500)


async def test_an_outage_of_redis_is_waited_for_and_nothing_is_lost(
    connection, client_of_redis, prefix, sight, monkeypatch
):
    plant_failed(client_of_redis, prefix, "chat", 500)
    operation = await begun(_failed(connection), "retry")
    real, calls = operating.retry, []

    async def away(*given, **more):
        calls.append(await real(*given, **more))
        if len(calls) == 2:
            raise RedisUnavailable("Redis went away before it answered.")
        return calls[-1]

    monkeypatch.setattr(operating, "retry", away)
    async with duty() as one:
        await run(one, operation)
    assert (await now(operation)).done == 500
    assert len(sight.events("waiting")) == 500


async def test_what_redis_refuses_pauses_it_with_its_words(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 5)
    client_of_redis.set(f"{prefix}:chat:wait", "not a list")
    operation = await done(_failed(connection), "retry")
    assert (operation.phase, operation.stopped_itself) == ("paused", True)
    assert "WRONGTYPE" in operation.message
    client_of_redis.delete(f"{prefix}:chat:wait")
    await resume(ANA, operation.pk)
    async with duty() as one:
        await run(one, operation)
    assert (await now(operation)).phase == "done"


async def test_paused_it_stops_within_the_jobs_in_hand_and_resumed_it_goes_on(
    connection, client_of_redis, prefix, sight, monkeypatch
):
    monkeypatch.setattr(engine, "HAND", 100)
    plant_failed(client_of_redis, prefix, "chat", 1_000)
    operation = await begun(_failed(connection), "retry")
    async with duty() as one:
        while not sight.ids("wait"):
            await one.turn()
        await pause(ANA, operation.pk)
        await run(one, operation)
        stopped = await now(operation)
        assert (stopped.phase, stopped.stopped_itself, stopped.done) == ("paused", False, len(sight.ids("wait")))
        assert stopped.done <= 200
        with pytest.raises(Refused, match="is paused"):
            await pause(ANA, operation.pk)
        await resume(ANA, operation.pk)
        await run(one, operation)
    assert len(sight.ids("wait")) == 1_000
    with pytest.raises(Refused, match="is done"):
        await cancel(ANA, operation.pk)
    acts = [entry.action async for entry in AuditEntry.objects.order_by("pk")]
    assert acts == [
        "operation.begin",
        "operation.pause",
        "operation.pause",
        "operation.resume",
        "operation.end",
        "operation.cancel",
    ]


async def test_cancelled_it_leaves_the_rest_and_can_be_repeated(
    connection, client_of_redis, prefix, sight, monkeypatch
):
    monkeypatch.setattr(engine, "HAND", 100)
    plant_failed(client_of_redis, prefix, "chat", 500)
    operation = await begun(_failed(connection), "retry")
    async with duty() as one:
        while not sight.ids("wait"):
            await one.turn()
        await cancel(ANA, operation.pk)
        await run(one, operation)
    ended = await now(operation)
    assert (ended.phase, ended.done, ended.done + ended.left) == ("cancelled", len(sight.ids("wait")), 500)
    again = await repeat(ANA, operation.pk)
    async with duty() as one:
        await run(one, again)
    assert ((await now(again)).done, (await now(again)).repeats_id) == (ended.left, operation.pk)


async def test_it_keeps_its_pace(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 40)
    operation = await begun(_failed(connection), "retry", rate_per_s=40)
    async with duty() as one:
        waits = []
        while (await now(operation)).phase == "running":
            waits.append(await one.turn())
            await asyncio.sleep(waits[-1])
    starts = [int(at.split(b"-")[0]) for at, _ in client_of_redis.xrange(f"{prefix}:chat:events")]
    assert len(starts) == 40
    # By Redis's own clock; slower it may be, on a busy machine.
    assert starts[-1] - starts[0] >= 700


@pytest.mark.parametrize(("count", "most"), [(1_000, 600), (80, 60)])
async def test_it_stops_by_itself_where_too_many_fail_again(connection, client_of_redis, prefix, sight, count, most):
    plant_failed(client_of_redis, prefix, "chat", count)

    async def fail(job):
        raise ValueError("still broken")

    async with working(fail), duty() as one:
        operation = await begun(_failed(connection), "retry", stop_percent=50)
        await run(one, operation)
    stopped = await now(operation)
    assert (stopped.phase, stopped.stopped_itself) == ("paused", True)
    assert "failed again: more than 50 %" in stopped.message
    assert stopped.done <= most


async def test_where_few_fail_again_it_comes_to_its_end(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 450)

    async def succeed(job):
        return "ok"

    async with working(succeed, concurrency=20), duty() as one:
        operation = await begun(_failed(connection), "retry", stop_percent=50)
        await run(one, operation)
    ended = await now(operation)
    assert (ended.phase, ended.done, ended.failed_again) == ("done", 450, 0)
    assert ended.judged > 200


async def test_who_lost_the_lease_writes_nothing_more(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 10)
    operation = await begun(_failed(connection), "retry")
    async with leading(), duty() as one:
        one.leader.epoch -= 1
        with pytest.raises(LeaseLost):
            await run(one, operation)
    assert len(sight.ids("failed")) == 10
    assert (await now(operation)).total == 0


async def test_an_operation_that_is_not_there_is_said_to_be_none(connection):
    for act in (pause, resume, cancel):
        with pytest.raises(NotFound, match="no operation 77"):
            await act(ANA, 77)
