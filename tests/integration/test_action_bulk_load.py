"""Bulk work under load: many jobs, many hands, a short budget, a Redis that goes away, a request that is cut."""

from __future__ import annotations

import asyncio
import threading
import time

import pytest
import redis

from queues.actions import pace as pacing
from queues.actions import walks
from queues.actions.actor import Actor
from queues.actions.audit import settle
from queues.actions.bulk import plan, run
from queues.errors import RedisRefused, RedisUnavailable
from queues.models import AuditEntry, Outcome
from queues.options import reset_options
from queues.protocol import selection, writes
from queues.protocol.connections import wire
from queues.states import State
from tests.eventually import eventually
from tests.faults import connects
from tests.planting import plant_failed

ana, bob = Actor(None, "ana"), Actor(None, "bob")

pytestmark = pytest.mark.django_db(transaction=True)


class OtherClient:
    """Somebody else who pings the same Redis all the time, and keeps the longest it had to wait."""

    def __init__(self, port: int) -> None:
        self.waits_ms: list[float] = []
        self._port, self._stop = port, threading.Event()
        self._thread = threading.Thread(target=self._ping)

    def __enter__(self) -> OtherClient:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _ping(self) -> None:
        with redis.Redis(port=self._port) as client:
            while not self._stop.wait(0.001):
                began = time.perf_counter()
                client.ping()
                self.waits_ms.append((time.perf_counter() - began) * 1000)


def mean_ms(client: redis.Redis, command: str) -> float:
    """What one call of the command costs Redis on average, since the statistics were reset."""
    return client.info("commandstats")[f"cmdstat_{command}"]["usec_per_call"] / 1000


async def test_ten_thousand_failed_jobs_are_retried_while_others_hardly_wait(
    connection, redis_server, client_of_redis, prefix, monkeypatch, watch
):
    chunks = []
    retry = writes.retry_jobs

    async def counted(connection, queue, state, ids):
        chunks.append(len(ids))
        return await retry(connection, queue, state, ids)

    monkeypatch.setattr(writes, "retry_jobs", counted)
    plant_failed(client_of_redis, prefix, "chat", 10_000)
    client_of_redis.config_resetstat()
    asked = await plan(connection, "chat", "retry-all", "failed")
    assert asked.sentence == "Retry 10,000 failed jobs."
    with OtherClient(redis_server.port) as other:
        progress = await run(ana, asked, budget_s=30)
    assert (progress.done, progress.skipped, progress.finished) == (10_000, 0, True)
    assert client_of_redis.llen(f"{prefix}:chat:wait") == 10_000
    assert chunks[0] == pacing.BEGIN
    assert max(chunks) <= pacing.MOST
    assert mean_ms(client_of_redis, "evalsha") < 1 * watch.slowness
    # A generous bound: two cores are shared with everything else that runs.
    assert sorted(other.waits_ms)[int(len(other.waits_ms) * 0.95)] < 50 * watch.slowness


async def test_twenty_thousand_waiting_jobs_are_drained_in_short_calls(connection, client_of_redis, prefix, watch):
    base, stamp = f"{prefix}:chat:", int(time.time() * 1000) - 1000
    client_of_redis.hset(f"{base}meta", "opts.maxLenEvents", 10000)
    with client_of_redis.pipeline(transaction=False) as pipe:
        for n in range(20_000):
            pipe.hset(f"{base}{n}", mapping={"name": "n", "data": "{}", "timestamp": stamp})
            pipe.lpush(f"{base}wait", n)
        pipe.execute()
    client_of_redis.config_resetstat()
    asked = await plan(connection, "chat", "drain", "waiting")
    assert asked.sentence.startswith("Remove at least 10,000 of 20,000 waiting and prioritized jobs.")
    progress = await run(ana, asked, budget_s=60)
    assert (progress.done, progress.finished) == (20_000, True)
    assert client_of_redis.exists(f"{base}wait", f"{base}19999") == 0
    assert mean_ms(client_of_redis, "exec") < 10 * watch.slowness


async def test_a_short_budget_says_what_is_left_and_can_be_continued(connection, client_of_redis, prefix):
    plant_failed(client_of_redis, prefix, "chat", 3_000)
    asked = await plan(connection, "chat", "clean", "failed")
    done, rounds = 0, 0
    progress = await run(ana, asked, budget_s=0.01)
    while not progress.finished:
        done, rounds = done + progress.done, rounds + 1
        assert progress.done + progress.left == asked.count
        assert f"{progress.left:,} left." in progress.sentence
        asked = await plan(connection, "chat", "clean", "failed", before_ms=asked.before_ms)
        assert asked.count == progress.left
        progress = await run(ana, asked, budget_s=0.01)
        assert rounds < 1_000
    assert done + progress.done == 3_000
    assert rounds > 1


@pytest.mark.parametrize("suffix", ["wait", "delayed"])
async def test_two_runs_count_each_job_once_where_they_go_job_by_job(
    connection, client_of_redis, prefix, monkeypatch, suffix
):
    monkeypatch.setattr(walks, "MOST_PLACES", 0)
    ids = plant_failed(client_of_redis, prefix, "chat", 400)
    client_of_redis.delete(f"{prefix}:chat:failed")
    if suffix == "wait":
        client_of_redis.lpush(f"{prefix}:chat:wait", *ids)
    else:
        client_of_redis.zadd(f"{prefix}:chat:delayed", dict.fromkeys(ids, 7))
    asked = await plan(connection, "chat", "clean", "waiting" if suffix == "wait" else suffix)
    first, second = await asyncio.gather(run(ana, asked, budget_s=30), run(bob, asked, budget_s=30))
    assert first.done + second.done == 400
    assert client_of_redis.exists(f"{prefix}:chat:{suffix}") == 0


@pytest.mark.parametrize(("action", "state"), [("retry-all", "failed"), ("clean", "failed"), ("drain", "waiting")])
async def test_two_runs_of_one_plan_touch_each_job_once(connection, client_of_redis, prefix, action, state):
    ids = plant_failed(client_of_redis, prefix, "chat", 3_000)
    if state == "waiting":
        client_of_redis.delete(f"{prefix}:chat:failed")
        client_of_redis.lpush(f"{prefix}:chat:wait", *ids)
    asked = await plan(connection, "chat", action, state)
    first, second = await asyncio.gather(run(ana, asked, budget_s=30), run(bob, asked, budget_s=30))
    assert first.done + second.done == 3_000
    assert min(first.done, second.done) > 0
    assert first.finished
    assert second.finished
    assert (first.skipped, second.skipped) == (second.done, first.done)
    expected = {"retry-all": 3_000, "clean": 0, "drain": 0}[action]
    waiting = client_of_redis.lrange(f"{prefix}:chat:wait", 0, -1)
    assert (len(waiting), len(set(waiting))) == (expected, expected)
    assert sum([entry.affected async for entry in AuditEntry.objects.all()]) == 3_000


async def test_workers_that_take_jobs_meanwhile_are_not_hindered(connection, client_of_redis, prefix):
    ids = plant_failed(client_of_redis, prefix, "chat", 3_000)
    client_of_redis.delete(f"{prefix}:chat:failed")
    client_of_redis.lpush(f"{prefix}:chat:wait", *ids)
    asked = await plan(connection, "chat", "drain", "waiting")
    taken: list[bytes] = []

    def work() -> None:
        with redis.Redis(port=client_of_redis.connection_pool.connection_kwargs["port"]) as worker:
            while (job_id := worker.lmove(f"{prefix}:chat:wait", f"{prefix}:chat:active")) is not None:
                taken.append(job_id)

    worker = asyncio.create_task(asyncio.to_thread(work))
    progress = await run(ana, asked, budget_s=30)
    await worker
    assert progress.done + len(taken) == 3_000
    assert (progress.skipped, progress.left, progress.finished) == (len(taken), 0, True)
    assert client_of_redis.exists(*[f"{prefix}:chat:{job_id.decode()}" for job_id in taken]) == len(taken)


async def test_a_request_that_is_cut_stops_the_work_and_the_row_says_how_far_it_came(
    connection, client_of_redis, prefix
):
    plant_failed(client_of_redis, prefix, "chat", 5_000)
    asked = await plan(connection, "chat", "retry-all", "failed")
    request = asyncio.create_task(run(ana, asked, budget_s=30))
    await eventually(lambda: client_of_redis.llen(f"{prefix}:chat:wait") > 0)
    request.cancel()
    with pytest.raises(asyncio.CancelledError):
        await request
    await settle()
    entry = await AuditEntry.objects.aget()
    assert entry.outcome == Outcome.DONE
    assert 0 < entry.affected < 5_000
    assert entry.affected == client_of_redis.llen(f"{prefix}:chat:wait")
    assert f"{5_000 - entry.affected:,} left." in entry.message


@pytest.fixture
def mortal(own_redis, prefix, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": prefix}}}
    reset_options()
    yield own_redis
    reset_options()


@pytest.mark.parametrize("action", ["retry-all", "clean"])
async def test_redis_killed_midway_leaves_an_honest_answer_and_row(mortal, prefix, action):
    with redis.Redis(port=mortal.port) as client:
        plant_failed(client, prefix, "chat", 5_000)
        asked = await plan("default", "chat", action, State.FAILED)
        request = asyncio.create_task(run(ana, asked, budget_s=30))
        # Past the first chunk, whose answer may still be on the way: without any nothing was done, and that is raised.
        await eventually(lambda: client.zcard(f"{prefix}:chat:failed") < 4_000)
        mortal.process.kill()
        mortal.stop()
    progress = await request
    assert 0 < progress.done < 5_000
    assert not progress.finished
    assert progress.done + progress.skipped + progress.left == 5_000
    assert "Redis" in progress.error
    entry = await AuditEntry.objects.aget()
    assert (entry.outcome, entry.affected) == (Outcome.FAILED, progress.done)


async def test_a_connection_cut_midway_stops_the_run_though_redis_is_there_again(mortal, prefix):
    with redis.Redis(port=mortal.port) as client:
        plant_failed(client, prefix, "chat", 5_000)
        asked = await plan("default", "chat", "retry-all", State.FAILED)
        request = asyncio.create_task(run(ana, asked, budget_s=30))
        await eventually(lambda: client.zcard(f"{prefix}:chat:failed") < 5_000)

        def cut() -> None:
            """From a thread, so that Redis is cut off between the calls of a step and not only between steps."""
            while not request.done():
                client.client_kill_filter(_type="normal", skipme=True)

        await asyncio.to_thread(cut)
        progress = await request
        assert not progress.finished
        assert "Redis" in progress.error
        assert progress.done + progress.skipped + progress.left == 5_000
        # The last try to dial may have been cut, too.
        await eventually(lambda: connects(wire("default")))
        again = await run(ana, await plan("default", "chat", "retry-all", "failed", before_ms=asked.before_ms))
        assert again.finished
        waiting = client.lrange(f"{prefix}:chat:wait", 0, -1)
        assert (len(waiting), len(set(waiting))) == (5_000, 5_000)


async def test_redis_away_from_the_start_is_an_error_and_a_row(mortal):
    asked = await plan("default", "chat", "retry-all", "failed")
    asked = type(asked)("default", "chat", "retry-all", State.FAILED, 5, asked.before_ms, "")
    mortal.stop()
    with pytest.raises(RedisUnavailable):
        await run(ana, asked)
    assert (await AuditEntry.objects.aget()).outcome == Outcome.FAILED


def test_silence_and_a_refusal_of_every_job_stop_the_work_and_one_refusal_does_not():
    with pytest.raises(RedisUnavailable):
        walks.Step(5, unanswered=1).check()
    with pytest.raises(RedisRefused, match="OOM"):
        walks.Step(0, {"1": "Redis refused: OOM.", "2": "Redis refused: OOM."}).check()
    walks.Step(1, {"2": "Redis refused: WRONGTYPE."}).check()
    walks.Step(0, {"1": "it is gone"}).check()


@pytest.mark.parametrize("way", [walks.ScoreWalk, walks.PromoteWalk, walks.PlaceWalk])
async def test_a_walk_ends_though_nothing_can_be_done(connection, client_of_redis, prefix, way, monkeypatch):
    """Whatever Redis answers: here it never does what it is asked for."""
    ids = plant_failed(client_of_redis, prefix, "chat", 1_500)
    client_of_redis.delete(f"{prefix}:chat:failed")
    client_of_redis.zadd(f"{prefix}:chat:delayed", dict.fromkeys(ids, 7))

    async def refused(*given):
        return ["no" for _ in given[-1]]

    async def nothing(*_given):
        return []

    async def none(*_given):
        return 0, {}

    for name in ("retry_jobs", "promote_jobs"):
        monkeypatch.setattr(writes, name, refused)
    monkeypatch.setattr(selection, "sweep", nothing)
    monkeypatch.setattr(selection, "remove_placed", none)
    last: State | str = "delayed" if way is walks.PlaceWalk else State.DELAYED
    walk = way(connection, "chat", last, int(time.time() * 1000))
    for _ in range(100):
        step = await walk.step(50, 10**9)
        if step.is_last:
            break
    else:
        raise AssertionError("it goes on for ever")
    assert step.done == 0
