"""Redis goes away, comes back, freezes, forgets: the worker goes on by itself, loses nothing and makes no noise."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator

import pytest
import redis

from queues import queue
from queues.options import reset_options
from queues.protocol.connections import close_wires
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually
from tests.faults import Proxy, frozen
from tests.working import Sight, working

PREFIX = "outage"


@pytest.fixture
def server(own_redis: RedisServer, settings) -> RedisServer:
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": PREFIX}}}
    return own_redis


@pytest.fixture
def sight(server: RedisServer) -> Iterator[Sight]:
    with redis.Redis(port=server.port) as client:
        yield Sight(client, PREFIX)


async def add_many(count: int, **options) -> None:
    await asyncio.gather(*(queue("chat").add("x", **options) for _ in range(count)))


@contextlib.asynccontextmanager
async def gone(server: RedisServer, sight: Sight, seconds: float) -> AsyncIterator[None]:
    """Redis killed, and after a while started again with what it held."""
    sight.client.save()
    await asyncio.to_thread(server.stop)
    try:
        yield
        await asyncio.sleep(seconds)
    finally:
        await asyncio.to_thread(server.start)


async def test_jobs_that_finish_while_redis_is_gone_are_stored_when_it_is_back(server, sight, caplog):
    runs: Counter[str] = Counter()
    go_on = asyncio.Event()

    async def hold(job):
        runs[job.id] += 1
        await go_on.wait()
        return "kept"

    async with working(hold, concurrency=10):
        await add_many(10)
        await eventually(lambda: len(runs) == 10)
        caplog.clear()
        async with gone(server, sight, 1.5):
            go_on.set()
        watch = Stopwatch()
        await sight.until_count("completed", 10, timeout_s=10)
        assert watch.calm_s < 3
        after = await queue("chat").add("y")
        await sight.until("completed", after.id, timeout_s=3)
    assert set(runs.values()) == {1}
    assert sight.job("1")["returnvalue"] == '"kept"'
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 2 <= len(warnings) <= 6, [record.getMessage() for record in warnings]
    assert any("Redis answers again" in record.getMessage() for record in warnings)


async def test_reports_wait_for_redis_and_the_job_goes_on(server, sight):
    go_on = asyncio.Event()

    async def report(job):
        await go_on.wait()
        await job.progress(50)
        await job.log("after all")

    async with working(report):
        added = await queue("chat").add("x")
        await sight.until("active", added.id)
        async with gone(server, sight, 0.7):
            go_on.set()
        await sight.until("completed", added.id, timeout_s=5)
    assert sight.job(added.id)["progress"] == "50"
    assert sight.logs(added.id) == ["after all"]


async def test_an_idle_worker_goes_on_after_an_outage(server, sight):
    async def nothing(job):
        return None

    async with working(nothing):
        await eventually(lambda: [c for c in sight.client.client_list() if c["cmd"] == "bzpopmin"])
        async with gone(server, sight, 3):
            pass
        added = await queue("chat").add("x")
        await sight.until("completed", added.id, timeout_s=2)


async def test_a_worker_that_starts_before_redis_waits_for_it(server, sight):
    async def nothing(job):
        return None

    added = await queue("chat").add("x")
    async with gone(server, sight, 0.5), working(nothing) as worker:
        pass
    async with gone(server, sight, 0):
        starting = working(nothing)
        worker = await starting.__aenter__()
        waiting = asyncio.create_task(worker.connected())
        await asyncio.sleep(0.5)
        assert not waiting.done()
    await asyncio.wait_for(waiting, 3)
    await sight.until("completed", added.id, timeout_s=3)
    await starting.__aexit__(None, None, None)


async def test_killed_connections_under_load_lose_and_repeat_nothing(server, sight):
    runs: Counter[str] = Counter()

    async def short(job):
        runs[job.id] += 1
        await asyncio.sleep(0.004)

    await add_many(2_000)
    await close_wires()
    async with working(short, concurrency=20):
        while len(sight.ids("completed")) < 1_500:
            await asyncio.sleep(0.02)
            sight.client.client_kill_filter(_type="normal", skipme=True)
        await sight.until_count("completed", 2_000, timeout_s=20)
    assert len(runs) == 2_000
    assert max(runs.values()) == 1
    sight.assert_all_over()
    assert sight.events("stalled") == []


async def test_forgotten_scripts_are_sent_again(server, sight):
    async def short(job):
        await asyncio.sleep(0.002)

    await add_many(300)
    async with working(short, concurrency=10):
        for _ in range(15):
            sight.client.script_flush()
            await asyncio.sleep(0.02)
        await sight.until_count("completed", 300, timeout_s=10)
    assert sight.ids("failed") == []


async def test_a_frozen_redis_duplicates_nothing(server, sight):
    runs: Counter[str] = Counter()

    async def short(job):
        runs[job.id] += 1
        await asyncio.sleep(0.02)

    await add_many(200)
    async with working(short, concurrency=10):
        await eventually(lambda: len(runs) > 50)
        with frozen(server):
            # Longer than the worker waits for an answer: it gives them up, and they come all the same.
            await asyncio.sleep(4.5)
        await sight.until_count("completed", 200, timeout_s=10)
    assert set(runs.values()) == {1}
    assert sight.events("stalled") == []


async def test_refusals_cost_no_job_and_few_lines(server, sight, caplog):
    runs: Counter[str] = Counter()
    go_on = asyncio.Event()

    async def hold(job):
        runs[job.id] += 1
        await go_on.wait()

    async with working(hold, concurrency=5):
        await add_many(20)
        await eventually(lambda: len(runs) == 5)
        caplog.clear()
        cpu = time.process_time()
        # Out of memory: every script that writes is refused.
        sight.client.config_set("maxmemory", 1)
        go_on.set()
        await asyncio.sleep(2)
        used = time.process_time() - cpu
        assert len([record for record in caplog.records if record.levelno >= logging.WARNING]) <= 10
        assert used < 0.4
        sight.client.config_set("maxmemory", 0)
        await sight.until_count("completed", 20, timeout_s=5)
    assert set(runs.values()) == {1}


async def test_a_permission_that_is_missing_is_named_and_waited_for(server, sight, caplog):
    """THREATS.md A3.20; CONFIG and INFO may be missing for good."""

    async def nothing(job):
        return None

    added = await queue("chat").add("x")
    sight.client.execute_command("ACL", "SETUSER", "default", "-eval", "-evalsha", "-config", "-info")
    async with working(nothing) as worker:
        await worker.connected()
        await eventually(lambda: "EVALSHA" in caplog.text)
        await asyncio.sleep(1)
        said = [record for record in caplog.records if record.levelno >= logging.WARNING]
        assert len(said) <= 3, [record.getMessage() for record in said]
        sight.client.execute_command("ACL", "SETUSER", "default", "+eval", "+evalsha")
        await sight.until("completed", added.id, timeout_s=4)
    sight.client.execute_command("ACL", "SETUSER", "default", "+@all")


async def test_a_demoted_server_is_waited_for(server, sight):
    async def nothing(job):
        return None

    async with working(nothing):
        sight.client.replicaof("127.0.0.1", "1")
        await asyncio.sleep(1)
        sight.client.replicaof("NO", "ONE")
        added = await queue("chat").add("x")
        await sight.until("completed", added.id, timeout_s=4)


async def test_a_broken_queue_does_not_trouble_the_others(server, sight, caplog):
    async def nothing(job):
        return None

    sight.client.hset(sight.keys("wait"), "a", "1")
    async with working(nothing), working(nothing, "mail"):
        added = await queue("mail").add("x")
        await Sight(sight.client, PREFIX, "mail").until("completed", added.id)
        await asyncio.sleep(1)
        sight.client.delete(sight.keys("wait"))
        added = await queue("chat").add("x")
        await sight.until("completed", added.id, timeout_s=3)
    assert len([r for r in caplog.records if "WRONGTYPE" in r.getMessage()]) <= 2


async def test_a_queue_that_stays_broken_is_named_once_and_not_said_to_be_well_again(
    server, sight, caplog, monkeypatch
):
    monkeypatch.setattr("queues.worker.engine.POLL_S", 0.1)
    sight.client.hset(sight.keys("wait"), "a", "1")

    def refused_fetches() -> int:
        return int(sight.client.info("commandstats").get("cmdstat_rpoplpush", {}).get("failed_calls", 0))

    async with working(lambda job: None):
        await eventually(lambda: refused_fetches() > 5, 20)
        said = [r.getMessage() for r in caplog.records if "WRONGTYPE" in r.getMessage()]
        assert 1 <= len(said) <= 2
        assert all(sentence.startswith("chat: ") for sentence in said)
        assert "accepts again" not in caplog.text
        sight.client.delete(sight.keys("wait"))
        await eventually(lambda: "chat: Redis accepts again what it refused" in caplog.text)


@pytest.mark.parametrize("state", ["idle", "busy"])
async def test_half_open_sockets_are_noticed(server, sight, settings, state):
    async def short(job):
        await asyncio.sleep(0.01)

    async with Proxy(server.port) as proxy:
        settings.TORIL = {"CONNECTIONS": {"default": {"URL": f"redis://127.0.0.1:{proxy.port}", "PREFIX": PREFIX}}}
        reset_options()
        async with working(short, concurrency=2):
            await eventually(lambda: [c for c in sight.client.client_list() if c["cmd"] == "bzpopmin"])
            if state == "busy":
                await add_many(300)
                await eventually(lambda: len(sight.ids("completed")) > 20)
            proxy.cut()
            await close_wires()
            added = await queue("chat").add("x", lifo=True)
            await sight.until("completed", added.id, timeout_s=8)
            if state == "busy":
                await sight.until_count("completed", 301, timeout_s=15)
        await close_wires()
    reset_options()


async def test_a_redis_that_is_frozen_when_a_lock_is_due_does_not_end_the_worker(server, sight):
    runs: Counter[str] = Counter()
    go_on = asyncio.Event()

    async def hold(job):
        runs[job.id] += 1
        await go_on.wait()

    async with working(hold, lock_duration_ms=1_500, stalled_interval_ms=250, max_stalled_count=9) as worker:
        added = await queue("chat").add("x")
        await eventually(lambda: runs)
        with frozen(server):
            await asyncio.wait({worker.died}, timeout=4)
        assert not worker.died.done(), worker.died.result()
        go_on.set()
        await sight.until("completed", added.id, timeout_s=10)


async def test_a_worker_stops_while_redis_is_away_and_processors_will_not_end(server):
    started = asyncio.Event()
    stopped = False

    async def stubborn(job):
        started.set()
        while not stopped:
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.05)

    async with working(stubborn) as worker:
        await queue("chat").add("x")
        await asyncio.wait_for(started.wait(), 5)
        await asyncio.to_thread(server.stop)
        try:
            outcome = await worker.stop()
        finally:
            stopped = True
    assert outcome.unfinished == 1


async def test_a_redis_that_may_throw_jobs_away_is_warned_of(server, sight, caplog):
    async def nothing(job):
        return None

    sight.client.config_set("maxmemory-policy", "allkeys-lru")
    async with working(nothing) as worker:
        await worker.connected()
    assert "its maxmemory-policy is allkeys-lru, and should be noeviction" in caplog.text
