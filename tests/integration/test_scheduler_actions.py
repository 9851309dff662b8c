"""Schedulers as people steer them: paused with their definition kept, put back as they were, run now, changed."""

from __future__ import annotations

import json
import time
from datetime import timedelta

import pytest
from django.utils import timezone

from queues import queue
from queues.actions import guarding, keeping, schedulers
from queues.actions.actor import Actor
from queues.errors import InvalidInput, NotFound, Refused
from queues.lookups.scheduler import Standing
from queues.lookups.schedulers import scheduler, scheduler_detail, scheduler_list
from queues.models import AuditEntry, KeptScheduler
from queues.producer.scheduler import new_schedule
from tests.eventually import eventually
from tests.mirroring import mirror_running
from tests.working import working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
ANA = Actor(None, "ana")
HOUR_MS = 3_600_000


def now_ms() -> int:
    return time.time_ns() // 1_000_000


def record_of(sight, name: str) -> dict[str, str]:
    found = sight.client.hgetall(sight.keys(f"repeat:{name}"))
    return {key.decode(): value.decode() for key, value in found.items()}


def due_ms(sight, name: str) -> int | None:
    score = sight.client.zscore(sight.keys("repeat"), name)
    return None if score is None else int(score)


async def audited(action: str) -> list[str]:
    return [entry.message async for entry in AuditEntry.objects.filter(action=action).order_by("pk")]


# --- pause and resume


@pytest.mark.parametrize(
    "rule",
    [
        {"every_ms": HOUR_MS, "offset_ms": 70, "limit": 9},
        {"every_ms": HOUR_MS},
        {"pattern": "0 0 4 * * *", "tz": "Europe/Berlin", "limit": 9},
        {"pattern": "H H * * *", "tz": "Asia/Kolkata"},
    ],
    ids=["every with an offset", "every", "pattern", "pattern that draws"],
)
async def test_what_was_paused_comes_back_as_it_was(connection, sight, rule):
    end = timezone.now() + timedelta(days=9)
    data = {"größe": [1, None, 12345678901234567890], "a": {"b": "c"}}
    await queue("chat").upsert_scheduler("beat", **rule, end=end, name="tick", data=data, attempts=3, backoff=5)
    before, next_ms, (first,) = record_of(sight, "beat"), due_ms(sight, "beat"), coming(sight)
    job = sight.job(first)
    if sight.ids("wait"):
        # A job that is due already stays, and the next one is another.
        before["ic"] = "2"
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    assert (record_of(sight, "beat"), due_ms(sight, "beat"), sight.ids("delayed")) == ({}, None, [])
    done = await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
    if "every_ms" not in rule or "offset_ms" in rule:
        assert due_ms(sight, "beat") == next_ms
    assert record_of(sight, "beat") == before
    again = sight.job(sight.ids("delayed")[0])
    assert without_count(again) == without_count(job)
    assert "runs again" in done.message
    assert not await KeptScheduler.objects.aexists()


def coming(sight) -> list[str]:
    return sight.ids("delayed") + sight.ids("wait") + sight.ids("prioritized")


def without_count(job: dict[str, str]) -> dict[str, object]:
    opts = json.loads(job.pop("opts"))
    for key in ("timestamp", "delay", "prevMillis", "jobId"):
        opts.pop(key, None)
        job.pop(key, None)
    # The record has it, and that is what counts.
    opts["repeat"].pop("offset", None)
    opts["repeat"].pop("count")
    return {**job, "opts": opts}


async def test_its_limit_counts_on_over_a_pause(connection, sight):
    ran = []

    async def tick(job):
        ran.append(job.id)

    await queue("chat").upsert_scheduler("short", every_ms=60, limit=5)
    async with working(tick):
        await eventually(lambda: len(ran) >= 2)
        await schedulers.pause_scheduler(ANA, connection, "chat", "short")
    made = len(ran)
    kept = keeping.definition_of(await KeptScheduler.objects.aget())
    assert kept.fields["ic"] == str(kept.count)
    async with working(tick):
        await schedulers.resume_scheduler(ANA, connection, "chat", "short")
        await eventually(lambda: (len(ran) >= 5) or None)
        await eventually(lambda: not coming(sight))
    assert 2 <= made <= 5
    assert len(ran) == 5


async def test_a_job_that_was_due_when_it_was_paused_stays_and_counts(connection, sight):
    await queue("chat").upsert_scheduler("two", every_ms=HOUR_MS, limit=2)
    (due,) = sight.ids("wait")
    done = await schedulers.pause_scheduler(ANA, connection, "chat", "two")
    assert f"was left: job “{due}”" in done.message
    await schedulers.resume_scheduler(ANA, connection, "chat", "two")
    assert sight.ids("wait") == [due]
    (following,) = sight.ids("delayed")
    assert json.loads(sight.job(following)["opts"])["repeat"]["count"] == 2
    await queue("chat").upsert_scheduler("one", every_ms=HOUR_MS, limit=1)
    await schedulers.pause_scheduler(ANA, connection, "chat", "one")
    with pytest.raises(Refused, match="made all of its"):
        await schedulers.resume_scheduler(ANA, connection, "chat", "one")


async def test_a_paused_one_is_run_by_nobody_and_its_row_says_who_and_since_when(connection, sight):
    ran = []
    await queue("chat").upsert_scheduler("beat", every_ms=50)

    async def tick(job):
        ran.append(job.id)

    async with working(tick):
        await eventually(lambda: ran)
        await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
        await eventually(lambda: not coming(sight) and not sight.ids("active"))
        count, began = len(ran), time.monotonic()
        await eventually(lambda: time.monotonic() - began > 0.3)
        assert len(ran) == count
    one = await scheduler(connection, "chat", "beat")
    assert (one.standing, one.kept.actor, one.schedule.every_ms) == (Standing.PAUSED, "ana", 50)


async def test_one_that_is_over_is_not_put_back_and_stays_kept(connection, sight):
    await queue("chat").upsert_scheduler("brief", every_ms=HOUR_MS, end=timezone.now() + timedelta(milliseconds=150))
    await schedulers.pause_scheduler(ANA, connection, "chat", "brief")
    end = now_ms() + 200
    await eventually(lambda: now_ms() > end)
    with pytest.raises(Refused, match="its end has passed"):
        await schedulers.resume_scheduler(ANA, connection, "chat", "brief")
    assert await KeptScheduler.objects.acount() == 1
    assert (record_of(sight, "brief"), due_ms(sight, "brief")) == ({}, None)


async def test_what_is_not_there_is_not_paused_and_what_is_not_paused_not_resumed(connection, sight):
    with pytest.raises(NotFound):
        await schedulers.pause_scheduler(ANA, connection, "chat", "none")
    with pytest.raises(NotFound):
        await schedulers.resume_scheduler(ANA, connection, "chat", "none")
    assert not await KeptScheduler.objects.aexists()


# --- the guard


async def test_a_program_that_registers_it_again_is_undone_and_the_record_says_so(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    assert await guarding.guard(connection) == 0
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    assert await guarding.guard(connection) == 1
    assert (due_ms(sight, "beat"), coming(sight)) == (None, [])
    row = await KeptScheduler.objects.aget()
    assert (row.taken_out, row.redefined, row.claim) == (1, "", "")
    assert row.returned_at is not None
    assert "which ana paused: it was taken out again" in (await audited("scheduler.pause"))[-1]


async def test_a_program_that_never_stops_does_not_fill_the_record(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    for _ in range(13):
        await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
        assert await guarding.guard(connection) == 1
    assert (await KeptScheduler.objects.aget()).taken_out == 13
    assert len(await audited("scheduler.pause")) == 11


async def test_a_job_that_registering_made_at_once_goes_with_it(connection, sight):
    await queue("chat").upsert_scheduler("beat", every_ms=HOUR_MS)
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    for job_id in coming(sight):
        await queue("chat").job(job_id).remove()
    await queue("chat").upsert_scheduler("beat", every_ms=HOUR_MS)
    assert len(coming(sight)) == 1
    await guarding.guard(connection)
    assert coming(sight) == []


async def test_a_definition_that_the_program_changed_meanwhile_is_what_comes_back(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC", data={"v": 1})
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    await queue("chat").upsert_scheduler("beat", pattern="0 5 * * *", tz="UTC", data={"v": 2})
    await guarding.guard(connection)
    detail = await scheduler_detail(connection, "chat", "beat")
    assert (detail.redefined.pattern, detail.scheduler.schedule.pattern) == ("0 5 * * *", "0 5 * * *")
    await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
    assert record_of(sight, "beat")["pattern"] == "0 5 * * *"
    assert record_of(sight, "beat")["data"] == '{"v":2}'


async def test_one_that_need_not_stay_paused_is_left_and_said_to_run(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat", stays=False)
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    assert await guarding.guard(connection) == 0
    one = await scheduler(connection, "chat", "beat")
    assert (one.standing, one.kept.returned_at is None) == (Standing.RETURNED, False)
    done = await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
    assert "a program has registered it" in done.message
    assert (await scheduler(connection, "chat", "beat")).standing is Standing.SCHEDULED


async def test_what_is_resumed_just_now_is_not_taken_out(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    row = await KeptScheduler.objects.aget()
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    async with keeping.claimed(row):
        assert await guarding.guard(connection) == 0
    assert due_ms(sight, "beat") is not None
    await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
    assert await guarding.take_out_again(row) is False
    assert due_ms(sight, "beat") is not None


async def test_a_pause_with_an_end_ends_by_itself(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat", until=timezone.now() + timedelta(hours=1))
    await guarding.guard(connection)
    assert due_ms(sight, "beat") is None
    await KeptScheduler.objects.aupdate(until=timezone.now())
    await guarding.guard(connection)
    assert due_ms(sight, "beat") is not None
    assert [e.actor async for e in AuditEntry.objects.filter(action="scheduler.resume")] == ["Toril"]


async def test_a_running_mirror_takes_it_out_within_five_seconds(connection, sight, record_property):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    async with mirror_running(connection):
        await eventually(lambda: AuditEntry.objects.acount)
        await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
        began = time.monotonic()
        await eventually(lambda: due_ms(sight, "beat") is None, 5.0)
        record_property("figures", f"taken out after {time.monotonic() - began:.2f} s")


# --- remove, run, add, edit


async def test_a_removal_can_be_undone_for_a_day(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC", data={"n": 1})
    before, next_ms = record_of(sight, "beat"), due_ms(sight, "beat")
    await schedulers.remove_scheduler(ANA, connection, "chat", "beat")
    listed = await scheduler_list(connection, ["chat"])
    assert ([one.id for one in listed.schedulers], [row.scheduler_id for row in listed.removed]) == ([], ["beat"])
    await schedulers.restore_scheduler(ANA, connection, "chat", "beat")
    assert (record_of(sight, "beat"), due_ms(sight, "beat")) == (before, next_ms)
    await schedulers.remove_scheduler(ANA, connection, "chat", "beat")
    await KeptScheduler.objects.aupdate(since=timezone.now() - timedelta(days=2))
    assert await guarding.forget_removed() == 1


async def test_run_now_adds_a_job_and_leaves_the_next_run_where_it_is(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC", name="tick", data={"n": 1}, attempts=4)
    before, next_ms, delayed = record_of(sight, "beat"), due_ms(sight, "beat"), sight.ids("delayed")
    job_id, _ = await schedulers.run_scheduler(ANA, connection, "chat", "beat")
    assert sight.ids("wait") == [job_id]
    job = sight.job(job_id)
    assert (job["name"], job["data"], json.loads(job["opts"])["attempts"]) == ("tick", '{"n":1}', 4)
    assert (record_of(sight, "beat"), due_ms(sight, "beat"), sight.ids("delayed")) == (before, next_ms, delayed)
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    await schedulers.run_scheduler(ANA, connection, "chat", "beat")
    assert len(sight.ids("wait")) == 2


def changed(name: str, **rule):
    given = {
        "every_ms": None,
        "pattern": None,
        "tz": None,
        "offset_ms": None,
        "limit": None,
        "start": None,
        "end": None,
    }
    return new_schedule(
        "chat", name, **{**given, **rule}, immediately=False, name="tick", data={"v": 2}, options={"attempts": 2}
    )


async def test_editing_keeps_the_count_and_refuses_a_limit_below_it(connection, sight):
    ran = []

    async def tick(job):
        ran.append(job.id)

    await queue("chat").upsert_scheduler("beat", every_ms=40)
    async with working(tick):
        await eventually(lambda: len(ran) >= 3)
    made = int(record_of(sight, "beat")["ic"])
    with pytest.raises(InvalidInput, match="the limit must be at least"):
        await schedulers.edit_scheduler(ANA, connection, "chat", changed("beat", every_ms=40, limit=2))
    await schedulers.edit_scheduler(ANA, connection, "chat", changed("beat", every_ms=40, limit=made + 2))
    async with working(tick):
        await eventually(lambda: not coming(sight) and not sight.ids("active"))
    assert len(ran) <= made + 2


async def test_a_paused_one_is_changed_where_it_is_kept(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    await schedulers.edit_scheduler(ANA, connection, "chat", changed("beat", pattern="0 6 * * *", tz="Europe/Berlin"))
    assert due_ms(sight, "beat") is None
    await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
    record = record_of(sight, "beat")
    assert (record["pattern"], record["tz"], record["data"], record["name"]) == (
        "0 6 * * *",
        "Europe/Berlin",
        '{"v":2}',
        "tick",
    )


async def test_adding_over_one_that_is_there_or_paused_is_refused(connection, sight):
    await queue("chat").upsert_scheduler("beat", pattern="0 4 * * *", tz="UTC")
    new = changed("beat", every_ms=HOUR_MS)
    with pytest.raises(Refused, match="already"):
        await schedulers.add_scheduler(ANA, connection, "chat", new)
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    with pytest.raises(Refused, match="already"):
        await schedulers.add_scheduler(ANA, connection, "chat", new)
    await schedulers.add_scheduler(ANA, connection, "chat", changed("other", every_ms=HOUR_MS))
    assert due_ms(sight, "other") is not None


async def test_in_a_paused_queue_a_change_that_would_double_its_job_is_refused(connection, sight):
    await queue("chat").upsert_scheduler("beat", every_ms=HOUR_MS)
    await eventually(lambda: len(coming(sight)) == 1)
    await queue("chat").pause()
    if sight.ids("delayed"):
        await queue("chat").job(sight.ids("delayed")[0]).promote()
    with pytest.raises(Refused, match="there twice"):
        await schedulers.edit_scheduler(ANA, connection, "chat", changed("beat", every_ms=HOUR_MS))


# --- how they stand


async def test_one_whose_next_job_is_gone_is_stuck_and_one_that_made_all_is_over(connection, sight):
    await queue("chat").upsert_scheduler("gone", pattern="0 4 * * *", tz="UTC")
    for job_id in sight.ids("delayed"):
        sight.client.delete(sight.keys.job(job_id))
        sight.client.zrem(sight.keys("delayed"), job_id)
    await queue("chat").upsert_scheduler("short", every_ms=30, limit=2)

    async def tick(job):
        return None

    async with working(tick):
        await sight.until_count("completed", 2)
    await queue("chat").upsert_scheduler("late", pattern="0 4 * * *", tz="UTC")
    (job_id,) = sight.ids("delayed")
    past = now_ms() - 60_000
    sight.client.zadd(sight.keys("repeat"), {"late": past})
    sight.client.rename(sight.keys.job(job_id), sight.keys.job(f"repeat:late:{past}"))
    sight.client.zrem(sight.keys("delayed"), job_id)
    sight.client.zadd(sight.keys("delayed"), {f"repeat:late:{past}": past * 4096})
    listed = await scheduler_list(connection, ["chat"])
    assert {one.id: one.standing for one in listed.schedulers} == {
        "gone": Standing.STUCK,
        "short": Standing.OVER,
        "late": Standing.LATE,
    }


async def test_its_last_runs_are_told_with_their_results(connection, sight):
    async def tick(job):
        if len(sight.ids("completed")) >= 2:
            raise ValueError("no tokens left")

    await queue("chat").upsert_scheduler("beat", every_ms=40, limit=3)
    async with working(tick):
        await sight.until_count("failed", 1)
    detail = await scheduler_detail(connection, "chat", "beat")
    assert [run.state for run in detail.runs] == ["failed", "completed", "completed"]
    assert "no tokens left" in detail.runs[0].reason


async def test_odd_records_are_listed_with_what_is_wrong(connection, sight):
    sight.client.hset(sight.keys("meta"), "version", "x")
    sight.client.zadd(sight.keys("repeat"), {b"\xff\x00": 5, "name:id::UTC:* * * * *": 7, "nothing": 9, "big": 11})
    sight.client.hset(sight.keys("repeat:big"), mapping={"name": "x" * 100_000, "pattern": "9" * 100_000, "ic": "1"})
    sight.client.set(sight.keys("repeat:nothing"), "no hash")
    listed = await scheduler_list(connection, ["chat", "other"])
    assert [one.standing for one in listed.schedulers] == [
        Standing.STUCK,
        Standing.LEGACY,
        Standing.STUCK,
        Standing.STUCK,
    ]
    for one in listed.schedulers:
        assert (await scheduler_detail(connection, "chat", one.id)).coming == []
