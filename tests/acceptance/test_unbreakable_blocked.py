"""Processors that block their loop, or hold the interpreter's lock, for longer than their job's lock lasts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.acceptance.fleet import Fleet
from tests.conftest import RedisServer
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

LOCK_S = 1.0
ENVIRON = {"LOCK_MS": f"{LOCK_S * 1000:.0f}", "STALLED_MS": "700"}


@pytest.fixture
def fleet(own_redis: RedisServer, tmp_path: Path) -> Iterator[Fleet]:
    fleet = Fleet(own_redis, "blocked", tmp_path, **ENVIRON)
    yield fleet
    fleet.end()


def test_ten_jobs_that_block_for_three_locks_are_run_once_each(fleet, record_property):
    """The PyPI worker completes none of such jobs, in 66 executions."""
    fleet.start(3, CONCURRENCY="4", MAX_STALLED="1")
    fleet.plant(10, "block", lambda _: {"s": 3 * LOCK_S})
    fleet.until_over(90)
    found = fleet.audit().assert_clean()
    record_property("figures", f"{sum(fleet.ledger.count('start').values())} executions: {found}")
    assert fleet.ledger.count("start") == Counter(fleet.added)
    assert found.states == {"completed": 10}


def test_a_processor_that_holds_the_interpreter_alone_is_not_repeated(fleet):
    """No thread of its process can renew. Nobody else took the job, so its lock is taken back."""
    fleet.start(1, CONCURRENCY="4")
    fleet.plant(1, "grip", lambda _: {"s": 3 * LOCK_S})
    fleet.until_over(60)
    found = fleet.audit().assert_clean()
    assert (found.repeats, found.states) == ([], {"completed": 1})


def test_one_that_another_worker_took_meanwhile_is_refused_and_said(fleet, record_property):
    """The loss is noticed: no outcome but that of the worker that holds the job."""
    fleet.start(2, CONCURRENCY="4")
    # Whoever runs it is deaf meanwhile; the other puts it back and takes it.
    (job_id,) = fleet.plant(1, "grip", lambda _: {"s": 4 * LOCK_S})
    fleet.until_over(90)
    eventually_sync(lambda: all(run.end for run in fleet.ledger.runs()[job_id]), 60, "every run has ended")
    runs = fleet.ledger.runs()[job_id]
    eventually_sync(lambda: fleet.said().count("not stored") == len(runs) - 1, 10, "all but one were refused")
    found = fleet.audit()
    record_property("figures", f"{len(runs)} executions: {found}")
    assert found.false_completions == []
    assert fleet.lost() >= ({job_id} if len(runs) > 1 else set())
