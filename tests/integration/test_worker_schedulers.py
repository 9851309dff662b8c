"""Jobs that schedulers make run on: the worker that runs an iteration adds the next, as BullMQ's workers do."""

from __future__ import annotations

import itertools
import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from queues.protocol.clock import now_ms
from queues.protocol.commands import call_script, pack
from queues.protocol.connections import keys, wire
from tests.eventually import eventually
from tests.working import working


async def upsert(connection: str, scheduler: str, repeat: dict[str, Any], next_ms: int | None = None) -> str:
    """A scheduler as Node's upsertJobScheduler makes it; the id of its first job."""
    k, now = keys(connection, "chat"), now_ms()
    opts = {"repeat": {**repeat, "count": 1}, "attempts": 1, "prevMillis": next_ms or now, "timestamp": now}
    made = await wire(connection).call(
        call_script(
            "addJobScheduler",
            k.many("repeat delayed wait paused meta prioritized marker id events pc active"),
            [
                next_ms or now,
                pack({"name": "tick", **repeat}),
                scheduler,
                '{"from":"template"}',
                pack({"attempts": 1}),
                pack(opts),
                now,
                k.base,
                "",
            ],
        )
    )
    return made[0].decode()


async def test_every_runs_again_and_again_on_its_beat(connection, sight, watch):
    ran = []

    async def tick(job):
        ran.append((time.monotonic(), job.id, job.data))

    await upsert(connection, "beat", {"every": 150})
    async with working(tick):
        await eventually(lambda: len(ran) >= 5)
    gaps = [later - earlier for (earlier, *_), (later, *_) in itertools.pairwise(ran[1:])]
    assert all(0.1 < gap < 0.25 * watch.slowness for gap in gaps), gaps
    assert {data["from"] for *_, data in ran} == {"template"}
    assert len({job_id for _, job_id, _ in ran}) == len(ran)
    assert len(sight.ids("delayed")) == 1


async def test_a_pattern_is_read_in_its_time_zone(connection, sight):
    async def tick(job):
        return None

    rule = {"pattern": "0 30 9 * * *", "tz": "Asia/Tokyo"}
    first = await upsert(connection, "daily", rule)
    async with working(tick):
        await sight.until("completed", first)
        await eventually(lambda: sight.ids("delayed"))
    (following,) = sight.ids("delayed")
    due = datetime.fromtimestamp(int(following.rpartition(":")[2]) / 1000, UTC)
    assert (due.hour, due.minute, due.second) == (0, 30, 0)
    opts = json.loads(sight.job(following)["opts"])
    assert opts["repeat"]["count"] == 2
    assert opts["repeat"]["pattern"] == rule["pattern"]


@pytest.mark.parametrize("end", [{"limit": 1}, {"endDate": 1_000_000_000_000}, {"endDate": "2001-09-09T01:46:40Z"}])
async def test_a_scheduler_that_is_over_makes_no_more(connection, sight, end):
    async def tick(job):
        return None

    first = await upsert(connection, "short", {"every": 100, **end})
    async with working(tick):
        await sight.until("completed", first)
    assert sight.ids("delayed") == sight.ids("wait") == []


@pytest.mark.parametrize("rule", [{"pattern": "not a pattern"}, {"pattern": "* * * * *", "tz": "Nowhere/At_All"}])
async def test_a_rule_that_cannot_be_read_is_told_and_the_job_runs(connection, sight, rule, caplog):
    ran = []

    async def tick(job):
        ran.append(job.id)

    first = await upsert(connection, "odd", rule)
    async with working(tick):
        await sight.until("completed", first)
    assert ran == [first]
    assert "scheduler" in caplog.text
    assert "will not run again" in caplog.text


async def test_a_scheduler_that_was_removed_is_not_revived(connection, sight):
    async def tick(job):
        return None

    first = await upsert(connection, "gone", {"every": 50})
    sight.client.zrem(sight.keys("repeat"), "gone")
    sight.client.delete(sight.keys("repeat:gone"))
    async with working(tick):
        await sight.until("completed", first)
    assert sight.ids("delayed") == []


async def test_a_repeatable_job_of_old_is_run_and_told(connection, sight, caplog):
    """Node says the same with an error event, as BullMQ 6 goes on with schedulers alone."""
    ran = []

    async def tick(job):
        ran.append(job.id)

    key = "tick::1999999999999:Europe/Berlin:0 9 * * *"
    first = await upsert(connection, "beat", {"every": 50})
    sight.client.hset(sight.keys.job(first), "rjk", key)
    sight.client.zadd(sight.keys("repeat"), {key: 1})
    async with working(tick):
        await sight.until("completed", first)
    assert ran == [first]
    assert "repeatable job of BullMQ 5" in caplog.text
    assert sight.ids("delayed") == []
