"""A Redis that is full and set to throw keys away does throw jobs away; nobody can keep them, but nobody falls over."""

from __future__ import annotations

from pathlib import Path

import pytest
import redis

from tests.acceptance.fleet import Fleet
from tests.conftest import RedisServer
from tests.eventually import eventually_sync

pytestmark = pytest.mark.acceptance

JOBS, LETTERS = 3_000, 2_000


def evicted(client: redis.Redis) -> int:
    return int(client.info("stats")["evicted_keys"])


def test_a_redis_that_throws_jobs_away_ends_no_worker_and_work_goes_on(own_redis: RedisServer, tmp_path: Path):
    fleet = Fleet(own_redis, "evicting", tmp_path)
    try:
        (worker,) = fleet.start(1)
        with fleet.client() as client:
            fleet.plant(JOBS, "nap", lambda _: {"s": 0.05, "text": "x" * LETTERS})
            eventually_sync(lambda: fleet.completed() > 50, what="work is under way")
            client.config_set("maxmemory-policy", "allkeys-random")
            client.config_set("maxmemory", int(client.info("memory")["used_memory"] * 0.8))
            with client.pipeline(transaction=False) as pipe:
                # Each write makes room for itself.
                for number in range(500):
                    pipe.set(f"ballast{number}", "x" * LETTERS)
                pipe.execute(raise_on_error=False)
            eventually_sync(lambda: evicted(client) > JOBS / 20, 30, "keys are thrown away")
            client.config_set("maxmemory", 0)
            client.config_set("maxmemory-policy", "noeviction")
        # A list may have gone, and hashes of jobs that are listed; what is added now is run.
        fleet.added.clear()
        fleet.resumed_s()
        fleet.until_over(60)
        assert worker.is_alive
        assert "Traceback" not in worker.said()
        fleet.forget()
    finally:
        fleet.end()
