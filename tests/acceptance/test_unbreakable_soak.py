"""Very many jobs through one process, and what their size or kind leaves behind in it.

SOAK_JOBS=1000000 bin/test tests/acceptance/test_unbreakable_soak.py
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet, Member
from tests.conftest import RedisServer
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

JOBS = int(os.environ.get("SOAK_JOBS", "60000"))
#: What memory may grow by between the first third of the jobs and the last.
GROWTH_MIB = 3.0
LARGE = 50_000_000


@pytest.fixture
def fleet(own_redis: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(own_redis, "soak", tmp_path)
    yield fleet
    fleet.end()


def kept(member: Member) -> dict[str, int]:
    """Threads and open files: what a leak would show in beside memory."""
    return {
        "threads": len(list(Path(f"/proc/{member.pid}/task").iterdir())),
        "files": len(list(Path(f"/proc/{member.pid}/fd").iterdir())),
    }


@pytest.mark.parametrize("name", ["quick", "thread"])
def test_memory_threads_and_files_stay_flat_over_very_many_jobs(fleet, name, record_property):
    jobs = JOBS if name == "quick" else JOBS // 4
    (member,) = fleet.start(1, CONCURRENCY="20")
    chunk, done, seen = jobs // 12, 0, []
    began = time.monotonic()
    while done < jobs:
        done += chunk
        fleet.plant(chunk, name, lambda _: {"s": 0})
        eventually_sync(lambda done=done: fleet.finished() >= done, 120, f"{done} jobs are over")
        seen.append((member.rss_mib(), kept(member)))
    rates = jobs / (time.monotonic() - began)
    # A third to warm up: allocators, caches, connections of the threads.
    warm, end = seen[len(seen) // 3], seen[-1]
    record_property(
        "figures", f"{jobs:,} jobs, {rates:,.0f}/s: {seen[0][0]:.1f} MiB, {warm[0]:.1f} warm, {end[0]:.1f} at the end"
    )
    assert end[0] - warm[0] < GROWTH_MIB
    assert end[1] == warm[1]
    with fleet.client() as client:
        assert client.llen(fleet.keys("active")) == 0


def test_a_large_payload_is_run_and_forgotten(fleet, record_property):
    (member,) = fleet.start(1, CONCURRENCY="1")
    with fleet.client() as client:
        client.hset(fleet.keys("meta"), "opts.maxLenEvents", 10)
    fleet.plant(1, "measure", lambda _: {"text": "x" * LARGE})
    fleet.until_over(60)
    first = member.rss_mib()
    fleet.plant(4, "measure", lambda _: {"text": "x" * LARGE})
    fleet.plant(1, "nap", lambda _: {"s": 0})
    fleet.until_over(120)
    last = member.rss_mib()
    record_property("figures", f"{first:.0f} MiB after one of {LARGE:,} characters, {last:.0f} MiB after five")
    with fleet.client() as client:
        answers = {client.hget(fleet.keys.job(job_id), "returnvalue") for job_id in fleet.added[:5]}
    assert answers == {str(LARGE + len("{'text': ''}")).encode()}
    assert last - first < 2 * LARGE / 2**20
