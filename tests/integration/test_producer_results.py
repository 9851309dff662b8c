"""Waiting for a job's end: by its event, by asking, through outages; one connection for everybody who waits."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time
import weakref

import pytest
import redis
from asgiref.sync import async_to_sync

from queues import queue
from queues.errors import JobFailed, JobNotFound, RedisUnavailable, ResultTimeout
from queues.options import reset_options
from queues.protocol import results
from queues.protocol.blocking import close_blocking
from queues.protocol.keys import Keys
from tests.conftest import RedisServer
from tests.eventually import eventually, eventually_sync
from tests.integration.test_producer_events import listens
from tests.working import working


@pytest.fixture(autouse=True)
def _no_idle_connections():
    yield
    close_blocking()


async def run(job):
    if job.name == "bad":
        raise ValueError("not today")
    return job.data


async def test_the_result_of_a_job_is_waited_for(connection):
    chat = queue("chat")
    later = asyncio.gather(*[(await chat.add("good", n)).result(10) for n in range(20)])
    async with working(run, concurrency=4):
        assert await later == list(range(20))
        assert await (await chat.add("good", {"a": None})).result() == {"a": None}
        assert await (await chat.add("good", None)).result() is None


async def test_the_result_of_a_job_that_has_ended_is_there_at_once(connection):
    async with working(run):
        job = await queue("chat").add("good", "done")
        await job.result(10)
    assert await job.result(0.5) == "done"
    assert await queue("chat").job(job.id).result(0.5) == "done"


async def test_a_failed_job_raises_its_reason(connection):
    async with working(run):
        job = await queue("chat").add("bad")
        with pytest.raises(JobFailed, match="not today") as failed:
            await job.result(10)
    assert failed.value.reason == "not today"
    with pytest.raises(JobFailed, match="not today"):
        await job.result()


async def test_a_job_that_is_not_finished_in_time_raises(connection):
    job = await queue("chat").add("good")
    with pytest.raises(ResultTimeout, match=r"within 0\.05 s"):
        await job.result(0.05)


async def test_a_job_there_never_was_raises(connection):
    with pytest.raises(JobNotFound):
        await queue("chat").job("none").result(1)


async def test_a_job_that_is_removed_as_soon_as_it_ends_is_heard_of(connection):
    async with working(run):
        good = await queue("chat").add("good", 1, remove_on_complete=True)
        bad = await queue("chat").add("bad", remove_on_fail=True)
        assert await good.result(10) == 1
        with pytest.raises(JobFailed, match="not today"):
            await bad.result(10)
    # Asked for only now, when there is nothing left of it but its event.
    assert await good.result(1) == 1


async def test_everybody_who_waits_shares_one_connection(connection, client_of_redis):
    chat = queue("chat")
    await chat.add("first")
    before = len(client_of_redis.client_list())
    jobs = [await chat.add("good", n) for n in range(30)] + [await queue("other").add("good")]
    waiting = [asyncio.create_task(job.result(20)) for job in jobs]
    await eventually(lambda: len(client_of_redis.client_list()) == before + 1)
    async with working(run), working(run, queue="other"):
        await asyncio.gather(*waiting)


async def test_a_queue_that_is_waited_for_later_is_heard_at_once(connection, client_of_redis):
    """The reading under way, which does not know of it, is ended for it."""
    slow = asyncio.create_task((await queue("slow").add("x")).result(20))
    await eventually(lambda: listens(client_of_redis))
    async with working(run):
        await (await queue("chat").add("warm")).result(10)
        took = []
        for _ in range(5):
            started = time.monotonic()
            await (await queue("chat").add("good", delay_ms=1)).result(10)
            took.append(time.monotonic() - started)
    assert min(took) < results.BLOCK_MS / 1000 / 2
    slow.cancel()


async def test_nobody_waiting_leaves_no_task(connection):
    before = asyncio.all_tasks()
    with pytest.raises(ResultTimeout):
        await (await queue("chat").add("x")).result(0.05)
    await eventually(lambda: asyncio.all_tasks() == before)


async def test_a_result_is_found_though_its_event_was_trimmed(connection, client_of_redis, prefix, monkeypatch):
    monkeypatch.setattr(results, "ASK_S", 0.2)
    job = await queue("chat").add("good", 5)
    waiting = asyncio.create_task(job.result(10))
    await eventually(lambda: listens(client_of_redis))
    keys = Keys(prefix, "chat")
    with client_of_redis.pipeline(transaction=True) as pipe:
        pipe.lrem(keys("wait"), 0, job.id).zadd(keys("completed"), {job.id: 1})
        pipe.hset(keys.job(job.id), "returnvalue", "5").execute()
    assert await waiting == 5


async def test_a_result_is_waited_for_through_an_outage(own_redis: RedisServer, settings):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "away"}}}
    reset_options()
    job = await queue("chat").add("good", 7)
    waiting = asyncio.create_task(job.result(20))
    with redis.Redis(port=own_redis.port) as client:
        await eventually(lambda: listens(client))
        client.client_kill_filter(_type="normal", skipme=True)
    async with working(run):
        assert await waiting == 7
    await asyncio.to_thread(own_redis.stop)
    with pytest.raises(RedisUnavailable):
        await job.result(5)
    reset_options()


async def test_plain_code_waits_without_a_loop(connection):
    jobs = {name: queue("chat") for name in ("good", "bad")}
    outcomes: dict[str, object] = {}

    def wait(name: str) -> None:
        try:
            outcomes[name] = jobs[name].sync.add(name, {"n": 1}, remove_on_complete=True).sync.result(10)
        except JobFailed as error:
            outcomes[name] = error.reason

    threads = [threading.Thread(target=wait, args=(name,)) for name in jobs]
    async with working(run):
        for thread in threads:
            thread.start()
        for thread in threads:
            await asyncio.to_thread(thread.join)
    assert outcomes == {"good": {"n": 1}, "bad": "not today"}


def test_plain_code_gives_up_in_time(connection):
    job = queue("chat").sync.add("good")
    with pytest.raises(ResultTimeout):
        job.sync.result(0.1)


@pytest.mark.parametrize("run_in", ["asyncio.run", "async_to_sync"])
def test_a_loop_that_waited_leaves_nothing_behind(connection, client_of_redis, run_in):
    loops = []

    async def wait() -> None:
        loops.append(weakref.ref(asyncio.get_running_loop()))
        with contextlib.suppress(ResultTimeout):
            await (await queue("chat").add("x")).result(0.02)

    before = len(client_of_redis.client_list())
    for _ in range(5):
        asyncio.run(wait()) if run_in == "asyncio.run" else async_to_sync(wait)()
    gc.collect()
    # asgiref itself remembers the last one.
    assert sum(loop() is not None for loop in loops) <= 1
    eventually_sync(lambda: len(client_of_redis.client_list()) <= before)
