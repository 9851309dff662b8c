"""What may be done to one job in which state, on real Redis; and that nothing is touched where it may not."""

from __future__ import annotations

import asyncio
import json
import time
from typing import Any

import pytest

from queues.actions import altering, jobs, limits, obliterating
from queues.actions.actor import Actor
from queues.actions.queues import pause_queue
from queues.errors import JobNotFound, JobStateChanged, QueueNotFound, Refused
from queues.models import AuditEntry
from queues.options import Limiter
from queues.protocol import moving, reads
from queues.states import JOB_ACTIONS, LISTED, State
from tests.planting import plant_delayed, plant_failed, plant_waiting

ana = Actor(None, "ana")
pytestmark = pytest.mark.django_db(transaction=True)


def plant(client: Any, prefix: str, state: State, job_id: str = "x", **fields: Any) -> str:
    """A job resting in this state, as BullMQ would have it there."""
    base, now = f"{prefix}:chat:", int(time.time() * 1000)
    told = {"name": "work", "data": '{"n": 1}', "opts": '{"attempts":3}', "timestamp": now - 1000, "delay": 0}
    told |= {"priority": 0} | fields
    client.hset(f"{base}meta", "opts.maxLenEvents", 10000)
    key = {State.WAITING: "wait"}.get(state, state.value)
    if state in (State.WAITING, State.ACTIVE):
        client.lpush(base + key, job_id)
    else:
        score = {State.DELAYED: (now + 3_600_000) * 4096, State.PRIORITIZED: 3 * 2**32 + 1}.get(state, now)
        client.zadd(base + key, {job_id: score})
    if state.is_finished:
        told |= {"finishedOn": now, "processedOn": now - 5, "ats": 1, "atm": 1}
        told |= {"failedReason": "Boom"} if state is State.FAILED else {"returnvalue": "42"}
    if state is State.DELAYED:
        told["delay"] = 3_600_000
    if state is State.PRIORITIZED:
        told["priority"] = 3
    client.hset(base + job_id, mapping=told)
    client.rpush(f"{base}{job_id}:logs", "one", "two")
    return job_id


async def seal(connection: str, job_id: str) -> str:
    return moving.seal(await reads.job_field(connection, "chat", job_id, "data"))


async def _edit(connection: str, job_id: str) -> Any:
    return await altering.edit_data(ana, connection, "chat", job_id, b'{"n": 2}', await seal(connection, job_id))


DOES = {
    "retry": lambda c, j: jobs.retry_job(ana, c, "chat", j),
    "promote": lambda c, j: jobs.promote_job(ana, c, "chat", j),
    "edit": _edit,
    "reschedule": lambda c, j: altering.reschedule_job(ana, c, "chat", j, int(time.time() * 1000) + 60_000),
    "reprioritize": lambda c, j: altering.reprioritize_job(ana, c, "chat", j, 7),
    "fail": lambda c, j: jobs.fail_job(ana, c, "chat", j, "not today"),
    "recover": lambda c, j: jobs.recover_job(ana, c, "chat", j),
    "clear-logs": lambda c, j: jobs.clear_logs(ana, c, "chat", j),
}


@pytest.mark.parametrize("action", DOES)
async def test_each_action_is_done_in_its_states_and_refused_in_all_others(connection, client_of_redis, prefix, action):
    found = {}
    for state in LISTED:
        job_id = plant(client_of_redis, prefix, state, f"a-{state}")
        before = client_of_redis.dump(f"{prefix}:chat:{job_id}")
        try:
            await DOES[action](connection, job_id)
            found[state] = True
        except Refused:
            found[state] = False
            assert client_of_redis.dump(f"{prefix}:chat:{job_id}") == before, state
            assert (await reads.job_states(connection, "chat", [job_id]))[0] is state
    assert found == {state: state in JOB_ACTIONS[action] for state in LISTED}
    for job_id in ("nope", "meta"):
        with pytest.raises((JobNotFound, Refused)):
            await DOES[action](connection, job_id)


@pytest.mark.parametrize("action", DOES)
async def test_each_action_is_recorded_with_who_and_how_it_ended(connection, client_of_redis, prefix, action):
    state = next(state for state in LISTED if state in JOB_ACTIONS[action])
    plant(client_of_redis, prefix, state)
    done = await DOES[action](connection, "x")
    entry = await AuditEntry.objects.afirst()
    assert (entry.actor, entry.action, entry.job_id) == ("ana", f"job.{action}", "x")
    assert (entry.outcome, entry.message) == ("done", done.message)


async def test_what_was_and_what_is_stands_in_the_record(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.PRIORITIZED)
    await altering.reprioritize_job(ana, connection, "chat", "x", 9)
    told = json.loads((await AuditEntry.objects.afirst()).parameters)
    assert told == {"before": {"priority": 3}, "after": {"priority": 9}}


async def test_a_retry_may_begin_its_attempts_anew(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    await jobs.retry_job(ana, connection, "chat", "x", reset_attempts=True)
    assert client_of_redis.hmget(f"{prefix}:chat:x", "atm", "ats", "finishedOn") == [None, None, None]


async def test_a_retry_may_wait_and_is_never_seen_waiting_in_between(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    before = int(time.time() * 1000)
    done = await jobs.retry_job(ana, connection, "chat", "x", delay_ms=600_000)
    assert done.state is State.DELAYED
    due = client_of_redis.zscore(f"{prefix}:chat:delayed", "x") // 4096
    assert before + 600_000 <= due <= before + 605_000
    assert client_of_redis.exists(f"{prefix}:chat:wait", f"{prefix}:chat:failed") == 0
    assert client_of_redis.hget(f"{prefix}:chat:x", "failedReason") is None
    assert client_of_redis.zscore(f"{prefix}:chat:marker", "1") == due
    events = [fields[b"event"] for _, fields in client_of_redis.xrange(f"{prefix}:chat:events")]
    assert events == [b"delayed"]


async def test_two_who_edit_one_job_do_not_overwrite_each_other(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    sealed = await seal(connection, "x")
    given = [b'{"n": %d}' % n for n in range(5)]
    answers = await asyncio.gather(
        *(altering.edit_data(ana, connection, "chat", "x", data, sealed) for data in given), return_exceptions=True
    )
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert all(isinstance(answer, moving.Changed) for answer in answers if isinstance(answer, Exception))
    won = next(data for data, answer in zip(given, answers, strict=True) if not isinstance(answer, Exception))
    assert client_of_redis.hget(f"{prefix}:chat:x", "data") == won


async def test_data_is_stored_as_it_was_typed(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.WAITING)
    typed = b'{"id": 12345678901234567890, "rate": 1.10, "e": 1e400}'
    await altering.edit_data(ana, connection, "chat", "x", typed, await seal(connection, "x"))
    assert client_of_redis.hget(f"{prefix}:chat:x", "data") == typed


# --- recovery


async def test_a_job_whose_lock_is_held_is_not_recovered(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.ACTIVE)
    client_of_redis.set(f"{prefix}:chat:x:lock", "token")
    with pytest.raises(moving.Running, match="a worker is running it"):
        await jobs.recover_job(ana, connection, "chat", "x")
    assert client_of_redis.lrange(f"{prefix}:chat:active", 0, -1) == [b"x"]


async def test_a_recovered_job_is_next_and_its_stall_is_counted(connection, client_of_redis, prefix):
    await plant_waiting(connection, "chat", 2)
    plant(client_of_redis, prefix, State.ACTIVE)
    client_of_redis.sadd(f"{prefix}:chat:stalled", "x")
    answers = await asyncio.gather(
        *(jobs.recover_job(ana, connection, "chat", "x") for _ in range(4)), return_exceptions=True
    )
    assert sum(not isinstance(answer, Exception) for answer in answers) == 1
    assert client_of_redis.lrange(f"{prefix}:chat:wait", -1, -1) == [b"x"]
    assert client_of_redis.hget(f"{prefix}:chat:x", "stc") == b"1"
    assert client_of_redis.scard(f"{prefix}:chat:stalled") == 0
    events = [fields[b"event"] for _, fields in client_of_redis.xrange(f"{prefix}:chat:events")]
    assert events[-2:] == [b"waiting", b"stalled"]
    client_of_redis.lmove(f"{prefix}:chat:wait", f"{prefix}:chat:active", "RIGHT", "LEFT")
    done = await jobs.recover_job(ana, connection, "chat", "x")
    assert "the next worker will fail it" in done.message
    assert client_of_redis.hget(f"{prefix}:chat:x", "defa") == b"job stalled more than allowable limit"


# --- a whole queue


async def test_limits_are_set_together_and_taken_away(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    done = await limits.set_limits(ana, connection, "chat", 4, Limiter(100, 60_000))
    assert "at most 4 jobs at once" in done.message
    held = client_of_redis.hmget(f"{prefix}:chat:meta", "concurrency", "max", "duration")
    assert held == [b"4", b"100", b"60000"]
    await limits.set_limits(ana, connection, "chat", None, None)
    assert client_of_redis.hmget(f"{prefix}:chat:meta", "concurrency", "max", "duration") == [None] * 3
    with pytest.raises(QueueNotFound):
        await limits.set_limits(ana, connection, "nope", 1, None)
    assert not client_of_redis.exists(f"{prefix}:nope:meta")


async def test_a_hold_is_released(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    with pytest.raises(Refused, match="not held back"):
        await limits.release_hold(ana, connection, "chat")
    client_of_redis.set(f"{prefix}:chat:limiter", 2**53 - 1, px=60_000)
    await limits.release_hold(ana, connection, "chat")
    assert not client_of_redis.exists(f"{prefix}:chat:limiter")


async def test_a_queue_is_obliterated_in_steps_and_says_how_far_it_came(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 700)
    await plant_delayed(connection, "chat", 5)
    plant(client_of_redis, prefix, State.WAITING_CHILDREN, "parent")
    first = await obliterating.obliterate(ana, connection, "chat", force=False, budget_s=0.0)
    assert not first.finished
    assert 0 < first.left < 706
    assert client_of_redis.hget(f"{prefix}:chat:meta", "paused") == b"1"
    last = await obliterating.obliterate(ana, connection, "chat", force=False)
    assert last.finished
    assert "is gone" in last.sentence
    assert [key for key in client_of_redis.scan_iter(f"{prefix}:chat:*") if b":logs" not in key] == []


async def test_a_queue_with_running_jobs_is_obliterated_by_force_alone(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.ACTIVE)
    with pytest.raises(Refused, match="1 job is being run"):
        await obliterating.obliterate(ana, connection, "chat", force=False)
    assert client_of_redis.hget(f"{prefix}:chat:meta", "paused") is None
    assert (await obliterating.obliterate(ana, connection, "chat", force=True)).finished


async def test_a_pause_is_offered_back_and_one_that_changed_nothing_is_not(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    assert (await pause_queue(ana, connection, "chat")).undo is not None
    assert (await pause_queue(ana, connection, "chat")).undo is None


async def test_a_job_that_moved_on_says_where_it_is(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.ACTIVE)
    with pytest.raises(JobStateChanged, match="it is active now"):
        await jobs.fail_job(ana, connection, "chat", "x")
