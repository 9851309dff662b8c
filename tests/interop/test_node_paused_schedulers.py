"""Schedulers that Node made, paused and put back here: Node reads and runs them as if nothing had been."""

from __future__ import annotations

import asyncio
import json
import time

import pytest

from queues.actions import schedulers
from queues.actions.actor import Actor
from queues.models import AuditEntry, KeptScheduler
from tests.eventually import eventually
from tests.interop.nodes import Ask, Node
from tests.mirroring import mirror_running
from tests.working import now_ms

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True), pytest.mark.asyncio]
ANA = Actor(None, "ana")
TEMPLATE = {
    "name": "tick",
    "data": {"from": "template", "größe": [1, None]},
    "opts": {"attempts": 3, "backoff": {"type": "fixed", "delay": 5}, "priority": 2, "removeOnFail": 7, "keepLogs": 4},
}


@pytest.mark.parametrize(
    "rule",
    [
        {"every": 3_600_000, "offset": 1000, "limit": 9},
        {"pattern": "0 0 4 * * *", "tz": "Europe/Berlin", "limit": 9},
        {"pattern": "0 12 * * 5L"},
    ],
    ids=["every", "pattern", "pattern without a zone"],
)
async def test_node_reads_the_same_scheduler_after_a_pause_as_before(connection, node: Ask, sight, rule):
    end = now_ms() + 10**9
    await node("ask", [["upsertJobScheduler", "beat", {**rule, "endDate": end}, TEMPLATE]])
    (before,) = await node("ask", [["getJobScheduler", "beat"]])
    (delayed,) = sight.ids("delayed") or sight.ids("prioritized")
    job = without_times(sight.job(delayed))
    await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
    assert await node("ask", [["getJobScheduler", "beat"], ["getJobSchedulersCount"]]) == [None, 0]
    assert sight.ids("delayed") == []
    await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
    (after,) = await node("ask", [["getJobScheduler", "beat"]])
    assert after == before
    assert without_times(sight.job((sight.ids("delayed") or sight.ids("prioritized"))[0])) == job


def without_times(job: dict[str, str]) -> dict[str, object]:
    opts = json.loads(job.pop("opts"))
    for key in ("timestamp", "delay", "prevMillis"):
        opts.pop(key, None)
        job.pop(key, None)
    opts["repeat"].pop("offset", None)
    return {**job, "opts": opts}


async def test_a_node_worker_runs_what_was_put_back_and_its_limit_counts_on(
    connection, node: Ask, sight, redis_server, prefix
):
    await node("ask", [["upsertJobScheduler", "beat", {"every": 60, "limit": 6}, {"name": "tick"}]])
    async with Node(redis_server.port, prefix).working():
        await eventually(lambda: len(sight.ids("completed")) >= 2)
        await schedulers.pause_scheduler(ANA, connection, "chat", "beat")
        await eventually(lambda: not sight.ids("active") and not sight.ids("wait"))
        made, began = len(sight.ids("completed")), time.monotonic()
        await eventually(lambda: time.monotonic() - began > 0.4)
        assert len(sight.ids("completed")) == made < 6
        await schedulers.resume_scheduler(ANA, connection, "chat", "beat")
        await sight.until_count("completed", 6)
        await eventually(lambda: not sight.ids("delayed"))
    assert len(sight.ids("completed")) == 6


async def test_a_program_that_registers_it_each_second_does_not_get_it_past_the_pause(
    connection, node: Ask, sight, redis_server, prefix, record_property, watch
):
    rule = {"id": "nightly", "repeat": {"pattern": "0 0 4 * * *", "tz": "UTC"}, "template": {"name": "tick"}}
    await node("ask", [["upsertJobScheduler", rule["id"], rule["repeat"], rule["template"]]])
    await schedulers.pause_scheduler(ANA, connection, "chat", "nightly")
    longest = 0.0
    async with mirror_running(connection):
        program = await Node(redis_server.port, prefix)._start("register.mjs")
        assert program.stdin is not None
        assert program.stdout is not None
        program.stdin.write(json.dumps(rule).encode() + b"\n")
        assert json.loads(await asyncio.wait_for(program.stdout.readline(), 30)) == {"ready": True}
        until, there_since = time.monotonic() + 4.5, None
        while time.monotonic() < until:
            if sight.client.zscore(sight.keys("repeat"), "nightly") is None:
                there_since = None
            else:
                there_since = there_since or time.monotonic()
                longest = max(longest, time.monotonic() - there_since)
            await asyncio.sleep(0.01)
        program.stdin.close()
        out = await asyncio.wait_for(program.stdout.read(), 10)
        await program.wait()
        await eventually(lambda: sight.client.zscore(sight.keys("repeat"), "nightly") is None, 5.0)
    row = await KeptScheduler.objects.aget()
    times = json.loads(out)["times"]
    assert times >= 3
    assert longest < 5.0 * watch.slowness
    assert row.taken_out >= 3
    assert (sight.ids("delayed"), sight.ids("wait")) == ([], [])
    assert await AuditEntry.objects.filter(action="scheduler.pause", actor="Toril").acount() == row.taken_out
    record_property("figures", f"registered {times} times, there for {longest:.2f} s at most")
