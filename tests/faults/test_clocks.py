"""Workers on hosts whose clock stands wrong, or is set while a job runs: libfaketime gives them such a clock."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.acceptance.fleet import Fleet, Member
from tests.conftest import RedisServer
from tests.eventually import eventually_sync
from tests.services import missing
from tests.working import now_ms

pytestmark = pytest.mark.acceptance

LOCK_S = 1.0
#: How exact a worker knows the clock of Redis depends on how long an answer took, and so on the machine.
LATER_MS, INEXACT_MS = 4_000, 2_000
AHEAD_S, BEHIND_S = 300, -86_400


def library() -> str:
    found = sorted(Path("/usr/lib").glob("*/faketime/libfaketime.so.1"))
    return str(found[0]) if found else missing("libfaketime is not installed")


@pytest.fixture(scope="module")
def fleets(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Fleet]]:
    """One worker each: `ahead`, `behind`, and `set`, whose clock is what a file says."""
    preload = library()
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    made: dict[str, Fleet] = {}
    for name, clock in {"ahead": AHEAD_S, "behind": BEHIND_S, "set": 0}.items():
        folder = tmp_path_factory.mktemp(name)
        fleet = Fleet(server, name, folder, LOCK_MS=f"{LOCK_S * 1000:.0f}", STALLED_MS="600", CONCURRENCY="5")
        environ = {"LD_PRELOAD": preload, "DONT_FAKE_MONOTONIC": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
        if name == "set":
            _set(fleet, 0)
            environ |= {"FAKETIME_TIMESTAMP_FILE": str(_file(fleet)), "FAKETIME_NO_CACHE": "1"}
        else:
            environ |= {"FAKETIME": f"{clock:+}s"}
        fleet.launch(**environ)
        made[name] = fleet
    for fleet in made.values():
        eventually_sync(fleet.members[0].is_ready, 60, "the worker is ready")
    yield made.__getitem__
    for fleet in made.values():
        fleet.end()
    server.stop()


def _file(fleet: Fleet) -> Path:
    return fleet.folder / "clock"


def _set(fleet: Fleet, seconds: int) -> None:
    """At once and whole."""
    fresh = fleet.folder / "clock.new"
    fresh.write_text(f"{seconds:+}s\n")
    os.replace(fresh, _file(fleet))


def delayed(fleet: Fleet, client: Any) -> tuple[str, int]:
    """A job that this host, whose clock is right, adds with a delay; when it is due."""
    due = now_ms() + LATER_MS
    (job_id,) = fleet.plant(1, "nap", lambda _: {"s": 0}, state="aside", marker=False)
    client.delete(fleet.keys("aside"))
    client.hset(fleet.keys.job(job_id), "delay", LATER_MS)
    client.zadd(fleet.keys("delayed"), {job_id: due * 4096})
    client.zadd(fleet.keys("marker"), {"1": due})
    return job_id, due


def started_ms(fleet: Fleet, client: Any) -> dict[str, int]:
    """By Redis's clock."""
    events = client.xrange(fleet.keys("events"))
    return {e[b"jobId"].decode(): int(at.split(b"-")[0]) for at, e in events if e[b"event"] == b"active"}


@pytest.mark.parametrize(("name", "said"), [("ahead", "300 s ahead of"), ("behind", "86400 s behind")])
def test_a_worker_whose_clock_is_wrong_says_how_far_and_goes_by_redis(fleets, name, said):
    fleet = fleets(name)
    worker: Member = fleet.members[0]
    eventually_sync(lambda: f"clock is {said} Redis's" in worker.said(), what="it says how far its clock is off")
    with fleet.client() as client:
        job_id, due = delayed(fleet, client)
        # Without Redis's clock the one would run it at once, and the other tomorrow.
        fleet.until_over(60)
        assert started_ms(fleet, client)[job_id] >= due - INEXACT_MS
        began, ended = client.hmget(fleet.keys.job(job_id), "processedOn", "finishedOn")
        assert due - INEXACT_MS <= int(began) <= int(ended) <= now_ms() + 1_000
    fleet.audit().assert_clean()


def test_a_clock_that_is_set_back_while_a_job_runs_neither_stalls_it_nor_makes_its_time_negative(fleets):
    fleet = fleets("set")
    (job_id,) = fleet.plant(1, "nap", lambda _: {"s": 4 * LOCK_S})
    eventually_sync(lambda: fleet.ledger.count("start")[job_id], what="it runs")
    _set(fleet, -3_600)
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    assert (found.repeats, found.states) == ([], {"completed": 1})
    with fleet.client() as client:
        began, ended = map(int, client.hmget(fleet.keys.job(job_id), "processedOn", "finishedOn"))
        assert ended >= began
        assert not [e for _, e in client.xrange(fleet.keys("events")) if e[b"event"] == b"stalled"]
