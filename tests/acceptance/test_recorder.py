"""What a worker process recorded is there when it stops, and but for its last seconds when it is killed."""

from __future__ import annotations

from typing import Any

import pytest

from tests.acceptance.workers import add
from tests.eventually import Stopwatch, eventually_sync

pytestmark = pytest.mark.acceptance


def completed(client_of_redis: Any, prefix: str) -> int:
    keys = client_of_redis.keys(f"{prefix}::{{toril}}:minute:*")
    return sum(int(client_of_redis.hget(key, "cwork") or 0) for key in keys)


def test_a_worker_that_stops_leaves_all_it_counted_and_a_killed_one_what_it_delivered(
    start, sight, client_of_redis, prefix
):
    killed = start("--queues", "work").ready()
    add("sleep", 0.01, 10)
    eventually_sync(lambda: completed(client_of_redis, prefix) == 10, 15)
    watch = Stopwatch()
    add("sleep", 0.01, 5)
    eventually_sync(lambda: len(sight.ids("completed")) == 15)
    killed.popen.kill()
    killed.popen.wait(10)
    # On a machine that is slow enough they were delivered meanwhile.
    delivered = completed(client_of_redis, prefix)
    assert delivered == 10 or (delivered == 15 and watch.passed_s > 5)
    stopped = start("--queues", "work").ready()
    add("sleep", 0.01, 3)
    eventually_sync(lambda: len(sight.ids("completed")) == 18)
    stopped.popen.terminate()
    assert stopped.exit_code(5) == 0
    assert completed(client_of_redis, prefix) == delivered + 3
    assert all(client_of_redis.ttl(key) > 0 for key in client_of_redis.keys(f"{prefix}::{{toril}}:[mnfr]*"))
