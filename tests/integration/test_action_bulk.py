"""Bulk work: counted before, frozen in time, exact about what it touched, whatever stands in the way."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest
import redis

from queues.actions import counting
from queues.actions.actor import Actor
from queues.actions.bulk import Plan, plan, run
from queues.errors import InvalidInput, RedisRefused
from queues.models import AuditEntry, Outcome
from queues.protocol import reads
from queues.states import State
from tests.eventually import eventually
from tests.planting import plant_delayed, plant_failed, plant_waiting

ana = Actor(None, "ana")
HOUR_MS = 3_600_000

pytestmark = pytest.mark.django_db(transaction=True)


class Queue:
    """A queue written by hand: jobs of any age, in any place."""

    def __init__(self, client: redis.Redis, prefix: str) -> None:
        self.client, self.base = client, f"{prefix}:chat:"
        client.hset(f"{self.base}meta", "opts.maxLenEvents", 10000)

    def hashes(self, ids, age_ms: int = 60_000, **fields) -> None:
        stamp = int(time.time() * 1000) - age_ms
        with self.client.pipeline(transaction=False) as pipe:
            for job_id in ids:
                given = {
                    "name": "n",
                    "data": "{}",
                    "opts": "{}",
                    "timestamp": stamp,
                    "delay": 0,
                    "priority": 0,
                    **fields,
                }
                pipe.hset(self.base + job_id, mapping=given)
            pipe.execute()

    def waiting(self, ids, suffix: str = "wait", **more) -> None:
        """The first id is the next to run."""
        self.hashes(ids, **more)
        self.client.lpush(f"{self.base}{suffix}", *ids)

    def scored(self, suffix: str, ids, first: int = 1, **more) -> None:
        self.hashes(ids, **more)
        self.client.zadd(f"{self.base}{suffix}", {job_id: first + n for n, job_id in enumerate(ids)})

    def iteration(self, scheduler: str, suffix: str, due_ms: int = 1_900_000_000_000) -> str:
        """The coming run of a scheduler, in a list or set."""
        job_id = f"repeat:{scheduler}:{due_ms}"
        self.client.zadd(f"{self.base}repeat", {scheduler: due_ms})
        if suffix in ("delayed", "prioritized"):
            self.scored(suffix, [job_id], first=0, rjk=scheduler)
        else:
            self.hashes([job_id], rjk=scheduler)
            self.client.rpush(f"{self.base}{suffix}", job_id)
        return job_id

    def ids(self, suffix: str) -> list[str]:
        key = f"{self.base}{suffix}"
        kind = self.client.type(key)
        found = self.client.lrange(key, 0, -1)[::-1] if kind == b"list" else []
        return [one.decode() for one in (self.client.zrange(key, 0, -1) if kind == b"zset" else found)]

    def job_keys(self) -> set[str]:
        names = [key.decode()[len(self.base) :] for key in self.client.scan_iter(f"{self.base}*", count=5000)]
        structural = set(
            "wait paused active prioritized delayed completed failed meta id events marker repeat pc".split()
        )
        return set(names) - structural


@pytest.fixture
def chat(connection, client_of_redis, prefix) -> Queue:
    return Queue(client_of_redis, prefix)


def names(stem: str, count: int) -> list[str]:
    return [f"{stem}{n:05}" for n in range(count)]


async def test_retry_all_says_how_many_and_retries_them_oldest_first(connection, client_of_redis, prefix, chat):
    ids = plant_failed(client_of_redis, prefix, "chat", 37)
    asked = await plan(connection, "chat", "retry-all", State.FAILED)
    assert (asked.count, asked.sentence) == (37, "Retry 37 failed jobs.")
    progress = await run(ana, asked)
    assert (progress.done, progress.skipped, progress.left, progress.finished) == (37, 0, 0, True)
    assert progress.sentence == "37 failed jobs retried."
    assert chat.ids("wait") == ids
    assert chat.ids("failed") == []
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.affected, entry.outcome) == ("queue.retry_all", 37, Outcome.DONE)
    assert (entry.message, entry.queue) == ("37 failed jobs retried.", "chat")
    assert '"count":37' in entry.parameters


async def test_retry_all_keeps_priorities(connection, client_of_redis, prefix, chat):
    plant_failed(client_of_redis, prefix, "chat", 5, priority=9)
    await run(ana, await plan(connection, "chat", "retry-all", "failed"))
    assert len(chat.ids("prioritized")) == 5


async def test_completed_jobs_are_run_again(connection, chat):
    chat.scored("completed", names("c", 4), finishedOn=5, returnvalue="1")
    asked = await plan(connection, "chat", "retry-all", "completed")
    assert asked.sentence == "Retry 4 completed jobs."
    assert (await run(ana, asked)).done == 4
    assert len(chat.ids("wait")) == 4


async def test_jobs_that_fail_after_the_plan_are_not_meant(connection, client_of_redis, prefix, chat):
    plant_failed(client_of_redis, prefix, "chat", 3)
    asked = await plan(connection, "chat", "retry-all", "failed")
    chat.scored("failed", ["later"], first=asked.before_ms + 1)
    assert (await run(ana, asked)).done == 3
    assert chat.ids("failed") == ["later"]


async def test_one_job_and_none_read_as_such(connection, client_of_redis, prefix):
    asked = await plan(connection, "chat", "retry-all", "failed")
    assert asked.sentence == "There are no failed jobs to retry."
    assert (await run(ana, asked)).finished
    assert client_of_redis.keys(f"{prefix}:chat:events") == []
    plant_failed(client_of_redis, prefix, "chat", 1)
    assert (await plan(connection, "chat", "clean", "failed")).sentence == "Remove 1 failed job."


async def test_a_job_that_left_meanwhile_is_skipped_and_counted(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 10)
    asked = await plan(connection, "chat", "retry-all", "failed")
    client_of_redis.zrem(f"{prefix}:chat:failed", "1", "2", "3")
    progress = await run(ana, asked)
    assert (progress.done, progress.skipped, progress.left, progress.finished) == (7, 3, 0, True)


async def test_ids_whose_hash_is_gone_are_skipped_with_the_reason_and_end_nothing(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 700)
    client_of_redis.delete(*[f"{prefix}:chat:{n}" for n in range(1, 601)])
    client_of_redis.zadd(f"{prefix}:chat:failed", {str(n): 5 for n in range(1, 601)})
    progress = await run(ana, await plan(connection, "chat", "retry-all", "failed"))
    assert (progress.done, progress.skipped, progress.finished) == (100, 600, True)
    assert progress.sentence == "100 failed jobs retried, 600 skipped (it is gone)."


async def test_a_job_that_fails_again_at_once_is_not_retried_again(connection, client_of_redis, prefix, monkeypatch):
    """A worker whose clock is behind writes its failures before the moment at which the plan was made."""
    from queues.protocol import writes

    ids = plant_failed(client_of_redis, prefix, "chat", 300)
    client_of_redis.zadd(f"{prefix}:chat:failed", {job_id: n for n, job_id in enumerate(ids[:250])})
    client_of_redis.delete(f"{prefix}:chat:7")
    retry, retried = writes.retry_jobs, []

    async def retried_and_failed(connection, queue, state, ids):
        answers = await retry(connection, queue, state, ids)
        done = [job_id for job_id, answer in zip(ids, answers, strict=True) if answer is None]
        retried.extend(done)
        client_of_redis.delete(f"{prefix}:chat:wait")
        client_of_redis.zadd(f"{prefix}:chat:failed", dict.fromkeys(done, 1000))
        return answers

    monkeypatch.setattr(writes, "retry_jobs", retried_and_failed)
    asked = await plan(connection, "chat", "retry-all", "failed")
    progress = await run(ana, asked)
    assert (progress.done, progress.skipped, progress.finished) == (299, 1, True)
    assert sorted(retried, key=int) == [job_id for job_id in ids if job_id != "7"]


async def test_promote_all_leaves_a_schedulers_next_run_and_says_so(connection, chat):
    ids = await plant_delayed(connection, "chat", 3)
    due = chat.iteration("nightly:9", "delayed")
    backing_off = "repeat:nightly:9:1"
    chat.scored("delayed", [backing_off], rjk="nightly:9")
    asked = await plan(connection, "chat", "promote-all", "delayed")
    assert asked.sentence == "Promote 4 delayed jobs. 1 job stays: it is the next run of a scheduler."
    progress = await run(ana, asked)
    assert (progress.done, progress.left, progress.finished) == (4, 0, True)
    assert chat.ids("delayed") == [due]
    assert sorted(chat.ids("wait")) == sorted([*ids, backing_off])


async def test_promote_all_does_not_bring_ghosts_to_life(connection, chat):
    chat.scored("delayed", names("d", 3))
    chat.client.delete(f"{chat.base}d00001")
    asked = await plan(connection, "chat", "promote-all", "delayed")
    assert asked.count == 2
    assert (await run(ana, asked)).done == 2
    assert chat.ids("delayed") == ["d00001"]
    assert not chat.client.exists(f"{chat.base}d00001")


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


@pytest.mark.parametrize(
    ("action", "state", "words"),
    [
        ("explode", "failed", "There is no action “explode”"),
        ("retry-all", "waiting", "Waiting jobs cannot be retried."),
        ("promote-all", "failed", "Failed jobs cannot be promoted."),
        ("clean", "waiting-children", "Waiting for children jobs cannot be removed."),
        ("clean", "bogus", "There is no state “bogus”."),
    ],
)
async def test_what_makes_no_sense_is_refused(connection, action, state, words):
    with pytest.raises(InvalidInput, match=words):
        await plan(connection, "chat", action, state)


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


async def test_a_negative_age_is_refused_and_a_future_moment_is_now(connection, client_of_redis, prefix):
    with pytest.raises(InvalidInput):
        await plan(connection, "chat", "clean", "failed", grace_ms=-1)
    assert (await plan(connection, "chat", "clean", "failed", before_ms=10**18)).before_ms <= time.time() * 1000


async def test_a_plan_is_taken_up_again_by_its_moment(connection, client_of_redis, prefix, chat):
    plant_failed(client_of_redis, prefix, "chat", 5)
    first = await plan(connection, "chat", "retry-all", "failed")
    chat.scored("failed", ["later"], first=first.before_ms + 1)
    again = await plan(connection, "chat", "retry-all", "failed", before_ms=first.before_ms)
    assert (again.count, again.before_ms) == (5, first.before_ms)


@pytest.mark.parametrize("action", ["drain", "clean", "promote-all", "retry-all"])
async def test_a_key_of_the_wrong_type_is_a_sentence_and_a_row(connection, chat, action):
    state, suffix = {
        "drain": (State.WAITING, "wait"),
        "clean": (State.WAITING, "wait"),
        "promote-all": (State.DELAYED, "delayed"),
        "retry-all": (State.FAILED, "failed"),
    }[action]
    chat.client.hset(f"{chat.base}{suffix}", "a", 1)
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        await plan(connection, "chat", action, state)
    with pytest.raises(RedisRefused, match="WRONGTYPE"):
        await run(ana, Plan(connection, "chat", action, state, 5, 10**13, ""))
    assert (await AuditEntry.objects.aget()).outcome == Outcome.FAILED


async def test_a_job_whose_key_is_no_hash_is_passed_by(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3)
    client_of_redis.delete(f"{prefix}:chat:2")
    client_of_redis.set(f"{prefix}:chat:2", "x")
    progress = await run(ana, await plan(connection, "chat", "retry-all", "failed"))
    assert (progress.done, progress.skipped, progress.finished) == (2, 1, True)
    assert "WRONGTYPE" in progress.reasons[0]


async def test_official_jobs_are_drained(connection, chat):
    await plant_waiting(connection, "chat", 20)

    async def planned():
        # The last were planted a few milliseconds ahead of the clock.
        asked = await plan(connection, "chat", "drain", "waiting")
        return asked.count == 20 and asked

    assert (await run(ana, await eventually(planned))).done == 20
    (facts,) = await reads.queue_facts(connection, ["chat"])
    assert facts.counts["waiting"] == 0
