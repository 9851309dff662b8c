"""A worker's heartbeat: what it tells, that a blocked loop does not silence it, and what it does where it may not."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable, Iterator

import pytest
import redis

from queues import queue
from queues.lookups.workers import WorkerProcess, processes
from queues.protocol import fleet
from queues.protocol.connections import close_wires
from queues.protocol.fleet import MOST_BYTES, Beat, RunningJob, Share
from queues.protocol.keys import FleetKeys
from queues.version import VERSION
from queues.worker import control
from queues.worker import heartbeat as module
from tests.eventually import eventually
from tests.working import operating, working


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.1)


async def one(connection: str) -> WorkerProcess:
    async def listed():
        return (await processes(connection)).own

    await eventually(listed)
    (process,) = (await processes(connection)).own
    return process


async def test_a_worker_tells_who_it_is_and_what_it_runs(connection):
    go_on = asyncio.Event()

    async def wait(job):
        await job.progress({"percent": 40})
        await go_on.wait()

    async with operating(wait, concurrency=3, worker_name="anna"):
        added = await queue("chat").add("greet", {"n": 1})

        async def runs():
            process = await one(connection)
            return process if process.running and process.running[0].progress else None

        process = await eventually(runs)
        assert (process.name, process.pid, process.version, process.state) == ("anna", os.getpid(), VERSION, "running")
        assert (process.is_silent, process.is_foreign) == (False, False)
        (share,) = process.queues
        assert (share.queue, share.slots, share.used, share.executors) == ("chat", 3, 1, ("async",))
        assert abs(share.fetched_ms - time.time() * 1000) < 60_000
        (job,) = process.running
        assert (job.queue, job.id, job.name, job.attempt) == ("chat", added.id, "greet", 1)
        assert job.progress == '{"percent":40}'
        assert process.started_ms <= job.started_ms <= time.time() * 1000 + 1000
        assert process.rss_bytes > 10_000_000
        go_on.set()


async def test_it_expires_by_itself_and_is_taken_away_by_a_clean_stop(connection, client_of_redis, prefix):
    keys = FleetKeys(prefix)
    async with operating(lambda job: None):
        process = await one(connection)
        assert 0 < client_of_redis.pttl(keys.process(process.id)) <= fleet.KEPT_S * 1000
        assert client_of_redis.pttl(keys.processes) > 0
        assert client_of_redis.zscore(keys.processes, process.id)
    assert client_of_redis.exists(keys.process(process.id), keys.processes) == 0
    assert (await processes(connection)).own == ()


async def test_what_was_killed_is_silent_for_a_while_and_then_forgotten(connection, client_of_redis, prefix):
    keys = FleetKeys(prefix)
    now = int(client_of_redis.time()[0]) * 1000
    for name, age_s in (("dead", 20), ("alive", 1)):
        client_of_redis.set(keys.process(name), fleet.written(Beat(name, name=name, beat_ms=now - age_s * 1000)))
        client_of_redis.zadd(keys.processes, {name: now - age_s * 1000})
    client_of_redis.zadd(keys.processes, {"gone": now - 100_000})
    found = {process.name: process for process in (await processes(connection)).own}
    assert {name: process.is_silent for name, process in found.items()} == {"dead": True, "alive": False}
    async with operating(lambda job: None):
        await eventually(lambda: client_of_redis.zscore(keys.processes, "gone") is None)


async def test_a_blocked_loop_still_beats_and_shows_how_long_it_has_stood(connection):
    release = threading.Event()

    async def block(job):
        await asyncio.to_thread(lambda: None)
        release.wait(30)

    seen = []

    def look():
        """In another thread and loop, as another process would."""
        until = time.monotonic() + 20
        try:
            while not release.is_set() and time.monotonic() < until:
                process = asyncio.run(one(connection))
                if process.lag_ms > 700 and process.running:
                    seen.append(process)
                    release.set()
                time.sleep(0.05)
        finally:
            release.set()

    async with operating(block):
        await one(connection)
        looking = asyncio.create_task(asyncio.to_thread(look))
        await queue("chat").add("x")
        await looking
        assert seen[0].beat_age_ms < 5_000
        assert seen[0].running_count == 1


async def test_it_says_at_once_that_it_is_quiet_or_stopping(connection, monkeypatch):
    monkeypatch.setattr(module, "BEAT_EVERY_S", 60.0)
    go_on = asyncio.Event()

    async def wait(job):
        await go_on.wait()

    async with operating(wait) as worker:
        assert (await one(connection)).state == "running"

        async def state():
            return (await one(connection)).state

        async def is_quiet():
            return await state() == "quiet"

        async def is_stopping():
            return await state() == "stopping"

        await queue("chat").add("x")
        await eventually(lambda: worker.running)
        worker.quiet()
        await eventually(is_quiet)
        stopping = asyncio.create_task(worker.stop(5))
        await eventually(is_stopping)
        go_on.set()
        await stopping


@pytest.fixture
def restricted(connection, client_of_redis, prefix, settings) -> Iterator[Callable[..., None]]:
    """Be a Redis user who may do all with these keys, but for what the rules take away."""
    user = f"u{prefix}"

    def restrict(keys: str, *rules: str) -> None:
        rights = (keys, "allchannels", "+@all", *rules)
        client_of_redis.execute_command("ACL", "SETUSER", user, "on", ">pw", *rights)
        described = settings.TORIL["CONNECTIONS"]["default"]
        url = described["URL"].replace("redis://", f"redis://{user}:pw@")
        settings.TORIL = {**settings.TORIL, "CONNECTIONS": {"default": {**described, "URL": url}}}

    yield restrict
    client_of_redis.execute_command("ACL", "DELUSER", user)


async def test_one_that_may_not_write_says_so_once_and_works_on(restricted, prefix, caplog, monkeypatch):
    monkeypatch.setattr(module, "RETRY_S", 0.05)
    monkeypatch.setattr(control, "FORBIDDEN_RETRY_S", 0.05)

    restricted(f"~{prefix}:chat:*", "-xread")
    ran = []
    async with operating(lambda job: ran.append(job.id)):
        await eventually(lambda: "its heartbeat is refused" in caplog.text)
        await eventually(lambda: "cannot be controlled from elsewhere" in caplog.text)
        await queue("chat").add("x")
        await eventually(lambda: ran)
        await asyncio.sleep(0.3)
    assert caplog.text.count("its heartbeat is refused") == 1
    assert caplog.text.count("cannot be controlled") == 1


async def test_one_that_redis_has_no_room_for_is_listed_again_at_once_when_there_is(
    own_redis, settings, monkeypatch, caplog
):
    from queues.options import reset_options

    monkeypatch.setattr(module, "BEAT_EVERY_S", 0.1)
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "full"}}}
    reset_options()
    with redis.Redis.from_url(own_redis.url) as client:

        def refused() -> int:
            return int(client.info("commandstats")["cmdstat_set"]["rejected_calls"])

        async with operating(lambda job: None):
            process = await one("default")
            client.config_set("maxmemory", 1)
            await eventually(refused)
            client.delete(FleetKeys("full").process(process.id))
            client.config_set("maxmemory", 0)
            assert await one("default")
            assert "its heartbeat is refused" not in caplog.text
    reset_options()


def test_a_heartbeat_is_never_larger_than_its_bound():
    job = RunningJob("q" * 200, "j" * 200, "n" * 200, progress="p" * 200)
    shares = tuple(Share("q" * 200, slots=1) for _ in range(500))
    stored = fleet.written(Beat("id", queues=shares, running=(job,) * 500, running_count=500))
    assert len(stored) <= MOST_BYTES
    read = fleet.read("id", stored)
    assert read.running_count == 500
    assert read.queues
    plain = RunningJob("chat", "12345", "work", progress='{"percent": 50}')
    few = fleet.read("id", fleet.written(Beat("id", running=(plain,) * 500, running_count=500)))
    assert len(few.running) == fleet.MOST_RUNNING


@pytest.mark.parametrize(
    "stored",
    [
        b"",
        b"[]",
        b"{",
        b"\xff" * 40,
        b"[" * 10_000,
        b'{"pid": "x", "queues": 3, "running": [1, {"id": {}, "attempt": 1e300}], "state": 7, "lag_ms": NaN}',
        b'{"name": "\\ud800", "queues": [{"queue": null, "executors": [{}]}], "rss_bytes": true}',
    ],
)
def test_what_others_wrote_in_its_place_is_read_as_far_as_it_makes_sense(stored):
    beat = fleet.read("id", stored)
    if beat is not None:
        assert (beat.pid, beat.lag_ms, beat.rss_bytes, beat.state) == (0, 0, 0, "running")
        assert fleet.written(beat)


async def test_odd_entries_do_not_hide_the_others(connection, client_of_redis, prefix):
    keys = FleetKeys(prefix)
    client_of_redis.zadd(keys.processes, {b"\xff:../x": 1, "list": 2, "long": 3, "fine": 4})
    client_of_redis.rpush(keys.process("list"), "x")
    client_of_redis.set(keys.process("long"), b'{"name": "' + b"x" * 1_000_000 + b'"}')
    client_of_redis.set(keys.process("fine"), fleet.written(Beat("fine", name="fine")))
    assert [process.name for process in (await processes(connection)).own] == ["fine"]


async def test_entries_of_the_future_do_not_hide_those_that_work_for_long(connection, client_of_redis, prefix):
    keys = FleetKeys(prefix)
    client_of_redis.zadd(keys.processes, {f"forged-{number}": 10**15 + number for number in range(2_000)})
    async with operating(lambda job: None, worker_name="anna"):
        assert (await one(connection)).name == "anna"
        await eventually(lambda: client_of_redis.zcard(keys.processes) == 1)


async def test_where_client_list_is_forbidden_the_own_workers_are_shown_and_that_is_said(
    connection, restricted, prefix
):
    restricted(f"~{prefix}:*", "-client|list")
    async with operating(lambda job: None, worker_name="anna"):
        assert (await one(connection)).name == "anna"
        (note,) = (await processes(connection)).notes
        assert "forbids CLIENT LIST" in note
    await close_wires()


async def test_a_clock_that_is_off_is_told_and_ages_are_by_redis(connection, monkeypatch, caplog):
    """As on a host whose clock is five minutes ahead."""
    honest = time.time
    monkeypatch.setattr(module.time, "time", lambda: honest() + 300)
    async with operating(lambda job: None):
        process = await one(connection)
        monkeypatch.undo()
        assert 299_000 < process.clock_ms < 301_000
        assert process.beat_age_ms < 5_000
        assert abs(process.started_ms - honest() * 1000) < 60_000
    assert caplog.text.count("clock is 300 s ahead of Redis's") == 1


async def test_a_worker_without_a_heartbeat_is_shown_as_a_stranger(connection):
    async with working(lambda job: None, worker_name="mute"):

        async def strangers():
            return [one.name for one in (await processes(connection)).processes if one.is_foreign]

        assert await eventually(strangers) == ["mute"]
