"""An operation outlives the process that runs it: the leader is killed again and again, and each job is done once."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.eventually import eventually_sync
from tests.planting import plant_failed
from tests.stand import Stand
from tests.working import Sight

pytestmark = pytest.mark.acceptance
JOBS, KILLS = 2_000, 3
BEGIN = """
import asyncio
from queues.actions.actor import Actor
from queues.operations import Target, begin
from queues.states import State
async def main():
    for queue, action in (("chat", "retry"), ("mail", "clean")):
        target = Target.of_state("default", [queue], [State.FAILED])
        await begin(Actor(None, "ana"), target, action, "a storm")
asyncio.run(main())
"""
SHOW = """
from queues.models import Operation, StoredJobs
from django.db.models import Sum
for row in Operation.objects.order_by("pk"):
    print(row.action, row.phase, row.total, row.done, row.moved, row.stayed)
print(StoredJobs.objects.aggregate(n=Sum("jobs"))["n"])
"""


@pytest.fixture
def stand(tmp_path: Path, redis_server, prefix, connection) -> Iterator[Stand]:
    stand = Stand(tmp_path, redis_server.url, prefix)
    yield stand
    stand.close()


def shell(stand: Stand, code: str) -> list[str]:
    return stand.manage("shell", "--verbosity", "0", "--command", code).strip().splitlines()


def wait_for(stand: Stand, condition: Callable[[], bool]) -> None:
    """Fails with what the mirror said."""
    try:
        eventually_sync(lambda: stand.processes["mirror"].poll() is not None or condition(), 60)
    except AssertionError:
        raise AssertionError(f"{shell(stand, SHOW)}\n{stand.log('mirror')[-3_000:]}") from None
    assert stand.processes["mirror"].poll() is None, stand.log("mirror")[-3_000:]


def test_a_leader_killed_at_random_does_each_job_once_and_keeps_every_one_it_removes(
    stand: Stand, client_of_redis, prefix
) -> None:
    for name in ("chat", "mail"):
        plant_failed(client_of_redis, prefix, name, JOBS)
    client_of_redis.hset(f"{prefix}:chat:meta", "opts.maxLenEvents", 100_000)
    shell(stand, BEGIN)

    def left() -> int:
        return sum(client_of_redis.zcard(f"{prefix}:{name}:failed") for name in ("chat", "mail"))

    for _ in range(KILLS):
        before, mirror = left(), stand.mirror()
        wait_for(stand, lambda before=before: left() < before or not before)
        time.sleep(random.random() / 20)
        # The next one leads at once: it sees that this one is dead.
        mirror.kill()
        mirror.wait()
    stand.mirror()
    wait_for(stand, lambda: not left())
    ends = [f"retry done {JOBS} {JOBS} 0 0", f"clean done {JOBS} {JOBS} 0 0", str(JOBS)]
    wait_for(stand, lambda: shell(stand, SHOW) == ends)
    told = Counter(event["jobId"] for event in Sight(client_of_redis, prefix).events("waiting"))
    assert (len(told), set(told.values())) == (JOBS, {1})
    assert client_of_redis.keys(f"{prefix}:mail:[0-9]*") == []
