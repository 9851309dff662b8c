"""Bulk work: each action on jobs of each kind of target, frozen, counted, and nobody else's jobs touched."""

from __future__ import annotations

import pytest
from asgiref.sync import sync_to_async

from queues.errors import InvalidInput, Refused
from queues.lookups.filters import Filter
from queues.models import Job, Lease, Operation
from queues.operations import Reach, Target, preview
from queues.producer import queue
from queues.protocol.writes import now_ms
from queues.states import State
from tests.inprocess import in_process  # noqa: F401
from tests.mirroring import add
from tests.operating import begun, done, duty, now, outcomes, run
from tests.planting import plant_delayed, plant_failed, plant_waiting
from tests.searching import kept, take_in

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


async def test_all_failed_jobs_of_a_queue_are_retried(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 2_345)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    plant_failed(client_of_redis, prefix, "other", 3)
    operation = await done(target, "retry")
    assert (operation.phase, operation.total, operation.done, operation.moved) == ("done", 2_345, 2_345, 0)
    assert len(sight.ids("wait")) == 2_345


async def test_the_preview_says_how_many_how_old_where_and_shows_five(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 300)
    plant_failed(client_of_redis, prefix, "mail", 7)
    target = Target.of_state(connection, ["chat", "mail"], [State.FAILED])
    shown = await preview(target, "retry")
    scores = [score for queue in ("chat", "mail") for _id, score in _failed(client_of_redis, prefix, queue)]
    assert (shown.count, shown.is_least, dict(shown.queues)) == (307, False, {"chat": 300, "mail": 7})
    assert (shown.oldest_ms, shown.newest_ms) == (min(scores), max(scores))
    assert [sample.name for sample in shown.samples] == ["work"] * 5
    assert any("No mirror runs" in said for said in shown.warnings)
    assert await Operation.objects.acount() == 0


async def test_of_what_is_in_no_order_at_least_so_many_are_counted(connection, monkeypatch):
    monkeypatch.setattr("queues.operations.previewing.MOST_LOOKED_AT", 500)
    await add(connection, "chat", 1_200)
    shown = await preview(Target.of_state(connection, ["chat"], [State.WAITING]), "remove")
    assert shown.is_least
    assert 500 <= shown.count < 1_200
    assert shown.restorable


async def test_what_comes_after_it_was_asked_for_is_not_meant(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 5)
    target = Target.of_state(connection, ["chat"], [State.FAILED])
    client_of_redis.zadd(f"{prefix}:chat:failed", {"5": target.before_ms + 1})
    operation = await done(target, "retry")
    assert (operation.total, operation.done) == (4, 4)
    assert sight.ids("failed") == ["5"]


async def test_who_moved_on_since_it_was_frozen_is_left_and_counted(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 6)
    operation = await begun(Target.of_state(connection, ["chat"], [State.FAILED]), "retry")
    async with duty() as one:
        while not (await now(operation)).is_collected:
            await one.turn()
        # One was retried and failed again, one was removed, by somebody else.
        client_of_redis.zadd(f"{prefix}:chat:failed", {"2": now_ms()})
        client_of_redis.zrem(f"{prefix}:chat:failed", "4")
        await run(one, operation)
    assert await outcomes(operation) == {"DONE": ["1", "3", "5", "6"], "MOVED": ["2", "4"]}
    assert sight.ids("failed") == ["2"]


async def test_delayed_jobs_are_promoted_but_not_a_schedulers_next_run(connection, sight):
    await plant_delayed(connection, "chat", 30)
    await queue("chat").upsert_scheduler("nightly", pattern="0 3 1 1 *", name="report")
    operation = await done(Target.of_state(connection, ["chat"], [State.DELAYED]), "promote")
    assert (operation.total, operation.done) == (30, 30)
    assert len(sight.ids("wait")) == 30
    assert len(sight.ids("delayed")) == 1


async def test_waiting_jobs_get_another_priority_and_keep_their_order(connection, sight):
    ids = await add(connection, "chat", 1_100)
    operation = await done(
        Target.of_state(connection, ["chat"], [State.WAITING]), "reprioritize", parameters={"priority": 7}
    )
    assert (operation.total, operation.done) == (1_100, 1_100)
    assert sight.ids("prioritized") == ids
    again = await done(
        Target.of_state(connection, ["chat"], [State.PRIORITIZED]), "reprioritize", parameters={"priority": 0}
    )
    assert again.done == 1_100
    assert sight.ids("wait")[::-1] == ids


async def test_chosen_jobs_of_two_queues_are_retried_and_who_is_elsewhere_is_told(
    connection, client_of_redis, prefix, sight
):
    plant_failed(client_of_redis, prefix, "chat", 3)
    plant_failed(client_of_redis, prefix, "mail", 3)
    await plant_waiting(connection, "new", 1)
    chosen = [("chat", "1"), ("chat", "3"), ("mail", "2"), ("chat", "nowhere"), ("new", "1")]
    operation = await done(Target.of_ids(connection, chosen, State.FAILED), "retry")
    assert (operation.total, operation.done, operation.moved) == (5, 3, 2)
    assert set(sight.ids("wait")) == {"1", "3"}


async def test_what_fits_a_filter_is_frozen_with_it(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 40)
    for job_id in ("7", "9", "31"):
        client_of_redis.hset(f"{prefix}:chat:{job_id}", "failedReason", "the disk is full")
    target = Target.of_filter(connection, "chat", State.FAILED, Filter(text="disk"))
    assert Target.from_json(target.to_json()) == target
    assert (await preview(target, "retry")).count == 3
    operation = await done(target, "retry")
    assert (operation.total, operation.done) == (3, 3)
    assert set(sight.ids("wait")) == {"7", "9", "31"}


async def test_who_may_not_read_what_jobs_hold_searches_nothing_in_it(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 3)
    target = Target.of_filter(connection, "chat", State.FAILED, Filter(text="answer"))
    operation = await done(target, "retry", reach=Reach(payloads=()))
    assert (operation.phase, operation.total, operation.stopped_itself) == ("paused", 0, True)
    assert "may not read" in operation.message
    assert len(sight.ids("failed")) == 3


async def test_a_group_of_failures_is_retried_where_its_asker_may(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 4)
    plant_failed(client_of_redis, prefix, "mail", 2)
    for name in ("chat", "mail"):
        for job_id, ended in _failed(client_of_redis, prefix, name):
            row = Job(connection=connection, queue=name, job_id=job_id, state="failed", timestamp_ms=ended - 1_000)
            row.finished_on_ms, row.failure_group = ended, 9 if job_id != "1" else 8
            await row.asave()
    # The row tells of an earlier job of that id.
    await Job.objects.filter(queue="chat", job_id="3").aupdate(timestamp_ms=5)
    operation = await done(Target.of_group(connection, 9), "retry", reach=Reach(queues=("chat",)))
    assert (operation.total, operation.done) == (2, 2)
    assert set(sight.ids("wait")) == {"2", "4"}


async def test_a_closed_queue_is_left_alone_and_says_why(connection, client_of_redis, prefix, sight, settings):
    plant_failed(client_of_redis, prefix, "chat", 3)
    operation = await begun(Target.of_state(connection, ["chat"], [State.FAILED]), "retry")
    settings.TORIL = {**settings.TORIL, "QUEUES": {"chat": {"read_only": True}}}
    async with duty() as one:
        await run(one, operation)
    assert (await now(operation)).stayed == 3
    assert "read-only" in (await operation.items.afirst()).note
    assert len(sight.ids("failed")) == 3


@pytest.mark.parametrize(
    ("action", "states", "parameters", "sentence"),
    [
        ("explode", ["failed"], {}, "no action “explode”"),
        ("promote", ["failed"], {}, "cannot be promoted"),
        ("move", ["failed"], {}, "which queue"),
        ("move", ["failed"], {"queue": "chat"}, "in this queue already"),
        ("move", ["failed"], {"queue": "a:b"}, "cannot contain"),
        ("reprioritize", ["waiting"], {"priority": "x"}, "whole number"),
        ("restore", ["failed"], {}, "Only what an operation removed"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_a_sentence(connection, action, states, parameters, sentence):
    target = Target.of_state(connection, ["chat"], [State(state) for state in states])
    with pytest.raises(InvalidInput, match=sentence):
        await begun(target, action, parameters=parameters)
    assert await Operation.objects.acount() == 0


def _failed(client, prefix, name):
    return [
        (job_id.decode(), int(score))
        for job_id, score in client.zrange(f"{prefix}:{name}:failed", 0, -1, withscores=True)
    ]


async def test_what_a_search_finds_is_retried_where_its_asker_may(connection, client_of_redis, prefix, sight):
    for name in ("chat", "mail"):
        plant_failed(client_of_redis, prefix, name, 3, reason="the disk is full")
        for job_id, ended in _failed(client_of_redis, prefix, name):
            row = await sync_to_async(kept)(job_id, name, state="failed", failed_reason="the disk is full")
            await Job.objects.filter(pk=row.pk).aupdate(timestamp_ms=ended - 1_000, finished_on_ms=ended)
    # One has gone since, and the mirror does not know it yet.
    client_of_redis.zrem(f"{prefix}:chat:failed", "2")
    client_of_redis.delete(f"{prefix}:chat:2")
    await sync_to_async(take_in)()
    target = Target.of_search(connection, "state:failed disk")
    assert (await preview(target, "retry")).count == 5
    assert (await preview(target, "retry", Reach(payloads=()))).count == 0
    await Lease.objects.all().adelete()
    operation = await done(target, "retry", reach=Reach(queues=("chat",)))
    assert (operation.total, operation.done, operation.queues) == (2, 2, '["chat"]')
    assert set(sight.ids("wait")) == {"1", "3"}
    with pytest.raises(InvalidInput):
        await preview(Target.of_search(connection, 'state:"'), "retry")


async def test_a_search_that_cannot_be_read_pauses_the_operation_and_names_the_part(connection):
    operation = await done(Target.of_search(connection, "state:nowhere"), "retry")
    assert (operation.phase, operation.stopped_itself) == ("paused", True)
    assert "nowhere" in operation.message


async def test_where_jobs_run_in_process_there_are_none(in_process):  # noqa: F811
    target = Target.of_state("default", ["chat"], [State.FAILED])
    assert "run in the process" in (await preview(target, "retry")).why_not
    with pytest.raises(Refused, match="run in the process"):
        await begun(target, "retry")


async def test_odd_jobs_stop_nobody(connection, client_of_redis, prefix, sight):
    plant_failed(client_of_redis, prefix, "chat", 3)
    odd = {"x" * 2_000: 5.0, b"\xff\x00": 6.0, "wait": 7.0, "ghost": 8.0, "1": -1.0}
    client_of_redis.zadd(f"{prefix}:chat:failed", odd)
    client_of_redis.hset(f"{prefix}:chat:".encode() + b"\xff\x00", mapping={"name": "odd", "timestamp": "soon"})
    operation = await done(Target.of_state(connection, ["chat"], [State.FAILED]), "retry")
    # No hash: gone. Longer than a column, a key of the queue's own, or ended before time began: not even meant.
    assert (operation.done, operation.moved, operation.total) == (3, 1, 4)
    assert client_of_redis.exists(f"{prefix}:chat:wait")
    assert len(sight.ids("failed")) == 4
