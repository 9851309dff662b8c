"""What a program may do with a whole queue: count, pause, empty and limit it; deduplication in all its modes."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from queues import queue
from queues.errors import Refused
from queues.options import Limiter
from queues.producer import Deduplication
from queues.protocol import steering
from queues.protocol.keys import Keys
from queues.states import State
from tests.eventually import eventually
from tests.working import working


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, "chat")


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(steering, "CHUNK", 5)


async def filled(**more: int) -> None:
    """Some jobs in each state that needs no worker."""
    chat = queue("chat")
    await chat.add_bulk({"name": "w"} for _ in range(12))
    await chat.add_bulk({"name": "p", "priority": 2} for _ in range(7))
    await chat.add_bulk({"name": "d", "delay_ms": 60_000} for _ in range(8))


async def test_counts_say_what_is_where(connection):
    await filled()
    await queue("chat").add_flow("parent", children=[{"name": "child", "queue": "other"}])
    assert await queue("chat").counts() == {
        State.WAITING: 12,
        State.ACTIVE: 0,
        State.PRIORITIZED: 7,
        State.DELAYED: 8,
        State.FAILED: 0,
        State.COMPLETED: 0,
        State.WAITING_CHILDREN: 1,
    }


async def test_jobs_of_a_state_are_read_in_running_order(connection):
    await filled()
    found = await queue("chat").jobs("waiting", 2, 3)
    assert [job.id for job in found] == ["3", "4", "5"]
    assert [job.id for job in await queue("chat").jobs(State.PRIORITIZED, count=1)] == ["13"]
    assert len(await queue("chat").jobs("wait", count=1_000)) == 12


async def test_a_paused_queue_starts_nothing(connection):
    ran = []

    async def run(job):
        ran.append(job.id)

    await queue("chat").pause()
    assert await queue("chat").is_paused()
    async with working(run):
        await queue("chat").add("x")
        await asyncio.sleep(0.1)
        assert ran == []
        await queue("chat").resume()
        await eventually(lambda: ran)
    assert not await queue("chat").is_paused()


async def test_draining_leaves_what_is_delayed_unless_asked(connection, small_chunks):
    await filled()
    await queue("chat").drain()
    counts = await queue("chat").counts()
    assert (counts[State.WAITING], counts[State.PRIORITIZED], counts[State.DELAYED]) == (0, 0, 8)
    await queue("chat").drain(delayed=True)
    assert (await queue("chat").counts())[State.DELAYED] == 0


async def test_draining_leaves_the_next_runs_of_schedulers_alone(connection, small_chunks, client_of_redis, keys):
    """Also where more of them than one piece stand in front (Node's drain leaves ghosts: PROTOCOL.md §5)."""
    for n in range(8):
        await queue("chat").upsert_scheduler(f"s{n}", every_ms=3_600_000)
    runs = client_of_redis.lrange(keys("wait"), 0, -1)
    assert len(runs) == 8
    await filled()
    await queue("chat").drain(delayed=True)
    assert client_of_redis.lrange(keys("wait"), 0, -1) == runs
    assert all(client_of_redis.exists(keys.base + run) for run in runs)


async def test_cleaning_takes_old_jobs_of_one_state(connection, small_chunks):
    async def run(job):
        if job.name == "bad":
            raise ValueError

    chat = queue("chat")
    jobs = await chat.add_bulk([*({"name": "x"} for _ in range(17)), {"name": "bad"}])
    async with working(run, concurrency=5):
        await eventually(lambda: is_over(18))
    assert await chat.clean(older_than_ms=60_000) == []
    assert len(await chat.clean(limit=7)) == 7
    assert set(await chat.clean("completed")) < {job.id for job in jobs}
    counts = await chat.counts()
    assert (counts[State.COMPLETED], counts[State.FAILED]) == (0, 1)
    assert await chat.clean(0, 100, "failed") == [jobs[-1].id]
    assert await chat.clean(State.FAILED) == []
    assert await jobs[-1].state() is State.UNKNOWN


async def is_over(count: int) -> bool:
    counts = await queue("chat").counts()
    return counts[State.COMPLETED] + counts[State.FAILED] == count


@pytest.mark.parametrize("state", ["waiting", "prioritized", "delayed"])
async def test_cleaning_what_has_not_run(connection, small_chunks, state: str):
    await filled()
    before = (await queue("chat").counts())[State(state)]
    assert len(await queue("chat").clean(state)) == before
    assert (await queue("chat").counts())[State(state)] == 0


async def test_cleaning_waiting_jobs_finds_what_an_older_bullmq_parked(connection, client_of_redis, keys):
    await queue("chat").add("x")
    client_of_redis.rename(keys("wait"), keys("paused"))
    assert await queue("chat").clean("waiting") == ["1"]


async def test_an_obliterated_queue_leaves_nothing(connection, small_chunks, client_of_redis, prefix):
    async def run(job):
        return None

    async with working(run):
        await (await queue("chat").add("done", deduplication={"id": "one", "ttl_ms": 60_000})).result(10)
    await filled()
    await queue("chat").upsert_scheduler("beat", every_ms=3_600_000)
    await queue("chat").set_concurrency(2)
    await queue("chat").hold(60_000)
    for _ in range(7):
        await queue("chat").add_flow("parent", children=[{"name": "child"}])
    await queue("chat").obliterate()
    assert [key for key in client_of_redis.keys(f"{prefix}:chat:*")] == []  # noqa: C416


async def test_obliterating_leaves_children_in_other_queues(connection):
    flow = await queue("chat").add_flow("parent", children=[{"name": "child", "queue": "other"}])
    await queue("chat").obliterate()
    assert await flow.children[0].job.state() is State.WAITING
    assert await flow.job.state() is State.UNKNOWN


async def test_active_jobs_are_obliterated_by_force_alone(connection, client_of_redis, keys, prefix):
    gate = asyncio.Event()

    async def run(job):
        await gate.wait()

    async with working(run):
        job = await queue("chat").add("x")
        await eventually(lambda: client_of_redis.llen(keys("active")) == 1)
        with pytest.raises(Refused, match="1 active"):
            await queue("chat").obliterate()
        assert not await queue("chat").is_paused()
        assert await job.state() is State.ACTIVE
        await queue("chat").obliterate(force=True)
        assert await job.state() is State.UNKNOWN
        gate.set()


async def test_limits_hold_for_all_workers_and_are_lifted(connection):
    running, most = 0, 0

    async def run(job):
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.02)
        running -= 1

    chat = queue("chat")
    await chat.set_concurrency(2)
    async with working(run, concurrency=5):
        jobs = await chat.add_bulk({"name": "x"} for _ in range(8))
        await asyncio.gather(*(job.result(10) for job in jobs))
    assert most == 2
    await chat.set_rate_limit(5, 1_000)
    assert (await chat.limits()).rate_limit == Limiter(5, 1_000)
    await chat.set_concurrency(None)
    await chat.remove_rate_limit()
    assert await chat.limits() == type(await chat.limits())(None, None)


async def test_a_limit_that_is_lifted_wakes_the_workers(connection, client_of_redis, keys):
    """A worker of Node's sleeps on the marker, which no script sets while the limit is reached."""
    await queue("chat").set_concurrency(1)
    client_of_redis.delete(keys("marker"))
    await queue("chat").set_concurrency(None)
    assert client_of_redis.zscore(keys("marker"), "0") == 0


async def test_a_queue_is_held_and_let_go(connection, client_of_redis, keys):
    await queue("chat").hold(60_000)
    assert 0 < client_of_redis.pttl(keys("limiter")) <= 60_000
    await queue("chat").hold(0)
    assert not client_of_redis.exists(keys("limiter"))


# --- deduplication


async def test_while_its_holder_is_unfinished_a_deduplicated_job_adds_nothing(connection):
    async def run(job):
        return job.data

    chat = queue("chat")
    first = await chat.add("x", 1, deduplication="one")
    assert (await chat.add("x", 2, deduplication="one")).id == first.id
    assert await chat.deduplicated("one") == first.id
    async with working(run):
        assert await first.result(10) == 1
    assert await chat.deduplicated("one") is None
    assert (await chat.add("x", 3, deduplication="one")).id != first.id


async def test_a_throttled_job_adds_nothing_until_its_time_is_over(connection, client_of_redis, keys):
    chat = queue("chat")
    throttle = Deduplication("one", ttl_ms=60_000)
    first = await chat.add("x", deduplication=throttle)
    assert (await chat.add("x", deduplication=throttle)).id == first.id
    assert 0 < client_of_redis.pttl(keys("de:one")) <= 60_000
    client_of_redis.pexpire(keys("de:one"), 5)
    await eventually(lambda: client_of_redis.exists(keys("de:one")) == 0)
    assert (await chat.add("x", deduplication=throttle)).id != first.id


async def test_a_debounced_job_replaces_the_one_that_waits(connection, client_of_redis, keys):
    chat = queue("chat")
    debounce: dict[str, Any] = {"id": "one", "ttl_ms": 60_000, "extend": True, "replace": True}
    first = await chat.add("x", 1, deduplication=debounce, delay_ms=60_000)
    client_of_redis.pexpire(keys("de:one"), 30_000)
    second = await chat.add("x", 2, deduplication=debounce, delay_ms=60_000)
    assert second.id != first.id
    assert await first.state() is State.UNKNOWN
    assert (await second.refresh()).data == 2
    assert client_of_redis.pttl(keys("de:one")) > 30_000
    assert client_of_redis.zcard(keys("delayed")) == 1


async def test_the_last_of_many_is_kept_while_its_holder_runs(connection, client_of_redis, keys):
    gate = asyncio.Event()
    ran = []

    async def run(job):
        ran.append(job.data)
        await gate.wait()

    chat = queue("chat")
    last = Deduplication("one", keep_last_if_active=True)
    async with working(run):
        await chat.add("x", 0, deduplication=last)
        await eventually(lambda: ran == [0])
        for n in range(1, 4):
            await chat.add("x", n, deduplication=last)
        gate.set()
        await eventually(lambda: ran == [0, 3])


async def test_a_deduplication_id_is_given_free_by_hand(connection):
    chat = queue("chat")
    first = await chat.add("x", deduplication="one")
    assert await chat.remove_deduplication("one", job_id="another") is False
    assert await chat.remove_deduplication("one", job_id=first.id) is True
    assert await chat.remove_deduplication("one") is False
    assert (await chat.add("x", deduplication="one")).id != first.id


async def test_a_deduplication_id_may_be_any_text(connection):
    for identity in ("a:b", "meta", "12", "😀 é", "*"):
        job = await queue("chat").add("x", deduplication=identity)
        assert await queue("chat").deduplicated(identity) == job.id


def test_plain_code_steers_a_queue_too(connection):
    chat = queue("chat").sync
    job = chat.add("x", {"n": 1})
    assert chat.counts()[State.WAITING] == 1
    assert chat.get_job(job.id).data == {"n": 1}
    assert [found.id for found in chat.jobs("waiting")] == [job.id]
    chat.pause()
    assert chat.is_paused()
    chat.resume()
    assert chat.clean("waiting") == [job.id]
    assert chat.upsert_scheduler("beat", every_ms=60_000).sync.state() in (State.WAITING, State.DELAYED)
    chat.obliterate(force=True)
    with pytest.raises(AttributeError, match="without an event loop"):
        chat.events()
    with pytest.raises(AttributeError):
        chat.nonsense  # noqa: B018
