"""Bulk work: counted before, frozen in time, exact about what it touched, whatever stands in the way."""

from __future__ import annotations

import time

import pytest

from queues.actions.actor import Actor
from queues.actions.bulk import Plan, plan, run
from queues.errors import InvalidInput, RedisRefused
from queues.models import AuditEntry, Outcome
from queues.states import State
from tests.handmade import HandmadeQueue, names
from tests.planting import plant_delayed, plant_failed

ana = Actor(None, "ana")
HOUR_MS = 3_600_000

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chat(connection, client_of_redis, prefix) -> HandmadeQueue:
    return HandmadeQueue(client_of_redis, prefix)


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
