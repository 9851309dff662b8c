"""USE_JOB_QUEUE=false: what queue and job handles promise, kept without Redis; what needs one is refused plainly."""

from __future__ import annotations

import asyncio
import threading

import pytest
from asgiref.sync import sync_to_async
from django.core.management import CommandError, call_command
from django.db import transaction

from queues import queue
from queues.errors import (
    ConfigurationError,
    InvalidInput,
    JobFailed,
    JobLocked,
    JobNotFound,
    JobStateChanged,
    Refused,
    ResultTimeout,
)
from queues.inprocess import endings, process
from queues.inprocess.presence import Presence
from queues.models import Job, Lease
from queues.producer import carrier, install
from tests.eventually import eventually
from tests.inprocess import in_process, row, running, until  # noqa: F401

pytestmark = pytest.mark.usefixtures("in_process")


def echo(job):
    if job.name == "bad":
        raise ValueError("no such thing")
    return job.data


async def test_results_are_waited_for_from_other_loops_and_threads():
    async with running(echo):
        good = await queue("chat").add("x", {"n": 1}, delay_ms=50)
        assert await good.result(timeout_s=5) == {"n": 1}
        bad = await queue("chat").add("bad")
        with pytest.raises(JobFailed, match="no such thing"):
            await bad.result(timeout_s=5)

        def elsewhere():
            handle = queue("chat").sync.add("x", {"n": 2})
            return handle.sync.result(5), threading.current_thread().name

        value, thread = await asyncio.to_thread(elsewhere)
        assert value == {"n": 2}
        assert thread != threading.current_thread().name


async def test_who_waits_too_long_is_told_so():
    added = await queue("chat").add("x", delay_ms=60_000)
    with pytest.raises(ResultTimeout):
        await added.result(timeout_s=0.05)
    await added.remove()
    with pytest.raises(JobNotFound):
        await added.result(timeout_s=5)


async def test_a_result_is_seen_that_another_process_wrote():
    added = await queue("chat").add("x", delay_ms=60_000)
    waiting = asyncio.create_task(added.result(timeout_s=10))
    await eventually(lambda: endings._waiting, what="somebody waits")
    await Job.objects.filter(job_id=added.id).aupdate(state="completed", return_value='{"from": "elsewhere"}')
    assert await waiting == {"from": "elsewhere"}


async def test_a_result_outlives_the_job_that_is_removed_when_it_completes():
    async with running(echo):
        added = await queue("chat").add("x", 7, remove_on_complete=True)
        assert await added.result(timeout_s=5) == 7


async def test_inside_a_transaction_the_row_is_written_on_commit_and_never_after_a_rollback():
    @sync_to_async
    def added(commits: bool) -> str:
        try:
            with transaction.atomic():
                handle = queue("chat").sync.add("x", 1)
                assert not Job.objects.filter(job_id=handle.id).exists()
                if not commits:
                    raise KeyError
        except KeyError:
            pass
        return handle.id

    async with running(echo):
        kept, dropped = await added(True), await added(False)
        await until(kept, "completed")
        assert await row(dropped) is None


async def test_an_id_that_is_there_adds_nothing_and_comes_back_after_the_job_is_removed():
    first = await queue("chat").add("x", 1, job_id="mine", timestamp_ms=1_000)
    again = await queue("chat").add("x", 2, job_id="mine", timestamp_ms=1_000)
    assert (first.id, again.id, (await row("mine")).data) == ("mine", "mine", "1")
    await first.remove()
    await queue("chat").add("x", 3, job_id="mine", timestamp_ms=1_000)
    assert (await row("mine")).data == "3"


async def test_many_threads_that_add_one_id_add_one_job():
    def add(number: int) -> str:
        return queue("chat").sync.add("x", number, job_id="one").id

    ids = await asyncio.gather(*[asyncio.to_thread(add, number) for number in range(8)])
    assert set(ids) == {"one"}
    assert await Job.objects.filter(job_id="one").acount() == 1


async def test_jobs_are_added_in_bulk_with_ids_in_order():
    jobs = [{"name": "x", "data": number} for number in range(500)]
    handles = await queue("chat").add_bulk([*jobs, {"name": "x", "job_id": "own"}])
    assert [int((await row(handle.id)).data) for handle in handles[:3]] == [0, 1, 2]
    assert handles[-1].id == "own"
    assert len({handle.id for handle in handles}) == 501


async def test_a_deduplicated_job_is_added_once_until_it_has_ended():
    async with running(echo):
        first = await queue("chat").add("x", 1, deduplication="once", delay_ms=500)
        again = await queue("chat").add("x", 2, deduplication="once")
        assert again.id == first.id
        await until(first.id, "completed")
        third = await queue("chat").add("x", 3, deduplication="once")
        assert third.id != first.id
        await until(third.id, "completed")


async def test_a_job_is_steered_by_its_handle():
    chat = queue("chat")
    waits, later = await chat.add("x", 1), await chat.add("x", 2, delay_ms=60_000)
    await waits.update_data({"other": True})
    await waits.change_priority(5)
    assert ((await row(waits.id)).state, (await row(waits.id)).priority) == ("prioritized", 5)
    await later.change_delay(90_000)
    assert (await row(later.id)).delay_ms == 90_000
    await waits.log("a line")
    assert await waits.logs() == ["a line"]
    with pytest.raises(JobStateChanged):
        await waits.promote()
    found = await chat.get_job(waits.id)
    assert found.data == {"other": True}
    assert await chat.get_job("nothing") is None
    assert [job.id for job in await chat.jobs("prioritized")] == [waits.id]
    await later.remove()
    with pytest.raises(JobNotFound):
        await later.promote()


async def test_a_queue_is_steered_by_its_handle():
    chat = queue("chat")
    for number in range(3):
        await chat.add("x", number, timestamp_ms=1_000 + number)
    kept = await chat.add("x", delay_ms=60_000)
    assert len(await chat.clean("waiting", limit=2)) == 2
    await chat.drain()
    assert [await kept.state(), (await chat.counts())["waiting"]] == ["delayed", 0]
    await chat.obliterate()
    assert (await chat.counts())["delayed"] == 0
    again = await chat.add("x")
    assert await again.state() == "waiting"


async def test_what_runs_is_not_removed():
    gate = threading.Event()

    def work(job):
        gate.wait(5)

    async with running(work):
        added = await queue("chat").add("x")
        await until(added.id, "active")
        with pytest.raises(JobLocked):
            await added.remove()
        with pytest.raises(Refused):
            await queue("chat").obliterate()
        gate.set()
        await until(added.id, "completed")


@pytest.mark.parametrize(
    "ask",
    [
        lambda: queue("chat").add_flow("p", children=[{"queue": "chat", "name": "c"}]),
        lambda: queue("chat").upsert_scheduler("daily", every_ms=1_000, name="x"),
        lambda: queue("chat").set_concurrency(3),
        lambda: queue("chat").add("x", deduplication={"id": "a", "ttl_ms": 5}),
        lambda: queue("chat", "other").add("x"),
    ],
    ids=["flow", "scheduler", "limit", "deduplication", "connection"],
)
async def test_what_needs_redis_is_refused_with_a_sentence(ask, settings):
    from queues.options import reset_options

    other = {**settings.TORIL["CONNECTIONS"], "other": settings.TORIL["CONNECTIONS"]["default"]}
    settings.TORIL = {**settings.TORIL, "CONNECTIONS": other}
    reset_options()
    with pytest.raises(Refused, match="need Redis; with USE_JOB_QUEUE=false jobs run in the process") as caught:
        await ask()
    assert caught.value.code == "not_in_process"
    assert await Job.objects.acount() == 0


async def test_input_is_checked_as_ever():
    with pytest.raises(InvalidInput):
        await queue("chat").add("x", job_id="12")
    with pytest.raises(ConfigurationError, match="no connection named"):
        await queue("chat", "nowhere").add("x")


@pytest.mark.parametrize("command", ["runworkers", "runmirror", "demo"])
def test_a_command_that_has_nothing_to_do_here_says_why_and_fails(command):
    with pytest.raises(CommandError, match="USE_JOB_QUEUE is false"):
        call_command(command)


async def test_without_a_carrier_that_runs_jobs_adding_says_so():
    before = install(None)
    try:
        with pytest.raises(ConfigurationError, match="USE_JOB_QUEUE is false"):
            carrier()
    finally:
        install(before)


# --- who may run what


async def test_a_process_that_lives_keeps_its_jobs_and_one_that_died_loses_them():
    await Lease.objects.acreate(name="in-process living", holder="elsewhere:1:x:", until="2100-01-01T00:00Z")
    await Lease.objects.acreate(name="in-process lapsed", holder="elsewhere:2:x:", until="2000-01-01T00:00Z")
    ids = {}
    async with running(lambda job: None, "other"):
        for holder in ("living", "lapsed", "unknown"):
            ids[holder] = (await queue("chat").add(holder)).id
            await Job.objects.filter(job_id=ids[holder]).aupdate(holder=holder)
    async with running(echo):
        await until(ids["lapsed"], "completed")
        await until(ids["unknown"], "completed")
        assert (await row(ids["living"])).state == "waiting"
    assert {lease.name async for lease in Lease.objects.all()} == {"in-process living"}


async def test_a_job_whose_process_died_twice_fails_with_that_reason():
    added = await queue("chat").add("x")
    job = await row(added.id)
    dead = Presence()
    for count in (1, 2):
        await Job.objects.filter(pk=job.pk).aupdate(state="active", holder="dead", rank=None)
        await sync_to_async(dead.release_dead)()
        job = await row(added.id)
        assert job.stalled_count == count
    assert (job.state, job.failed_reason) == ("failed", "job stalled more than allowable limit")


async def test_an_outcome_is_refused_where_the_job_is_another_process_s_by_now(caplog):
    taken = threading.Event()

    def work(job):
        taken.wait(5)
        return "too late"

    async with running(work):
        added = await queue("chat").add("x")
        await until(added.id, "active")
        await Job.objects.filter(job_id=added.id).aupdate(holder="another", attempts_started=2)
        taken.set()
        await eventually(lambda: "was not stored" in caplog.text)
    job = await row(added.id)
    assert (job.state, job.return_value, job.holder) == ("active", "", "another")


async def test_a_stopped_runner_hands_back_what_it_ran_and_leaves_no_lease():
    async def work(job):
        await asyncio.sleep(60)

    async with running(work, grace_s=0.05):
        added = await queue("chat").add("x")
        await until(added.id, "active")
        assert await Lease.objects.acount() == 1
    job = await row(added.id)
    assert (job.state, job.holder, job.attempts_made, job.stalled_count) == ("waiting", "", 0, 0)
    assert job.rank < 0
    assert await Lease.objects.acount() == 0
    async with running(echo):
        assert (await until(added.id, "completed")).attempts_started == 2


def test_a_jobs_py_that_adds_jobs_while_it_is_imported_is_told_instead_of_hanging(monkeypatch):
    monkeypatch.setattr(process, "IMPORT_S", 0.2)
    monkeypatch.setattr(process.processors, "autodiscover", lambda: queue("chat").sync.add("x"))
    with pytest.raises(ConfigurationError, match="add jobs while it is imported"):
        process.runner()
