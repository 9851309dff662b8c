"""Redis is killed, frozen, demoted, starved or emptied under two worker processes that go on living: they resume by
themselves, lose no job, run none twice, and are quiet meanwhile.

OUTAGE_S makes the outages longer: `OUTAGE_S=120 bin/test tests/acceptance/test_unbreakable_outages.py`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
import redis

from queues.options import reset_options
from queues.protocol.blocking import close_blocking
from queues.protocol.scripts import script
from queues.worker.engine import POLL_S
from tests.acceptance.fleet import Cost, Fleet, Producer
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually_sync
from tests.faults import sturdy_redis

pytestmark = pytest.mark.acceptance

LOCK_S, INTERVAL_S = 2.0, 1.2
#: More than twice the lock.
OUTAGE_S = float(os.environ.get("OUTAGE_S", "5"))
RESUME_S = 5.0
ENVIRON = {"LOCK_MS": f"{LOCK_S * 1000:.0f}", "STALLED_MS": f"{INTERVAL_S * 1000:.0f}"}


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    """Two workers that live through all that this file does to their Redis."""
    server = sturdy_redis(tmp_path_factory.mktemp("redis"))
    fleet = Fleet(server, "outage", tmp_path_factory.mktemp("fleet"), **ENVIRON)
    yield fleet
    fleet.end()
    server.stop()


@pytest.fixture(autouse=True)
def _fresh(fleet: Fleet, settings) -> Iterator[None]:
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": fleet.server.url, "PREFIX": fleet.keys.prefix}}}
    reset_options()
    fleet.server.start()
    with fleet.client() as client:
        client.replicaof("NO", "ONE")
        client.config_set("maxmemory", 0)
        client.flushall()
    fleet.forget()
    if len(fleet.members) != 2 or not all(member.is_alive for member in fleet.members):
        fleet.end()
        fleet.start(2)
    pids = [member.pid for member in fleet.members]
    yield
    close_blocking()
    reset_options()
    assert [member.pid for member in fleet.members if member.is_alive] == pids, fleet.said()[-3_000:]


# --- the faults


def _restart(server: RedisServer) -> Callable[[], None]:
    server.kill()
    return server.start


def _freeze(server: RedisServer) -> Callable[[], None]:
    process = server.process
    assert process is not None
    process.send_signal(signal.SIGSTOP)
    return lambda: process.send_signal(signal.SIGCONT)


def _asks(server: RedisServer, *words: str) -> None:
    with redis.Redis(port=server.port, single_connection_client=True) as client:
        client.execute_command(*words)


def _pause(kind: str) -> Callable[[RedisServer], Callable[[], None]]:
    def begin(server: RedisServer) -> Callable[[], None]:
        _asks(server, "CLIENT", "PAUSE", str(int(OUTAGE_S * 1000)), kind)
        return lambda: None

    return begin


def _demote(server: RedisServer) -> Callable[[], None]:
    _asks(server, "REPLICAOF", "127.0.0.1", "1")
    return lambda: _asks(server, "REPLICAOF", "NO", "ONE")


def _starve(server: RedisServer) -> Callable[[], None]:
    _asks(server, "CONFIG", "SET", "maxmemory", "1")
    return lambda: _asks(server, "CONFIG", "SET", "maxmemory", "0")


FAULTS: dict[str, Callable[[RedisServer], Callable[[], None]]] = {
    "killed and started": _restart,
    "frozen": _freeze,
    "paused for all": _pause("ALL"),
    "paused for writes": _pause("WRITE"),
    "read-only": _demote,
    "out of memory": _starve,
}


def kill_connections(client: redis.Redis) -> None:
    client.client_kill_filter(_type="normal", skipme=True)


def client_address(client: redis.Redis) -> str:
    return str(client.client_info()["addr"])


@contextmanager
def while_done(fleet: Fleet, what: Callable[[redis.Redis], Any], every_s: float) -> Iterator[list[float]]:
    """Do something to Redis again and again meanwhile; the list says when."""
    times, done = list[float](), threading.Event()

    def run() -> None:
        with fleet.client() as client:
            while not done.wait(every_s):
                what(client)
                times.append(time.monotonic())

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield times
    finally:
        done.set()
        thread.join()


def ended(fleet: Fleet) -> set[str]:
    return {job_id for job_id, runs in fleet.ledger.runs().items() if runs[-1].end is not None}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_outage_longer_than_the_lock_repeats_nothing(fleet, fault, record_property):
    """Jobs finish, run on and are added all through it."""
    with Producer(fleet, longest_s=2 * LOCK_S, seed=3, pause_s=0.02):
        eventually_sync(lambda: fleet.ledger.size() > 4_000, 30, "work is under way")
        cost, heal = Cost(fleet.members), FAULTS[fault](fleet.server)
        time.sleep(OUTAGE_S)
        cost.stop()
        heal()
        resumed_s = fleet.resumed_s()
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"resumed after {resumed_s:.1f} s; {cost}; {found}")
    assert found.repeats == []
    assert found.states == {"completed": len(fleet.added)}
    assert resumed_s < RESUME_S
    cost.assert_small()


def test_scripts_forgotten_ten_times_a_second_trouble_no_job(fleet, record_property):
    with while_done(fleet, lambda client: client.script_flush(), every_s=0.1) as flushes:
        fleet.plant(20_000, "nap", lambda _: {"s": 0.02})
        fleet.until_over(120)
    found = fleet.audit().assert_clean()
    record_property("figures", f"{len(flushes)} times: {found}")
    assert len(flushes) > 20
    assert (found.repeats, found.states) == ([], {"completed": 20_000})


@pytest.mark.parametrize("state", ["busy", "idle"])
def test_connections_killed_a_hundred_times_are_made_again(fleet, state, record_property):
    if state == "busy":
        fleet.plant(4_000, "nap", lambda _: {"s": 0.1})
    with while_done(fleet, kill_connections, every_s=0.05) as kills:
        eventually_sync(lambda: len(kills) >= 100, 60, "they are killed a hundred times")
    resumed_s = fleet.resumed_s()
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"resumed after {resumed_s:.2f} s; {found}")
    assert found.repeats == []
    assert resumed_s < RESUME_S


def test_a_redis_that_loads_for_long_is_waited_for(tmp_path, record_property):
    """Seconds of LOADING, as with a large file: the jobs that ran are stored, those that waited are run."""
    server = sturdy_redis(tmp_path)
    fleet = Fleet(server, "loading", tmp_path, **ENVIRON)
    try:
        fleet.start(2)
        with fleet.client() as client:
            pipe = client.pipeline(transaction=False)
            for number in range(8_000):
                pipe.set(f"ballast{number}", "x" * 50)
            pipe.execute()
        fleet.plant(150, "nap", lambda number: {"s": number % 5})
        eventually_sync(lambda: len(fleet.ledger.count("start")) >= 100, 30, "every slot is taken")
        server.kill()
        server.arguments = (
            *server.arguments,
            "--key-load-delay",
            "500",
            "--loading-process-events-interval-bytes",
            "1024",
        )
        cost, began = Cost(fleet.members), time.monotonic()
        with suppress(redis.ConnectionError):
            # It may load for longer than a start is waited for.
            server.start()
        resumed_s, loaded_s = fleet.resumed_s(), time.monotonic() - began
        cost.stop()
        fleet.until_over(60)
        found = fleet.audit().assert_clean()
        record_property("figures", f"loaded for {loaded_s:.1f} s, resumed after {resumed_s:.2f} s; {cost}; {found}")
        assert loaded_s > 2
        assert found.repeats == []
        assert resumed_s < RESUME_S
        cost.assert_small()
    finally:
        fleet.end()
        server.stop()


def test_a_lost_marker_costs_no_more_than_the_poll(fleet, record_property):
    """Idle workers, a job in the list, and nobody rang the bell."""
    eventually_sync(lambda: fleet.listening() == 2, 30, "both workers wait for the marker")
    with fleet.client() as client:
        began, watch = time.monotonic(), Stopwatch()
        (job_id,) = fleet.plant(1, "nap", lambda _: {"s": 0}, marker=False)
        assert client.delete(fleet.keys("marker")) == 0
    eventually_sync(lambda: fleet.ledger.count("start")[job_id], 20, "the job is started")
    waited_s = (fleet.ledger.runs()[job_id][0].start - began) / watch.slowness
    record_property("figures", f"started after {waited_s:.2f} s")
    assert waited_s < POLL_S + 1


def test_everything_flushed_under_load_is_survived(fleet, record_property):
    fleet.plant(2_000, "nap", lambda _: {"s": 0.3})
    eventually_sync(lambda: fleet.completed() > 100, 30, "work is under way")
    cost = Cost(fleet.members)
    with fleet.client() as client:
        client.flushall()
    fleet.added.clear()
    resumed_s = fleet.resumed_s()
    time.sleep(1)
    cost.stop()
    record_property("figures", f"resumed after {resumed_s:.2f} s; {cost}")
    assert resumed_s < RESUME_S
    # Each of the hundred that ran says once that its outcome has no place any more.
    assert cost.lines_per_s < 150
    with fleet.client() as client:
        left = set(client.scan_iter(fleet.keys.base + b"*"))
    assert left <= {fleet.keys(name) for name in ("completed", "events", "meta", "id", "marker", "stalled-check")} | {
        fleet.keys.job(job_id) for job_id in fleet.added
    }


def test_a_queue_obliterated_while_its_jobs_run_leaves_nothing_behind(fleet):
    fleet.plant(300, "nap", lambda number: {"s": 0.2 + number % 7 / 5})
    eventually_sync(lambda: len(fleet.ledger.count("start")) >= 100, 30, "every slot is taken")
    with fleet.client() as client:
        client.hset(fleet.keys("meta"), "paused", 1)
        source = script("obliterate").source
        while client.eval(source, 2, fleet.keys("meta"), fleet.keys.base, 1_000, "force") == 1:
            continue
    started = fleet.ledger.count("start")
    eventually_sync(lambda: ended(fleet) >= set(started), 20, "what ran has ended")
    fleet.added.clear()
    (after,) = fleet.plant(1, "nap", lambda _: {"s": 0})
    fleet.until_over(20)
    with fleet.client() as client:
        hashes = [key for key in client.scan_iter(fleet.keys.base + b"*") if client.type(key) == b"hash"]
    # No job's hash came back with a report or an outcome.
    assert set(hashes) <= {fleet.keys.job(after), fleet.keys("meta")}


@pytest.mark.parametrize("state", ["wait", "active", "prioritized", "delayed"])
def test_an_id_whose_job_is_gone_is_passed_over(fleet, state):
    with fleet.client() as client:
        if state == "active":
            fleet.plant(20, "nap", lambda _: {"s": 2})
            eventually_sync(lambda: len(fleet.ledger.count("start")) == 20, 20, "they run")
            client.delete(*(fleet.keys.job(job_id) for job_id in fleet.added[::2]))
        elif state == "wait":
            client.lpush(fleet.keys("wait"), "ghost")
        else:
            score = 5 * 2**32 if state == "prioritized" else (time.time_ns() // 1_000_000 + 200) * 4096
            client.zadd(fleet.keys(state), {"ghost": score})
    fleet.added[:] = fleet.added[1::2]
    fleet.plant(10, "nap", lambda _: {"s": 0})
    fleet.until_over(20)
    with fleet.client() as client:
        eventually_sync(lambda: not client.llen(fleet.keys("active")), 20, "nothing is left in active")
        eventually_sync(lambda: not client.exists(fleet.keys.job("ghost")), 20, "no hash was made of the id")
        assert b"ghost" not in client.zrange(fleet.keys("completed"), 0, -1)
    fleet.audit().assert_clean()


@pytest.mark.parametrize("key", ["wait", "active", "prioritized", "delayed", "stalled", "marker", "events", "meta"])
def test_a_key_of_the_wrong_type_is_complained_of_quietly_until_it_is_mended(fleet, key, record_property):
    eventually_sync(lambda: fleet.listening() == 2, 30, "both workers wait for the marker")
    with fleet.client() as client:
        was = client.dump(fleet.keys(key))
        client.delete(fleet.keys(key))
        client.set(fleet.keys(key), "odd")
        cost = Cost(fleet.members)
        time.sleep(1.5)
        cost.stop()
        client.delete(fleet.keys(key))
        if was is not None:
            client.restore(fleet.keys(key), 0, was)
    resumed_s = fleet.resumed_s()
    fleet.until_over(20)
    record_property("figures", f"resumed after {resumed_s:.2f} s; {cost}")
    cost.assert_small()


def test_ten_thousand_jobs_that_stalled_at_once_are_run_again(fleet, record_property):
    jobs = 10_000
    fleet.plant(jobs, "nap", lambda _: {"s": 0}, state="active")
    began, watch = time.monotonic(), Stopwatch()
    fleet.until_over(60)
    slowness = watch.slowness
    found = fleet.audit().assert_clean()
    record_property("figures", f"all over after {time.monotonic() - began:.1f} s: {found}")
    assert found.states == {"completed": jobs}
    first = min(run.start for runs in fleet.ledger.runs().values() for run in runs)
    assert first - began < (3 * INTERVAL_S + 5) * slowness


def test_a_redis_that_takes_no_more_connections_is_waited_for(fleet, record_property):
    with fleet.client() as client:
        per_worker = len([one for one in client.client_list() if one["addr"] != client_address(client)]) / 2
        kept = client.config_get("maxclients")["maxclients"]
        cost = Cost(fleet.members)
        client.config_set("maxclients", 1)
        kill_connections(client)
        time.sleep(OUTAGE_S)
        cost.stop()
        client.config_set("maxclients", kept)
    resumed_s = fleet.resumed_s()
    record_property("figures", f"resumed after {resumed_s:.2f} s; {cost}; {per_worker:g} connections per worker")
    assert resumed_s < RESUME_S
    cost.assert_small()
