"""Clean and drain: what is old enough goes, what must stay stays, in its order."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from queues.actions import counting
from queues.actions.actor import Actor
from queues.actions.bulk import plan, run
from queues.protocol import reads
from tests.eventually import eventually
from tests.handmade import HandmadeQueue, names
from tests.planting import plant_waiting

ana = Actor(None, "ana")
HOUR_MS = 3_600_000

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chat(connection, client_of_redis, prefix) -> HandmadeQueue:
    return HandmadeQueue(client_of_redis, prefix)


async def test_clean_spares_the_younger(connection, chat):
    now = int(time.time() * 1000)
    chat.scored("failed", names("old", 30), first=now - 2 * HOUR_MS)
    chat.scored("failed", names("new", 5), first=now - HOUR_MS // 2)
    asked = await plan(connection, "chat", "clean", "failed", grace_ms=HOUR_MS)
    assert asked.sentence == "Remove 30 failed jobs older than 1 hour."
    assert (await run(ana, asked)).done == 30
    assert chat.ids("failed") == names("new", 5)
    assert chat.job_keys() == set(names("new", 5))


async def test_clean_of_waiting_jobs_passes_what_stays_at_the_end_where_the_next_stands(connection, chat):
    due = chat.iteration("nightly", "wait")
    chat.waiting(names("young", 40), age_ms=0)
    chat.waiting(names("old", 600), age_ms=2 * HOUR_MS)
    chat.waiting(names("recent", 3), age_ms=0)
    asked = await plan(connection, "chat", "clean", "waiting", grace_ms=HOUR_MS)
    assert asked.count == 600
    progress = await run(ana, asked)
    assert (progress.done, progress.skipped, progress.finished) == (600, 0, True)
    assert chat.ids("wait") == [due, *names("young", 40), *names("recent", 3)]
    assert chat.job_keys() == {due, *names("young", 40), *names("recent", 3)}


@pytest.mark.parametrize("suffix", ["wait", "prioritized", "delayed"])
async def test_thousands_that_stay_do_not_hide_those_that_go(connection, chat, suffix):
    mixed = [f"{'old' if n % 3 == 0 else 'young'}{n:05}" for n in range(2_400)]
    old = [job_id for job_id in mixed if job_id.startswith("old")]
    young = [job_id for job_id in mixed if job_id.startswith("young")]
    chat.hashes(old, age_ms=2 * HOUR_MS)
    chat.hashes(young, age_ms=0)
    if suffix == "wait":
        chat.client.lpush(f"{chat.base}wait", *mixed)
    else:
        chat.client.zadd(f"{chat.base}{suffix}", {job_id: n for n, job_id in enumerate(mixed)})
    state = "waiting" if suffix == "wait" else suffix
    asked = await plan(connection, "chat", "clean", state, grace_ms=HOUR_MS)
    assert asked.count == 800
    progress = await run(ana, asked, budget_s=30)
    assert (progress.done, progress.skipped, progress.left, progress.finished) == (800, 0, 0, True)
    assert chat.ids(suffix) == young
    assert chat.job_keys() == set(young)


async def test_drain_empties_what_waits_and_leaves_delayed_active_and_schedulers(connection, chat):
    chat.waiting(names("w", 500))
    chat.waiting(names("parked", 300), suffix="paused")
    chat.scored("prioritized", names("p", 200))
    chat.scored("delayed", names("d", 10))
    chat.waiting(["running"], suffix="active")
    chat.client.set(f"{chat.base}running:lock", "token")
    due = chat.iteration("nightly", "wait")
    asked = await plan(connection, "chat", "drain", "waiting")
    assert asked.count == 1_000
    assert asked.sentence == (
        "Remove 1,000 waiting and prioritized jobs. Delayed and active jobs stay. "
        "1 job stays: it is the next run of a scheduler."
    )
    progress = await run(ana, asked)
    assert (progress.done, progress.skipped, progress.finished) == (1_000, 0, True)
    assert chat.ids("wait") == [due]
    assert (chat.ids("paused"), chat.ids("prioritized")) == ([], [])
    assert chat.job_keys() == {due, *names("d", 10), "running", "running:lock"}


async def test_drain_never_leaves_the_id_of_a_deleted_run_behind(connection, chat):
    """BullMQ's own drain trims the wrong end when a scheduler's run is newer than others (PROTOCOL.md §5)."""
    chat.waiting(names("w", 5))
    newest = "repeat:nightly:1900000000000"
    chat.client.zadd(f"{chat.base}repeat", {"nightly": 1_900_000_000_000})
    chat.hashes([newest], rjk="nightly")
    chat.client.lpush(f"{chat.base}wait", newest)
    await run(ana, await plan(connection, "chat", "drain", "waiting"))
    assert chat.ids("wait") == [newest]
    assert chat.job_keys() == {newest}


async def test_drain_removes_ids_without_a_hash_too(connection, chat):
    chat.waiting(names("w", 5))
    chat.client.delete(*[f"{chat.base}{job_id}" for job_id in names("w", 3)])
    assert (await run(ana, await plan(connection, "chat", "drain", "waiting"))).done == 5
    assert chat.ids("wait") == []


async def test_active_jobs_go_only_where_no_worker_holds_them(connection, chat):
    chat.waiting(names("a", 6), suffix="active")
    for job_id in names("a", 4):
        chat.client.set(f"{chat.base}{job_id}:lock", "token")
    asked = await plan(connection, "chat", "clean", "active")
    assert asked.sentence == "Remove 2 active jobs that no worker holds."
    assert (await run(ana, asked)).done == 2
    assert chat.ids("active") == names("a", 4)


async def test_consent_was_given_to_a_number(connection, chat):
    """Jobs with an old date that arrive in the list between consent and work are not removed beyond that number."""
    chat.waiting(names("w", 20))
    asked = await plan(connection, "chat", "drain", "waiting")
    chat.waiting(names("retried", 500))
    progress = await run(ana, asked)
    assert (progress.done, progress.finished) == (20, True)
    assert len(chat.ids("wait")) == 500


async def test_more_than_can_be_looked_at_is_at_least(connection, chat, monkeypatch):
    monkeypatch.setattr(counting, "MOST_LOOKED_AT", 1_000)
    chat.waiting(names("w", 2_500))
    asked = await plan(connection, "chat", "drain", "waiting")
    assert (asked.count, asked.total, asked.is_least) == (1_000, 2_500, True)
    assert asked.sentence.startswith("Remove at least 1,000 of 2,500 waiting and prioritized jobs.")
    progress = await run(ana, asked)
    assert (progress.done, progress.left, progress.finished) == (2_500, 0, True)


@pytest.mark.parametrize("state", ["waiting", "delayed", "prioritized", "failed"])
async def test_an_age_of_fifty_years_removes_nothing(connection, chat, state):
    """The script compares moments as text, and `1763…` is less than `9…`."""
    if state == "waiting":
        chat.waiting(names("w", 5))
    else:
        chat.scored(state, names("w", 5), first=int(time.time() * 1000) - 60_000)
    asked = await plan(connection, "chat", "clean", state, grace_ms=50 * 365 * 24 * HOUR_MS)
    assert asked.count == 0
    assert (await run(ana, replace(asked, count=5))).done == 0
    assert len(chat.job_keys()) == 5


async def test_official_jobs_are_drained(connection, chat):
    await plant_waiting(connection, "chat", 20)

    async def planned():
        # The last were planted a few milliseconds ahead of the clock.
        asked = await plan(connection, "chat", "drain", "waiting")
        return asked.count == 20 and asked

    assert (await run(ana, await eventually(planned))).done == 20
    (facts,) = await reads.queue_facts(connection, ["chat"])
    assert facts.counts["waiting"] == 0
