"""Worker processes are killed and stopped under load: nothing is lost, nothing is repeated without a reason."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from queues.options import reset_options
from tests.acceptance.fleet import Fleet
from tests.conftest import RedisServer
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

JOBS, KILLS, SLOTS = 20_000, 20, 50
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
    """Kill one of two processes again and again, evenly over all the work; each time another takes its place."""
    dice = random.Random(seed)
    fleet.start(2, **environ)
    fleet.plant(JOBS, "nap", lambda _: {"s": 0.05})
    for kill in range(1, KILLS + 1):
        eventually_sync(lambda kill=kill: fleet.completed() >= kill * JOBS // (KILLS + 2), 60, "work goes on")
        fleet.kill(dice.choice([member for member in fleet.members if member.is_ready()]))
        fleet.launch(**environ)


@pytest.mark.parametrize("seed", [20])
def test_twenty_kills_lose_no_job_and_repeat_only_what_the_killed_held(fleet, seed, record_property):
    began = time.monotonic()
    storm(fleet, seed, MAX_STALLED=str(KILLS + 1))
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    record_property("figures", f"seed {seed}, {time.monotonic() - began:.0f} s: {found}")
    assert found.states == {"completed": JOBS}
    # Only what killed processes held: never more than their slots.
    assert sum(runs - 1 for runs in fleet.ledger.count("start").values()) <= KILLS * SLOTS
    assert len(found.repeats) > KILLS
    assert found.recovery_s < RECOVERY_S + INTERVAL_S
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
