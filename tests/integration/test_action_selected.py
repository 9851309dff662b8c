"""Jobs that were named: each is touched once and only where it was seen; what became of each is counted."""

from __future__ import annotations

import functools

import pytest

from queues.actions import undo
from queues.actions.actor import Actor
from queues.actions.selected import act_on
from queues.errors import InvalidInput, NotFound, RedisRefused
from queues.models import AuditEntry
from queues.states import State
from tests.handmade import HandmadeQueue, names
from tests.planting import plant_delayed, plant_failed

ana = Actor(None, "ana")
pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def chat(connection, client_of_redis, prefix) -> HandmadeQueue:
    return HandmadeQueue(client_of_redis, prefix)


async def test_what_had_moved_on_is_counted_and_left_alone(connection, client_of_redis, prefix, chat):
    ids = plant_failed(client_of_redis, prefix, "chat", 10)
    client_of_redis.zrem(f"{chat.base}failed", "1")
    client_of_redis.zadd(f"{chat.base}completed", {"1": 5})
    outcomes = await act_on(ana, connection, "chat", "retry", State.FAILED, [*ids, "never-was", ids[0]])
    assert (outcomes.done, outcomes.moved, outcomes.left) == (9, 2, 0)
    assert chat.ids("completed") == ["1"]
    entry = await AuditEntry.objects.aget()
    assert (entry.action, entry.affected, entry.outcome) == ("queue.retry_selected", 9, "done")
    assert entry.message == "9 retried, 2 had moved on."


async def test_removing_takes_only_what_is_still_in_that_state(connection, client_of_redis, prefix, chat):
    plant_failed(client_of_redis, prefix, "chat", 3)
    chat.waiting(["7"])
    client_of_redis.zadd(f"{chat.base}failed", {"ghost": 1})
    named = ["1", "2", "7", "ghost", "meta", "id", "events", "repeat:x", "1:logs"]
    client_of_redis.hset(f"{chat.base}repeat:x", mapping={"name": "nightly", "every": 1000})
    outcomes = await act_on(ana, connection, "chat", "remove", State.FAILED, named)
    assert (outcomes.done, outcomes.moved) == (3, 6)
    assert chat.ids("failed") == ["3"]
    assert chat.ids("wait") == ["7"]
    assert client_of_redis.exists(f"{chat.base}meta", f"{chat.base}repeat:x") == 2
    # Nor is a scheduler taken for a job that waits.
    outcomes = await act_on(ana, connection, "chat", "remove", State.WAITING, ["repeat:x", "meta", "7"])
    assert (outcomes.done, outcomes.moved) == (1, 2)
    assert client_of_redis.exists(f"{chat.base}meta", f"{chat.base}repeat:x") == 2


async def test_what_stays_says_why(connection, client_of_redis, chat):
    coming = chat.iteration("nightly", "delayed")
    chat.scored("delayed", ["plain"])
    outcomes = await act_on(ana, connection, "chat", "remove", State.DELAYED, [coming, "plain"])
    assert (outcomes.done, dict(outcomes.stayed)) == (1, {"a scheduler owns it": 1})


async def test_promoting_and_the_time_that_ends(connection, chat):
    ids = await plant_delayed(connection, "chat", 4)
    outcomes = await act_on(ana, connection, "chat", "promote", State.DELAYED, ids)
    assert (outcomes.done, len(chat.ids("wait"))) == (4, 4)
    chat.scored("failed", names("f", 600))
    outcomes = await act_on(ana, connection, "chat", "retry", State.FAILED, names("f", 600), budget_s=0.0)
    assert (outcomes.done, outcomes.left) == (0, 600)


@pytest.mark.parametrize(("action", "state"), [("retry", State.WAITING), ("destroy", State.FAILED)])
async def test_what_makes_no_sense_in_a_state_is_refused(connection, action, state):
    with pytest.raises(InvalidInput):
        await act_on(ana, connection, "chat", action, state, ["1"])
    assert await AuditEntry.objects.acount() == 0


async def test_a_broken_key_is_told_as_redis_tells_it(connection, client_of_redis, chat):
    client_of_redis.set(f"{chat.base}completed", "text")
    chat.scored("failed", ["1"])
    try:
        outcomes = await act_on(ana, connection, "chat", "retry", State.FAILED, ["1"])
        assert outcomes.done == 1
    except RedisRefused:
        assert chat.ids("failed") == ["1"]


async def test_a_few_that_were_removed_come_back_whole_and_in_their_places(connection, client_of_redis, prefix, chat):
    plant_failed(client_of_redis, prefix, "chat", 4)
    client_of_redis.rpush(f"{chat.base}2:logs", "one", "two")

    def held() -> list[object]:
        jobs = [client_of_redis.hgetall(f"{chat.base}{job_id}") for job_id in ("1", "2")]
        return [*jobs, client_of_redis.lrange(f"{chat.base}2:logs", 0, -1), places(f"{chat.base}failed", 0, -1)]

    places = functools.partial(client_of_redis.zrange, withscores=True)
    before = held()
    outcomes = await act_on(ana, connection, "chat", "remove", State.FAILED, ["1", "2", "gone"])
    assert (outcomes.done, outcomes.moved, chat.ids("failed")) == (2, 1, ["3", "4"])
    assert outcomes.undo is not None
    act = await undo.find(connection, "chat", "", outcomes.undo.token)
    done = await undo.undo(ana, act)
    assert done.message == "Undone: 2 jobs are back."
    assert held() == before
    with pytest.raises(NotFound):
        await undo.undo(ana, act)


async def test_whose_id_is_taken_again_stays_away_from_it(connection, client_of_redis, prefix, chat):
    plant_failed(client_of_redis, prefix, "chat", 2)
    outcomes = await act_on(ana, connection, "chat", "remove", State.FAILED, ["1", "2"])
    client_of_redis.hset(f"{chat.base}1", "name", "another")
    assert outcomes.undo is not None
    done = await undo.undo(ana, await undo.find(connection, "chat", "", outcomes.undo.token))
    assert done.message == "Undone: 1 job is back; of the others the ids are taken."
    assert client_of_redis.hgetall(f"{chat.base}1") == {b"name": b"another"}


async def test_more_than_a_few_have_no_way_back_here(connection, client_of_redis, prefix):
    ids = plant_failed(client_of_redis, prefix, "chat", 51)
    outcomes = await act_on(ana, connection, "chat", "remove", State.FAILED, ids)
    assert (outcomes.done, outcomes.undo) == (51, None)
