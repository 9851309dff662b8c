"""USE_JOB_QUEUE=false with real processes: what a process leaves is found by the next one, and run by one of them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from tests.eventually import eventually_sync
from tests.inprocess import Adder, ClosedPort
from tests.stand import Stand

pytestmark = pytest.mark.acceptance


@pytest.fixture(scope="module")
def stand(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stand]:
    port = ClosedPort()
    opened = Stand(
        tmp_path_factory.mktemp("stand"), port.url, "bull", USE_JOB_QUEUE="false", CHAT_QUEUE_CONCURRENCY="2"
    )
    yield opened
    opened.close()
    dialled = port.was_dialled()
    port.close()
    assert not dialled, "somebody spoke to Redis"


@pytest.fixture
def adder(stand: Stand) -> Iterator[Adder]:
    opened = Adder(stand)
    yield opened
    opened.close()
    stand.close()


def row(stand: Stand, job_id: str) -> dict[str, Any]:
    with closing(sqlite3.connect(stand.folder / "db.sqlite3", timeout=20)) as database:
        database.row_factory = sqlite3.Row
        found = database.execute("SELECT * FROM toril_job WHERE job_id = ?", [job_id]).fetchone()
    return dict(found) if found else {}


def until(stand: Stand, job_id: str, state: str, timeout_s: float = 30.0) -> dict[str, Any]:
    def there() -> dict[str, Any] | None:
        job = row(stand, job_id)
        return job if job.get("state") == state else None

    found: dict[str, Any] = eventually_sync(there, timeout_s, f"job {job_id} becomes {state}")
    return found


def test_what_a_killed_process_left_is_run_by_the_web_and_counts_as_stalled(stand: Stand, adder: Adder) -> None:
    running = adder.add("add('x', {'sleep_s': 60})")
    until(stand, running, "active")
    waiting, later = adder.add("add('y')"), adder.add("add('z', {'sleep_s': 0.1}, delay_ms=2_000)")
    until(stand, waiting, "completed")
    adder.kill()
    stand.web()
    eventually_sync(lambda: (job := row(stand, running))["stalled_count"] == 1 and job["state"] == "active", 30)
    assert until(stand, later, "completed")["stalled_count"] == 0
    stand.processes["web"].kill()
    stand.processes.pop("web").wait()
    stand.web()
    assert until(stand, running, "failed")["failed_reason"] == "job stalled more than allowable limit"


def test_a_web_that_is_told_to_stop_lets_jobs_finish_and_hands_back_the_rest(stand: Stand, adder: Adder) -> None:
    quick, slow = (adder.add(f"add('x', {{'sleep_s': {s}}}, delay_ms=1_000)") for s in (3, 60))
    assert adder.ends() == 0
    stand.web()
    until(stand, quick, "active")
    until(stand, slow, "active")
    stand.stop("web")
    assert row(stand, quick)["state"] == "completed"
    back = row(stand, slow)
    assert (back["state"], back["stalled_count"], back["attempts_made"]) == ("waiting", 0, 0)
    stand.web()
    until(stand, slow, "active")
    # Without the grace that a clean stop would give.
    stand.processes["web"].kill()


def test_of_two_processes_one_takes_what_a_third_left(stand: Stand, adder: Adder) -> None:
    others = [Adder(stand), Adder(stand)]
    try:
        for other in others:
            until(stand, other.add("add('own')"), "completed")
        ids = [adder.add("add('x', {'sleep_s': 0.2})") for _ in range(30)]
        adder.kill()
        done_before = sum(row(stand, job_id)["state"] == "completed" for job_id in ids)
        for job_id in ids:
            until(stand, job_id, "completed")
    finally:
        for other in others:
            other.close()
    starts = [row(stand, job_id)["attempts_started"] for job_id in ids]
    assert done_before < len(ids)
    # Only those that the dead one was running are run again.
    assert sum(starts) <= len(ids) + 5
    assert max(starts) <= 2
