"""Taking back a lock that ran out while Redis was away: when it is allowed, and that no stalled check is quicker."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections import Counter
from collections.abc import Iterator

import pytest
import redis

from queues import queue
from queues.protocol.connections import wire
from queues.protocol.keys import Keys
from queues.protocol.retaking import retake
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob
from tests.conftest import RedisServer
from tests.eventually import eventually
from tests.faults import frozen
from tests.working import Sight, working

QUICK = {"lock_duration_ms": 1_000, "stalled_interval_ms": 400}


class Holder:
    """A worker's hands: it took one job, and then its lock ran out."""

    def __init__(self, prefix: str, sight: Sight, token: str) -> None:
        self.commands = RunningCommands(Keys(prefix, "chat"), name="holder", lock_ms=5_000)
        self.sight, self.token = sight, token

    async def take(self) -> TakenJob:
        found = await wire().call(self.commands.fetch(self.token))
        assert found.job is not None
        self.taken = found.job
        return found.job

    def let_run_out(self) -> None:
        self.sight.client.delete(self.sight.keys.lock(self.taken.id))

    async def check_stalled(self, times: int, max_count: int = 1) -> None:
        for _ in range(times):
            self.sight.client.delete(self.sight.keys("stalled-check"))
            await wire().call(self.commands.recover_stalled(max_count, 1_000))

    async def retake(self) -> str:
        return await wire().call(retake(self.commands, self.taken, self.token))


@pytest.fixture
async def holder(connection, prefix, sight) -> Holder:
    holder = Holder(prefix, sight, "me:1")
    await queue("chat").add("x", job_id="a")
    await holder.take()
    return holder


async def test_a_lock_that_ran_out_is_ours_again_while_the_job_is_active(holder, sight):
    holder.let_run_out()
    await holder.check_stalled(1)
    assert await holder.retake() == ""
    assert sight.client.get(sight.keys.lock("a")) == b"me:1"
    assert 0 < sight.client.pttl(sight.keys.lock("a")) <= 5_000
    assert sight.client.scard(sight.keys("stalled")) == 0
    await wire().call(holder.commands.complete(holder.taken, "me:1", "1", (("count", -1),), fetch_next=False))
    assert sight.ids("completed") == ["a"]


async def test_what_a_stalled_check_put_back_is_active_again_and_its_stall_is_given_back(holder, sight):
    holder.let_run_out()
    await holder.check_stalled(2, max_count=0)
    assert sight.ids("wait") == ["a"]
    assert sight.job("a")["defa"]
    assert await holder.retake() == ""
    assert (sight.ids("wait"), sight.ids("active")) == ([], ["a"])
    assert sight.job("a")["stc"] == "0"
    assert "defa" not in sight.job("a")
    assert sight.client.exists(sight.keys.lock("a"))
    assert [(event["event"], event.get("prev")) for event in sight.events("waiting", "active")][-2:] == [
        ("waiting", "active"),
        ("active", "waiting"),
    ]


async def test_twice_is_once(holder, sight):
    holder.let_run_out()
    await holder.check_stalled(2)
    assert [await holder.retake(), await holder.retake()] == ["", ""]
    assert sight.ids("active") == ["a"]
    assert sight.job("a")["stc"] == "0"


async def test_a_priority_given_while_it_waited_does_not_hide_it(holder, sight):
    holder.let_run_out()
    await holder.check_stalled(2)
    sight.client.lrem(sight.keys("wait"), 0, "a")
    sight.client.zadd(sight.keys("prioritized"), {"a": 5 * 2**32})
    assert await holder.retake() == ""
    assert (sight.ids("prioritized"), sight.ids("active")) == ([], ["a"])


async def test_another_workers_lock_is_left_alone(holder, sight):
    sight.client.set(sight.keys.lock("a"), "other:1")
    assert await holder.retake() == "another worker holds its lock"
    assert sight.client.get(sight.keys.lock("a")) == b"other:1"


async def test_a_job_that_another_worker_took_and_lost_in_turn_is_not_ours(holder, prefix, sight):
    holder.let_run_out()
    await holder.check_stalled(2)
    other = Holder(prefix, sight, "other:1")
    await other.take()
    other.let_run_out()
    assert await holder.retake() == "another worker has taken it"
    assert not sight.client.exists(sight.keys.lock("a"))


async def test_another_job_of_the_same_id_is_not_ours(holder, prefix, sight):
    """It looks the same: started once, active, without a lock."""
    holder.let_run_out()
    for key in sight.client.scan_iter(f"{prefix}:*"):
        sight.client.delete(key)
    await queue("chat").add("x", job_id="a")
    await asyncio.sleep(0.002)
    await Holder(prefix, sight, "other:1").take()
    holder.let_run_out()
    assert sight.job("a")["ats"] == "1"
    assert await holder.retake() == "another worker has taken it"


async def test_a_removed_job_stays_removed(holder, sight):
    sight.client.delete(sight.keys.job("a"), sight.keys.lock("a"))
    assert await holder.retake() == "it was removed"
    assert sight.job("a") == {}
    assert not sight.client.exists(sight.keys.lock("a"))


@pytest.mark.parametrize("outcome", ["completed", "retried", "delayed", "handed back"])
async def test_what_our_own_lost_answer_had_stored_is_not_stored_twice(holder, sight, outcome):
    commands, taken = holder.commands, holder.taken
    orders = {
        "completed": lambda: commands.complete(taken, "me:1", "1", (("count", -1),), fetch_next=False),
        "retried": lambda: commands.retry(taken, "me:1", "no", "[]"),
        "delayed": lambda: commands.delay(taken, "me:1", "no", "[]", 1, fetch_next=False),
        "handed back": lambda: commands.hand_back(taken.raw_id, "me:1"),
    }
    await wire().call(orders[outcome]())
    before = {state: sight.ids(state) for state in ("wait", "active", "delayed", "completed")}
    assert await holder.retake() == "it is no longer active"
    assert {state: sight.ids(state) for state in before} == before
    assert not sight.client.exists(sight.keys.lock("a"))


# --- the worker


@pytest.fixture
def server(own_redis: RedisServer, settings) -> RedisServer:
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "retake"}}}
    return own_redis


@pytest.fixture
def own_sight(server: RedisServer) -> Iterator[Sight]:
    with redis.Redis(port=server.port) as client:
        yield Sight(client, "retake")


@contextlib.contextmanager
def read_only(server: RedisServer) -> Iterator[None]:
    with redis.Redis(port=server.port) as client:
        client.replicaof("127.0.0.1", "1")
        yield
        client.replicaof("NO", "ONE")


@contextlib.contextmanager
def out_of_memory(server: RedisServer) -> Iterator[None]:
    with redis.Redis(port=server.port) as client:
        client.config_set("maxmemory", 1)
        yield
        client.config_set("maxmemory", 0)


@pytest.mark.parametrize("fault", [frozen, read_only, out_of_memory])
@pytest.mark.parametrize("ends", ["meanwhile", "afterwards"])
async def test_an_outage_longer_than_the_lock_repeats_no_job(server, own_sight, ends, fault):
    runs: Counter[str] = Counter()
    go_on = asyncio.Event()

    async def hold(job):
        runs[job.id] += 1
        await go_on.wait()
        return "kept"

    async with working(hold, concurrency=20, **QUICK), working(hold, concurrency=20, worker_name="second", **QUICK):
        await asyncio.gather(*(queue("chat").add("x") for _ in range(20)))
        await eventually(lambda: len(runs) == 20)
        # As a stalled check has just left it: another finds every job without a lock, if it comes before their holders.
        own_sight.client.sadd(own_sight.keys("stalled"), *runs)
        own_sight.client.delete(own_sight.keys("stalled-check"))
        with fault(server):
            await asyncio.sleep(1.5)
            if ends == "meanwhile":
                go_on.set()
            await asyncio.sleep(1.5)
        if ends == "afterwards":
            # Two stalled checks go by.
            await asyncio.sleep(3.5)
            go_on.set()
        await own_sight.until_count("completed", 20, timeout_s=10)
    assert set(runs.values()) == {1}
    assert own_sight.events("stalled") == []
    assert {own_sight.job(job_id)["returnvalue"] for job_id in runs} == {'"kept"'}
    own_sight.assert_all_over()


async def test_a_lock_that_somebody_took_away_is_not_taken_back(connection, sight, caplog):
    """No outage: it was renewed in time, and is gone."""
    go_on = asyncio.Event()

    async def hold(job):
        await go_on.wait()

    async with working(hold, lock_duration_ms=3_000, stalled_interval_ms=60_000):
        added = await queue("chat").add("x")
        await sight.until("active", added.id)
        sight.client.delete(sight.keys.lock(added.id))
        go_on.set()
        await eventually(lambda: "not stored: its lock had expired" in caplog.text)
    assert sight.ids("active") == [added.id]


async def test_a_worker_that_took_the_job_meanwhile_keeps_it(server, own_sight, caplog):
    """A process that stood still for longer than its lock: its outcome is refused, the other's stands."""
    go_on, runs = asyncio.Event(), []

    async def hold(job):
        runs.append(job.id)
        await go_on.wait()
        return "late"

    async with working(hold, **QUICK, max_stalled_count=5):
        added = await queue("chat").add("x")
        await eventually(lambda: runs)
        with frozen(server), contextlib.suppress(TimeoutError):
            await asyncio.sleep(1.2)
            go_on.set()
            await asyncio.sleep(0.2)
            # As the other worker's fetch would leave it: started again, under its lock.
            server.process.send_signal(signal.SIGCONT)
            own_sight.client.hincrby(own_sight.keys.job(added.id), "ats", 1)
            own_sight.client.set(own_sight.keys.lock(added.id), "other:1")
        await eventually(lambda: "not stored" in caplog.text)
    assert "returnvalue" not in own_sight.job(added.id)
    assert own_sight.client.get(own_sight.keys.lock(added.id)) == b"other:1"
