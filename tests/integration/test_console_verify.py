"""`queues verify`: rows that are what Redis holds, and rows that somebody has touched."""

from __future__ import annotations

import asyncio

import pytest

from queues.models import Attempt, Job, Queue
from queues.options import reset_options
from queues.protocol.connections import close_wires
from tests.console import queues
from tests.mirroring import add, finish, session, start, turn_until_quiet

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]


def mirrored(connection: str, prefix: str) -> None:
    """Twelve jobs of every kind and their rows; the mirror has ended since."""

    async def work() -> None:
        async with session(connection) as mirror:
            await add(connection, "chat", 6, data='{"n":1}')
            await add(connection, "chat", 2, delay_ms=60_000)
            await add(connection, "mails", 2, priority=5, data='{"password":"hunter2 hunter2"}')
            active = await start(connection, "chat", 4)
            await finish(connection, "chat", active[:2])
            await finish(connection, "chat", active[2:], "boom", is_failed=True)
            await turn_until_quiet(mirror)
        await close_wires()

    asyncio.run(work())


def test_rows_in_step_are_said_to_be_and_what_somebody_touched_is_named(connection, prefix):
    mirrored(connection, prefix)
    ran = queues("verify", "--patience", "0s")
    assert (ran.code, ran.lines) == (
        0,
        ["No difference: 10 jobs of 2 queues are in their rows as they are in Redis."],
    )
    assert "No mirror runs" in ran.err

    done, failed = Job.objects.filter(state="completed"), Job.objects.filter(state="failed").order_by("job_id")
    swapped = list(done.order_by("finished_on_ms", "pk"))
    Job.objects.filter(pk=swapped[0].pk).update(finished_on_ms=swapped[1].finished_on_ms + 1_000)
    Job.objects.filter(pk=failed[0].pk).update(failed_reason="Bearer abcdefghijklmnopqrstuvwxyz0123456789")
    Job.objects.filter(queue="mails").update(data='{"password":"correct horse battery"}')
    lost = Job.objects.filter(state="delayed").first()
    Job.objects.filter(pk=lost.pk).delete()
    Job.objects.create(queue="chat", job_id="never", timestamp_ms=1, state="waiting")
    Queue.objects.filter(name="chat").update(waiting=40)

    ran = queues("verify", "--patience", "0s")
    assert ran.code == 1
    named = {line.split(":")[0] for line in ran.lines}
    assert {
        "chat waiting",
        f"chat/{swapped[0].job_id} finished_on_ms",
        f"chat/{swapped[0].job_id} order",
        f"chat/{failed[0].job_id} failed_reason",
        f"chat/{lost.job_id}",
        "chat/never",
    } <= named
    assert "hunter2" not in ran.out
    assert "correct horse" not in ran.out
    assert "abcdefghij" not in ran.out

    told = queues("verify", "mails", "--patience", "0s", "--json", "--limit", "1")
    assert told.code == 1
    assert (told.json["queues"], told.json["jobs"], told.json["count"], len(told.json["differences"])) == (1, 2, 2, 1)
    assert told.json["differences"][0]["field"] == "data"


def test_a_queue_that_nobody_knows_is_not_found(connection):
    ran = queues("verify", "nowhere")
    assert ran.code == 3
    assert "nowhere" in ran.err


def test_what_the_settings_leave_out_is_no_difference(connection, prefix, settings):
    policy = {"PAYLOADS": "masked", "QUEUES": {"mails": {"JOBS": "none"}, "chat": {"PAYLOAD_KB": 1}}}
    settings.TORIL = {**settings.TORIL, "MIRROR": policy}
    reset_options()
    mirrored(connection, prefix)
    asyncio.run(_large(connection))
    assert queues("verify", "--patience", "0s").lines == [
        "No difference: 11 jobs of 2 queues are in their rows as they are in Redis."
    ]
    assert not Job.objects.filter(queue="mails").exists()
    assert Job.objects.filter(problems__contains="data is cut").count() == 1


async def _large(connection: str) -> None:
    async with session(connection) as mirror:
        await add(connection, "chat", data='"' + "x" * 5_000 + '"')
        await turn_until_quiet(mirror)
    await close_wires()


def test_a_difference_that_passes_by_itself_is_not_named(connection, prefix, monkeypatch):
    """As a job that moves between two looks: what the second look finds otherwise is no difference."""
    mirrored(connection, prefix)
    before = Job.objects.filter(state="failed").first()
    Job.objects.filter(pk=before.pk).update(data="passing")
    real = asyncio.sleep

    async def pass_by(seconds: float) -> None:
        await Job.objects.filter(pk=before.pk).aupdate(data=before.data)
        await real(0)

    monkeypatch.setattr("queues.mirror.verify.asyncio.sleep", pass_by)
    assert queues("verify", "--patience", "1s").code == 0


def test_in_process_there_is_nothing_to_compare(connection, settings):
    settings.TORIL = {**settings.TORIL, "USE_JOB_QUEUE": False}
    reset_options()
    ran = queues("verify")
    assert ran.code == 1
    assert "there is no Redis" in ran.err


def test_attempts_of_rows_that_go_are_forgotten_with_them(connection, prefix):
    from queues.mirror.prune import FORGET

    mirrored(connection, prefix)
    row = Job.objects.filter(state="failed").first()
    Attempt.objects.create(row=row, number=1)
    for forget in FORGET:
        forget([row.pk])
    assert not Attempt.objects.exists()
