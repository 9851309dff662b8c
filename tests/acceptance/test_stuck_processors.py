"""`runworkers` and processors that do not end: threads that hang have their process replaced, children are killed."""

from __future__ import annotations

import os
from collections import Counter
from pathlib import Path

import pytest

from queues import queue
from tests.acceptance.workers import add
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

STUCK = {"EXTRA_APPS": "tests.acceptance.stuckapp", "CONCURRENCY": "2"}


def test_a_process_whose_threads_hang_is_replaced_and_loses_no_job(start, sight, ledger):
    """THREATS.md A2.4."""
    process = start("--processes", "1", "--queues", "work", "--drain-timeout", "5", **STUCK).ready()
    hanging = [*add("hang", count=12), *add("quick", count=10), *add("hang", count=6)]
    quick = add("quick", count=10)
    process.has_said("threads hang in processors whose time is over")
    eventually_sync(lambda: len(sight.ids("completed")) == 20, 30, "all quick jobs are done")
    eventually_sync(lambda: len(sight.ids("failed")) == 18, 30, "all hanging jobs failed")
    reasons = {sight.job(job_id)["failedReason"] for job_id in sight.ids("failed")}
    assert reasons == {"TimeoutError: the job took longer than its 0.1 s"}
    # Each ran once: a hanging one starts, a quick one is done.
    assert ledger.count("start") + ledger.count("done") == Counter({*hanging, *quick})
    sight.assert_all_over()


def test_the_children_of_a_killed_process_die_with_it(start, ledger, connection):
    process = start("--queues", "crunch", **STUCK).ready()
    queue("crunch").sync.add("x")
    eventually_sync(lambda: ledger.entries("start"), 20)
    (child,) = [int(pid) for pid in children_of(process.pid) if "child import main" in command_of(pid)]
    process.popen.kill()
    process.popen.wait()
    eventually_sync(lambda: "child import main" not in command_of(str(child)), 5, "the child is gone")


def test_the_children_of_a_stopped_process_end_and_their_job_waits_again(start, client_of_redis, prefix, ledger):
    process = start("--queues", "crunch", "--drain-timeout", "0.2", **STUCK).ready()
    added = queue("crunch").sync.add("x")
    eventually_sync(lambda: ledger.entries("start"), 20)
    (child,) = [pid for pid in children_of(process.pid) if "child import main" in command_of(pid)]
    process.popen.terminate()
    assert process.exit_code(10) == 3
    assert "child import main" not in command_of(child)
    assert client_of_redis.lrange(f"{prefix}:crunch:wait", 0, -1) == [added.id.encode()]


def children_of(pid: int) -> list[str]:
    tasks = Path(f"/proc/{pid}/task")
    return [child for task in os.listdir(tasks) for child in (tasks / task / "children").read_text().split()]


def command_of(pid: str) -> str:
    """Empty where there is none, or only a dead one's."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except FileNotFoundError:
        return ""
