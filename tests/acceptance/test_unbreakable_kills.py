"""Worker processes are killed and stopped under load: nothing is lost, nothing is repeated without a reason.

KILLS=20 bin/test tests/acceptance/test_unbreakable_kills.py makes a long one of it: each costs a process its start.
"""

from __future__ import annotations

import os
import random
import signal
import time
from collections import Counter
from collections.abc import Collection, Iterator
from pathlib import Path

import pytest

from queues.options import reset_options
from tests.acceptance.fleet import Fleet, Member
from tests.conftest import RedisServer
from tests.eventually import Stopwatch, eventually_sync

pytestmark = pytest.mark.acceptance

KILLS = int(os.environ.get("KILLS", "8"))
#: A thousand for each kill.
JOBS, SLOTS = KILLS * 1_000, 50
#: Two at a time.
RESTARTS = KILLS
LOCK_S, INTERVAL_S = 3.0, 2.0
#: A dead worker's job runs again within this (one interval more where the check and the timer beat).
RECOVERY_S = LOCK_S + 2 * INTERVAL_S + 2


@pytest.fixture
def fleet(own_redis: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(own_redis, "kills", tmp_path)
    yield fleet
    fleet.end()
    reset_options()


def storm(fleet: Fleet, seed: int, **environ: str) -> None:
    """Kill one of two processes again and again, each time in the midst of work; another takes its place."""
    dice = random.Random(seed)
    fleet.start(2, **environ)
    for _ in range(KILLS):
        victim = dice.choice(ready(fleet))
        under_way(fleet, JOBS // KILLS, 0.05)
        fleet.kill(victim)
        fleet.launch(**environ)


def ready(fleet: Fleet, pids: Collection[int] | None = None) -> list[Member]:
    """Those that take jobs, of these processes; waits for the first."""

    def those() -> list[Member]:
        return [one for one in fleet.members if (pids is None or one.pid in pids) and one.is_ready()]

    found: list[Member] = eventually_sync(those, 60, "one is ready")
    return found


def under_way(fleet: Fleet, count: int, seconds: float) -> None:
    """So many jobs more, of which a quarter is over: were all there at once, a slow start would meet none."""
    before = fleet.completed()
    fleet.plant(count, "nap", lambda _: {"s": seconds})
    eventually_sync(lambda: fleet.completed() >= before + count // 4, 60, "work goes on")


@pytest.mark.parametrize("seed", [20])
def test_kills_lose_no_job_and_repeat_only_what_the_killed_held(fleet, seed, record_property):
    watch = Stopwatch()
    storm(fleet, seed, MAX_STALLED=str(KILLS + 1))
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"seed {seed}, {watch.passed_s:.0f} s: {found}")
    assert found.states == {"completed": JOBS}
    # Only what killed processes held: never more than their slots.
    assert sum(runs - 1 for runs in fleet.ledger.count("start").values()) <= KILLS * SLOTS
    assert len(found.repeats) > KILLS
    assert found.recovery_s < (RECOVERY_S + INTERVAL_S) * watch.slowness
    assert "Traceback" not in fleet.said()


@pytest.mark.parametrize("seed", [7])
def test_with_bullmqs_own_limit_jobs_killed_twice_fail_with_that_reason_and_no_other(fleet, seed, record_property):
    with fleet.client() as client:
        client.hset(fleet.keys("meta"), "opts.maxLenEvents", 10 * JOBS)
    storm(fleet, seed, MAX_STALLED="1")
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"seed {seed}: {found}")
    with fleet.client() as client:
        failed = {job_id.decode() for job_id in client.zrange(fleet.keys("failed"), 0, -1)}
        reasons = {client.hget(fleet.keys.job(job_id), "failedReason") for job_id in failed}
        events = client.xrange(fleet.keys("events"))
    stalls = Counter(entry[b"jobId"].decode() for _, entry in events if entry[b"event"] == b"stalled")
    assert failed == {job_id for job_id, times in stalls.items() if times > 1}
    assert reasons <= {b"job stalled more than allowable limit"}
    assert found.states == Counter({"completed": JOBS - len(failed), "failed": len(failed)})
    # Both times a killed process held it.
    runs = fleet.ledger.runs()
    assert all(len(runs[job_id]) <= 2 and {run.pid for run in runs[job_id]} <= set(fleet.deaths) for job_id in failed)


def test_a_signal_under_load_repeats_nothing_and_gives_back_at_once(fleet, record_property):
    """Short jobs finish, long ones are waiting again within a second of their deadline."""
    (member,) = fleet.start(1, "--drain-timeout", "1", LOCK_MS="30000")
    long = fleet.plant(20, "nap", lambda _: {"s": 4})
    fleet.plant(3_000, "nap", lambda _: {"s": 0.05})
    eventually_sync(lambda: fleet.completed() > 300, 30, "work is under way")
    signalled, watch = time.monotonic(), Stopwatch()
    member.popen.send_signal(signal.SIGTERM)
    with fleet.client() as client:
        head = [job_id.encode() for job_id in long]
        eventually_sync(lambda: set(client.lrange(fleet.keys("wait"), -len(head), -1)) == set(head), 30, "they wait")
        waited_s = watch.calm_s
        assert member.popen.wait(30) == 3
        assert client.llen(fleet.keys("active")) == 0
        assert not {client.hget(fleet.keys.job(job_id), "atm") for job_id in long} - {None, b"0"}
    assert waited_s < 1 + 1
    late = [run for runs in fleet.ledger.runs().values() for run in runs if run.start > signalled + 0.5]
    assert late == []
    fleet.start(1)
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"waiting again {waited_s - 1:.2f} s after the deadline; {found}")
    assert set(found.repeats) == set(long)
    assert fleet.ledger.count("cut") == Counter(long)


def test_restarts_one_after_the_other_repeat_nothing(fleet, record_property):
    with fleet.client() as client:
        client.hset(fleet.keys("meta"), "opts.maxLenEvents", 10 * JOBS)
    fleet.start(2)
    for _ in range(RESTARTS // 2):
        old = fleet.members[:]
        fleet.start(2)
        size = fleet.ledger.size()
        fleet.plant(JOBS * 2 // RESTARTS, "nap", lambda number: {"s": 0.05 + 0.1 * (number % 3)})
        eventually_sync(lambda size=size: fleet.ledger.size() > size + 10_000, 30, "work is under way")
        assert [fleet.terminate(member) for member in old] == [0, 0]
    fleet.until_over(120)
    found = fleet.audit().assert_clean()
    record_property("figures", str(found))
    assert found.repeats == []
    assert found.states == {"completed": JOBS}
    with fleet.client() as client:
        assert not [entry for _, entry in client.xrange(fleet.keys("events")) if entry[b"event"] == b"stalled"]


@pytest.mark.node
@pytest.mark.parametrize("seed", [12])
def test_beside_nodes_workers_kills_of_either_kind_lose_nothing(fleet, seed, record_property):
    """Two of ours and two of Node's on one queue: each takes over what the other's dead held."""
    jobs, kills, dice, watch = 8_400, 6, random.Random(seed), Stopwatch()
    environ = {
        "MAX_STALLED": str(kills + 1),
        "LOCK_MS": f"{LOCK_S * 1000:.0f}",
        "STALLED_MS": f"{INTERVAL_S * 1000:.0f}",
    }
    launch = [fleet.launch, fleet.launch_node]
    for kind in (0, 1, 0, 1):
        launch[kind](**environ)
    eventually_sync(lambda: all(member.is_ready() for member in fleet.members), 60, "all are ready")
    kinds = {member.pid: kind for member, kind in zip(fleet.members, (0, 1, 0, 1), strict=True)}
    for kill in range(1, kills + 1):
        victim = dice.choice(ready(fleet, [pid for pid, kind in kinds.items() if kind == kill % 2]))
        under_way(fleet, jobs // kills, 0.1)
        fleet.kill(victim)
        kinds[launch[kill % 2](**environ).pid] = kill % 2
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    runs = Counter(kinds[run.pid] for of_job in fleet.ledger.runs().values() for run in of_job)
    crossed = sum({kinds[run.pid] for run in of_job} == {0, 1} for of_job in fleet.ledger.runs().values())
    record_property("figures", f"seed {seed}, {runs[0]:,} runs here, {runs[1]:,} in Node, {crossed} in both: {found}")
    assert found.states == {"completed": jobs}
    assert min(runs.values()) > jobs / 20
    assert crossed
    assert found.recovery_s < (RECOVERY_S + INTERVAL_S) * watch.slowness
