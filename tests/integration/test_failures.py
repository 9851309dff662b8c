"""Failures are grouped by their cause and counted once each, whatever the mirror tells how often."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

import pytest
from django.db import transaction
from django.db.models import Sum

from queues.actions.actor import Actor
from queues.actions.failures import merge, split_by_value
from queues.lookups.failures import keys_of
from queues.mirror import failure_rows
from queues.mirror.failure_rows import forget_some
from queues.mirror.failures import move_some
from queues.models import FailureCause, FailureCount, FailureEvent, FailureGroup, FailureSpot, Job
from tests.failing import failed_job, grouped, in_database, python_stack, regrouped, written_again

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]
CAUSES = [
    ("TimeoutError", "model did not answer within {n} s"),
    ("HTTPError", "Request {n} failed with status code 429"),
    ("HTTPError", "Request {n} failed with status code 503"),
    ("KeyError", "'choices'"),
    ("ValidationError", "conversationId must be a UUID, got '{n}a0b1c2d3e4f5'"),
    ("Error", "connect ECONNREFUSED 10.0.0.{n}:6379"),
    ("FileNotFoundError", "No such file: '/var/uploads/{n}/page.pdf'"),
]
NAMES = ("chat", "title", "follow-up")


def counted(**of: object) -> int:
    return FailureSpot.objects.filter(**of).aggregate(n=Sum("total"))["n"] or 0


def seven_causes(count: int) -> list[Job]:
    """Of 7 causes × 3 names, made by Node and by Python in turn."""
    jobs = []
    for n in range(count):
        kind, words = CAUSES[n % 7]
        reason = words.format(n=n % 250)
        stack = python_stack(f"app.errors.{kind}", reason) if kind == "KeyError" else ""
        jobs.append(failed_job(n, reason, name=NAMES[n // 7 % 3], queue=f"q{n % 2}", kind=kind, stack=stack))
    return jobs


async def test_ten_thousand_failures_of_seven_causes_and_three_names_are_21_groups(record_property):
    await Job.objects.abulk_create(seven_causes(10_000), batch_size=500)
    began = time.monotonic()
    await regrouped()
    record_property("figures", f"10,000 failures grouped in {time.monotonic() - began:.2f} s")
    assert await FailureGroup.objects.acount() == 21
    assert await in_database(counted)() == 10_000
    assert await Job.objects.filter(failure_group=None).acount() == 0
    for step_s in (60, 600, 3_600):
        found = await FailureCount.objects.filter(step_s=step_s).aaggregate(n=Sum("failed"))
        assert found["n"] == 10_000


async def test_a_failure_is_counted_once_however_often_its_row_is_written():
    (job,) = await grouped(failed_job(1, "boom 1"))
    for changed in ({"data": '{"edited": 1}'}, {"removed_at": "2026-11-23T10:00:00Z"}):
        await in_database(written_again)(job, **changed)
        await regrouped()
    assert await in_database(counted)() == 1
    assert (await Job.objects.aget()).failure_group == job.failure_group


async def test_a_retried_job_leaves_its_group_and_is_counted_again_when_it_fails_again():
    (job,) = await grouped(failed_job(1, "boom 1"))
    await in_database(written_again)(job, state="waiting")
    await regrouped()
    assert (await Job.objects.aget()).failure_group is None
    await in_database(written_again)(job, state="failed", finished_on_ms=job.finished_on_ms + 5)
    await regrouped()
    assert await in_database(counted)() == 2
    # Retried and failed again before anybody looked: one write of the row tells both.
    await in_database(written_again)(job, finished_on_ms=job.finished_on_ms + 9)
    await regrouped()
    assert await in_database(counted)() == 3


async def test_a_retry_that_was_taken_back_is_not_another_failure():
    (job,) = await grouped(failed_job(1, "boom 1"))
    await in_database(written_again)(job, state="waiting")
    await regrouped()
    await in_database(written_again)(job, state="failed")
    await regrouped()
    assert (await Job.objects.aget()).failure_group == job.failure_group
    assert await in_database(counted)() == 1


async def test_a_resolved_group_that_fails_again_has_regressed_and_an_ignored_one_stays():
    first, second = await grouped(failed_job(1, "boom 1"), failed_job(2, "no plan", kind="PlanError"))
    now = int(time.time() * 1000)
    await FailureGroup.objects.filter(pk=first.failure_group).aupdate(status="resolved", status_ms=now)
    await FailureGroup.objects.filter(pk=second.failure_group).aupdate(status="ignored", status_ms=now)
    # What failed before it was resolved, and was heard of later, is no regression.
    await grouped(failed_job(3, "boom 3", at_ms=now - 5_000))
    assert (await FailureGroup.objects.aget(pk=first.failure_group)).status == "resolved"
    await grouped(failed_job(4, "boom 4", at_ms=now + 5_000), failed_job(5, "no plan", kind="PlanError", at_ms=now + 9))
    group = await FailureGroup.objects.aget(pk=first.failure_group)
    assert (group.status, group.status_ms, group.status_by) == ("regressed", now + 5_000, "")
    assert (await FailureGroup.objects.aget(pk=second.failure_group)).status == "ignored"
    assert [event.kind async for event in FailureEvent.objects.all()] == ["regressed"]


async def test_nothing_but_masked_text_is_kept():
    await grouped(failed_job(1, "login failed: password=hunter2-secret for token=abc"))
    cause = await FailureCause.objects.aget()
    assert "hunter2" not in cause.message
    assert "•••" in cause.message


async def test_a_name_that_fails_with_ever_new_prose_has_no_more_than_so_many_groups(monkeypatch):
    monkeypatch.setattr(failure_rows, "MOST_OF_A_NAME", 5)
    words = "amber birch cedar dune elm fjord glade heath iris jade".split()
    await grouped(*(failed_job(word, f"the {word} gave way") for word in words))
    assert await FailureGroup.objects.acount() == 6
    assert await in_database(counted)(cause__message="") == 5


async def test_what_no_window_reads_any_more_is_forgotten():
    await grouped(failed_job(1, "boom 1"))
    day_s = 86_400
    later = time.time() + 3 * day_s
    assert not await in_database(forget_some)(later)
    assert [count.step_s async for count in FailureCount.objects.all()] == [3_600]
    await in_database(forget_some)(time.time() + 200 * day_s)
    assert await FailureGroup.objects.acount() == await FailureCause.objects.acount() == 0
    assert (await Job.objects.aget()).failure_group is None


async def test_odd_rows_are_grouped_as_well():
    odd = [
        failed_job(1, "", stack=" ", kind=""),
        failed_job(2, "x" * 70_000),
        failed_job(3, "\ufffd00 NUL \ufffdff", name=""),
        failed_job(4, "boom", finished_on_ms=None, timestamp_ms=int(time.time() * 1000)),
        failed_job(5, "boom", stacktrace='["Error: cut off\\n at x", "Err'),
        failed_job(6, "boom", stacktrace="not json"),
    ]
    rows = await grouped(*odd)
    assert all(row.failure_group for row in rows)
    assert await in_database(counted)() == 6


async def test_a_split_while_rows_are_being_moved_has_them_gone_through_from_the_beginning():
    await grouped(failed_job(1, "boom 1"))
    group = await FailureGroup.objects.aget()
    cause = await FailureCause.objects.aget()
    await split_by_value(Actor(None, "ana"), "default", group.pk, cause.pk, [0])
    read = await FailureGroup.objects.aget(pk=group.pk)
    await split_by_value(Actor(None, "ana"), "default", group.pk, cause.pk, [0])

    def move() -> None:
        with transaction.atomic():
            move_some(read)

    await in_database(move)()
    assert (await FailureGroup.objects.aget(pk=group.pk)).moving
    await regrouped()
    assert not (await FailureGroup.objects.aget(pk=group.pk)).moving


async def test_jobs_that_do_not_say_when_they_failed_are_among_their_groups():
    now = int(time.time() * 1000)
    bare = failed_job("bare", "boom 1", timestamp_ms=now - 900)
    bare.finished_on_ms = None
    later = failed_job("later", "boom 2", timestamp_ms=now - 900, at_ms=now + 60_000)
    jobs = [failed_job(n, "boom 3", timestamp_ms=now - 900, at_ms=now - 9 + n // 4) for n in range(12)]
    (group, *_) = {job.failure_group for job in await grouped(*jobs, later, bare)}

    async def ids(**how: Any) -> list[str]:
        return [key.job_id async for keys in keys_of("default", group, None, **how) for key in keys]

    expected = ["bare", *map(str, range(12))]
    assert await ids() == [*expected, "later"]
    await Job.objects.filter(job_id="3").aupdate(removed_at=datetime.now(UTC))
    expected.remove("3")
    assert await ids(live_until_ms=now) == expected


async def test_what_was_told_apart_by_one_value_is_counted_right_when_another_is_chosen():
    """Split by one value, merged again, split by another: nothing is counted twice, or less than never."""
    ana = Actor(None, "ana")
    await grouped(*(failed_job(n, f"tenant {n % 2 + 3} failed in {n % 3 + 20} s") for n in range(12)))
    cause, group = await FailureCause.objects.aget(), (await FailureGroup.objects.aget()).pk
    for place in (0, 1):
        await split_by_value(ana, "default", group, cause.pk, [place])
        await regrouped()
        others = {key async for key in FailureGroup.objects.filter(merged_into=None).values_list("pk", flat=True)}
        await merge(ana, "default", group, sorted(others - {group}))
        await regrouped()
    totals = sorted([spot.total async for spot in FailureSpot.objects.all()])
    assert totals == [0, 0, 0, 4, 4, 4]
    assert not await FailureCount.objects.filter(failed__lt=0).aexists()


async def test_a_group_of_very_many_jobs_is_forgotten_in_portions(monkeypatch):
    monkeypatch.setattr(failure_rows, "PRUNED", 2)
    await grouped(*(failed_job(n, "boom 1") for n in range(5)))
    later = time.time() + 200 * 86_400
    assert await in_database(forget_some)(later)
    assert await FailureGroup.objects.acount() == 1
    assert await Job.objects.filter(failure_group=None).acount() == 2
    while await in_database(forget_some)(later):
        pass
    assert not await FailureGroup.objects.aexists()
    assert await Job.objects.filter(failure_group=None).acount() == 5
