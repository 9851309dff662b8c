"""Each act led back, on real Redis: all as it was before; and a job that moved on is never touched."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from queues.actions import adding, altering, jobs, limits, undo
from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import NotFound, Refused
from queues.models import AuditEntry
from queues.options import Limiter
from queues.protocol import reads
from queues.states import State
from tests.integration.test_acting import DOES, plant
from tests.planting import plant_failed, plant_waiting
from tests.working import working

ana = Actor(None, "ana")
pytestmark = pytest.mark.django_db(transaction=True)


def seen(client: Any, prefix: str) -> dict[bytes, Any]:
    """All that lies under the queue, but for its news, its wake-up and its counters."""
    found = {}
    for key in client.scan_iter(f"{prefix}:chat:*"):
        if key.rsplit(b":", 1)[1] in (b"events", b"marker", b"pc", b"id"):
            continue
        kind = client.type(key)
        read = {
            b"hash": client.hgetall,
            b"string": client.get,
            b"set": client.smembers,
            b"list": lambda key: client.lrange(key, 0, -1),
            b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        }
        found[key] = read[kind](key)
    return found


async def led_back(connection: str, done: Done, job_id: str = "x") -> Done:
    assert done.undo is not None, done.message
    act = await undo.find(connection, "chat", job_id, done.undo.token)
    return await undo.undo(ana, act)


WAYS = [
    ("retry", State.FAILED),
    ("retry", State.COMPLETED),
    ("promote", State.DELAYED),
    ("edit", State.FAILED),
    ("edit", State.WAITING),
    ("reschedule", State.DELAYED),
    ("reprioritize", State.PRIORITIZED),
    ("fail", State.WAITING),
    ("fail", State.DELAYED),
    ("clear-logs", State.FAILED),
    ("remove", State.FAILED),
    ("remove", State.COMPLETED),
    ("remove", State.WAITING),
    ("remove", State.PRIORITIZED),
    ("remove", State.DELAYED),
]
DONE = DOES | {"remove": lambda c, j: jobs.remove_job(ana, c, "chat", j)}


@pytest.mark.parametrize(("action", "state"), WAYS, ids=[f"{a}-{s}" for a, s in WAYS])
async def test_undone_all_is_as_it_was(connection, client_of_redis, prefix, action, state):
    await plant_waiting(connection, "chat", 2)
    plant(client_of_redis, prefix, state)
    await plant_waiting(connection, "chat", 2)
    before = seen(client_of_redis, prefix)
    done = await DONE[action](connection, "x")
    assert seen(client_of_redis, prefix) != before
    back = await led_back(connection, done)
    assert back.message.startswith("Undone")
    after = seen(client_of_redis, prefix)
    if action == "reprioritize":
        # Its place among equals is the last now: that is said.
        for found in (before, after):
            found.pop(f"{prefix}:chat:prioritized".encode())
    assert after == before
    entry = await AuditEntry.objects.afirst()
    assert (entry.action, entry.outcome) == ("job.undo", "done")
    assert f"job.{action}" in entry.parameters


@pytest.mark.parametrize("delayed", [False, True], ids=["at once", "later"])
async def test_a_retry_with_its_attempts_reset_is_undone(connection, client_of_redis, prefix, delayed):
    plant(client_of_redis, prefix, State.FAILED)
    before = seen(client_of_redis, prefix)
    done = await jobs.retry_job(ana, connection, "chat", "x", reset_attempts=True, delay_ms=5_000 if delayed else 0)
    await led_back(connection, done)
    assert seen(client_of_redis, prefix) == before


@pytest.mark.parametrize(("action", "state"), WAYS[:3] + WAYS[5:9], ids=[f"{a}-{s}" for a, s in WAYS[:3] + WAYS[5:9]])
async def test_a_job_that_a_worker_has_taken_since_is_not_touched(connection, client_of_redis, prefix, action, state):
    plant(client_of_redis, prefix, state)
    done = await DONE[action](connection, "x")
    base = f"{prefix}:chat:"
    for key in ("wait", "prioritized", "delayed"):
        client_of_redis.delete(base + key)
    client_of_redis.lpush(f"{base}active", "x")
    client_of_redis.hincrby(f"{base}x", "ats", 1)
    client_of_redis.set(f"{base}x:lock", "token")
    before = seen(client_of_redis, prefix)
    with pytest.raises(Refused):
        await led_back(connection, done)
    assert seen(client_of_redis, prefix) == before
    assert (await AuditEntry.objects.afirst()).outcome == "refused"


async def test_one_that_ran_and_failed_again_keeps_its_new_failure(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    done = await jobs.retry_job(ana, connection, "chat", "x")
    base = f"{prefix}:chat:"
    client_of_redis.delete(f"{base}wait")
    client_of_redis.hset(f"{base}x", mapping={"ats": 2, "atm": 2, "failedReason": "Another"})
    client_of_redis.zadd(f"{base}failed", {"x": 5})
    with pytest.raises(Refused, match="started it since"):
        await led_back(connection, done)
    assert client_of_redis.hget(f"{base}x", "failedReason") == b"Another"


async def test_of_two_clicks_on_undo_one_undoes(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    done = await jobs.clear_logs(ana, connection, "chat", "x")
    act = await undo.find(connection, "chat", "x", done.undo.token)
    answers = await asyncio.gather(*(undo.undo(ana, act) for _ in range(4)), return_exceptions=True)
    assert sum(isinstance(answer, Done) for answer in answers) == 1
    assert client_of_redis.lrange(f"{prefix}:chat:x:logs", 0, -1) == [b"one", b"two"]


async def test_an_undo_belongs_to_its_job_and_ends(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    done = await jobs.retry_job(ana, connection, "chat", "x")
    assert 0 < done.undo.until_ms - time.time() * 1000 <= 600_000
    (key,) = client_of_redis.keys(f"{prefix}::{{toril}}:undo:*")
    assert 0 < client_of_redis.pttl(key) <= 600_000
    for queue, job_id, token in (("chat", "y", done.undo.token), ("other", "x", done.undo.token), ("chat", "x", "no")):
        with pytest.raises(NotFound, match="cannot be undone any more"):
            await undo.find(connection, queue, job_id, token)
    client_of_redis.delete(key)
    with pytest.raises(NotFound):
        await undo.find(connection, "chat", "x", done.undo.token)


async def test_a_value_that_somebody_changed_since_stays(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.DELAYED)
    edited = await DOES["edit"](connection, "x")
    moved = await DOES["reschedule"](connection, "x")
    ranked = await DOES["reprioritize"](connection, "x")
    client_of_redis.hset(f"{prefix}:chat:x", mapping={"data": "[]", "priority": 5})
    client_of_redis.zadd(f"{prefix}:chat:delayed", {"x": 77 * 4096})
    for done in (edited, moved, ranked):
        with pytest.raises(Refused):
            await led_back(connection, done)
    assert client_of_redis.hget(f"{prefix}:chat:x", "data") == b"[]"
    assert client_of_redis.zscore(f"{prefix}:chat:delayed", "x") == 77 * 4096


# --- removal


async def test_a_removed_id_that_came_back_is_left_alone(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    done = await jobs.remove_job(ana, connection, "chat", "x")
    plant(client_of_redis, prefix, State.WAITING, data='{"other": true}')
    with pytest.raises(Refused, match="there is a job of this id again"):
        await led_back(connection, done)
    assert client_of_redis.hget(f"{prefix}:chat:x", "data") == b'{"other": true}'


async def test_what_is_too_large_to_be_kept_is_removed_and_said_to_be_gone(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED, data='"' + "x" * 2_000_000 + '"')
    done = await jobs.remove_job(ana, connection, "chat", "x")
    assert done.undo is None
    assert "cannot be undone" in done.message
    assert not client_of_redis.exists(f"{prefix}:chat:x")


# --- what was added, and the queue


async def test_a_job_that_has_not_begun_is_taken_away_again(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    before = seen(client_of_redis, prefix)
    added = await adding.add_text(ana, connection, "chat", "hello", '{"n": 12345678901234567890}', {"attempts": 2})
    assert client_of_redis.hget(f"{prefix}:chat:{added.id}", "data") == b'{"n": 12345678901234567890}'
    await led_back(connection, added.done, "")
    assert seen(client_of_redis, prefix) == before
    added = await adding.add_text(ana, connection, "chat", "hello", "{}", {})
    client_of_redis.lmove(f"{prefix}:chat:wait", f"{prefix}:chat:active", "RIGHT", "LEFT")
    client_of_redis.hincrby(f"{prefix}:chat:{added.id}", "ats", 1)
    with pytest.raises(Refused):
        await led_back(connection, added.done, "")
    assert (await reads.job_states(connection, "chat", [added.id]))[0] is State.ACTIVE


async def test_an_id_that_is_taken_adds_nothing_and_offers_nothing(connection, client_of_redis, prefix):
    await adding.add_text(ana, connection, "chat", "hello", "1", {"job_id": "mine"})
    again = await adding.add_text(ana, connection, "chat", "hello", "2", {"job_id": "mine"})
    assert (again.is_new, again.done.undo) == (False, None)
    assert "Nothing was added" in again.done.message
    assert client_of_redis.hget(f"{prefix}:chat:mine", "data") == b"1"


async def test_a_copy_in_another_queue_leaves_the_original_where_it_is(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED, opts='{"attempts":5,"backoff":{"type":"fixed","delay":9},"jobId":"x"}')
    plant_failed(client_of_redis, prefix, "slow", 1)
    done = await adding.copy_elsewhere(ana, connection, "chat", "x", "slow")
    assert "The original stays where it is, in queue “chat”" in done.message
    (copy,) = client_of_redis.lrange(f"{prefix}:slow:wait", 0, -1)
    assert client_of_redis.hget(f"{prefix}:slow:{copy.decode()}", "data") == b'{"n": 1}'
    assert b'"attempts":5' in client_of_redis.hget(f"{prefix}:slow:{copy.decode()}", "opts")
    assert client_of_redis.zcard(f"{prefix}:chat:failed") == 1
    act = await undo.find(connection, "slow", "", done.undo.token)
    await undo.undo(ana, act)
    assert client_of_redis.llen(f"{prefix}:slow:wait") == 0


async def test_pausing_and_limits_are_undone_while_they_stand(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 1)
    before = seen(client_of_redis, prefix)
    await led_back(connection, await pause_queue(ana, connection, "chat"), "")
    limited = await limits.set_limits(ana, connection, "chat", 3, Limiter(5, 1000))
    await led_back(connection, limited, "")
    assert seen(client_of_redis, prefix) == before
    paused = await pause_queue(ana, connection, "chat")
    await resume_queue(ana, connection, "chat")
    with pytest.raises(Refused, match="running already"):
        await led_back(connection, paused, "")


async def test_an_edit_with_its_retry_is_undone_as_one(connection, client_of_redis, prefix):
    plant(client_of_redis, prefix, State.FAILED)
    before = seen(client_of_redis, prefix)
    edited = await DOES["edit"](connection, "x")
    retried = await jobs.retry_job(ana, connection, "chat", "x")
    both = await undo.chain(connection, "job.edit", "chat", "x", [edited.undo, retried.undo])
    await led_back(connection, Done("", undo=both))
    assert seen(client_of_redis, prefix) == before


async def test_a_cancelled_job_is_failed_by_its_worker_with_the_reason(connection, client_of_redis, prefix, sight):
    (job_id,) = await plant_waiting(connection, "chat")
    await altering.reprioritize_job(ana, connection, "chat", job_id, 4)
    await jobs.fail_job(ana, connection, "chat", job_id, "not today")
    ran = []
    async with working(ran.append):
        await sight.until("failed", job_id)
    assert ran == []
    assert sight.job(job_id)["failedReason"] == "not today"
