"""Real Node BullMQ beside us, both ways: its jobs run here, ours run there, and each sees the other's rightly."""

from __future__ import annotations

import asyncio
import base64
import json
from collections import Counter
from typing import Any

import pytest

from queues import queue
from queues.lookups.jobs import job_detail
from tests.eventually import eventually
from tests.interop.nodes import Node
from tests.working import now_ms, working

pytestmark = pytest.mark.node

PAYLOADS: dict[str, Any] = {
    "unicode": {"text": "Zoë — 日本語 🐂 עברית \u202e"},
    "null": None,
    "nulls": {"a": None, "b": [None]},
    "nesting": {"a": {"b": {"c": [[[{"d": 1}]]]}}},
    "array": [1, "two", False],
    "string": "just text",
    "number": 0.30000000000000004,
    "largest": {"n": 2**53 - 1, "least": -(2**53 - 1)},
    "empty": {},
    "controls": "\u0000\u0001\t\n\r\u001b\u007f\u2028",
    "html": "<img src=x onerror=alert(1)> &amp; \"'",
    "half a pair": "\ud83d",
    "megabyte": {"blob": "é" * 500_000},
}


@pytest.fixture
def node(redis_server, prefix) -> Node:
    return Node(redis_server.port, prefix)


async def test_what_node_adds_we_run_and_node_reads_the_result(connection, node, sight):
    seen = {}

    async def echo(job):
        seen[job.name] = job.data
        return job.data

    ids = await node.run("produce.mjs", [{"name": name, "data": data} for name, data in PAYLOADS.items()])
    async with working(echo, concurrency=5):
        await sight.until("completed", *ids, timeout_s=10)
    assert seen == PAYLOADS
    looked = await node.run("look.mjs", ids)
    for job_id, (name, data) in zip(ids, PAYLOADS.items(), strict=True):
        job = looked["jobs"][job_id]
        assert (job["name"], job["data"], job["returnvalue"], job["state"]) == (name, data, data, "completed")


async def test_what_we_add_node_runs_and_we_read_the_result(connection, node, sight):
    async with node.working() as said:
        ids = [(await queue("chat").add(name, data)).id for name, data in PAYLOADS.items()]
        await sight.until("completed", *ids, timeout_s=10)
    assert not [line for line in said if "error" in line]
    for job_id, data in zip(ids, PAYLOADS.values(), strict=True):
        assert json.loads(sight.job(job_id)["returnvalue"]) == data
    assert sight.job(ids[0])["pb"] == "node-worker"
    assert sight.logs(ids[0]) == ["from Node"]


async def test_node_sees_our_options_as_its_own(connection, node, sight):
    later = await queue("chat").add(
        "later",
        job_id="mine",
        delay_ms=3_600_000,
        attempts=4,
        backoff={"type": "exponential", "delay": 250, "jitter": 0.5},
        remove_on_complete={"age": 60, "count": 10},
        remove_on_fail=5,
        keep_logs=3,
        stack_trace_limit=2,
    )
    urgent = await queue("chat").add("urgent", priority=7)
    looked = await node.run("look.mjs", [later.id, urgent.id])
    mine = looked["jobs"]["mine"]
    assert mine["opts"] == {
        "attempts": 4,
        "backoff": {"type": "exponential", "delay": 250, "jitter": 0.5},
        "delay": 3_600_000,
        "jobId": "mine",
        "keepLogs": 3,
        "removeOnComplete": {"age": 60, "count": 10},
        "removeOnFail": 5,
        "stackTraceLimit": 2,
    }
    assert (mine["state"], mine["delay"], mine["data"]) == ("delayed", 3_600_000, {})
    assert (looked["jobs"][urgent.id]["state"], looked["jobs"][urgent.id]["priority"]) == ("prioritized", 7)


async def test_node_sees_rightly_what_our_worker_did(connection, node, sight):
    async def work(job):
        await job.progress({"stage": "ours", "percent": 40})
        await job.log("one")
        await job.log("two")
        if job.name == "fail":
            raise ValueError(f"attempt {job.attempt} <b>")
        return {"ok": True}

    async with working(work, worker_name="anna"):
        good = await queue("chat").add("good")
        bad = await queue("chat").add("fail", attempts=3, backoff=10)
        await sight.until("completed", good.id)
        await sight.until("failed", bad.id)
        looked = await node.run("look.mjs", [good.id, bad.id])
    done, failed = looked["jobs"][good.id], looked["jobs"][bad.id]
    assert (done["state"], done["attemptsMade"], done["attemptsStarted"]) == ("completed", 1, 1)
    assert (done["returnvalue"], done["progress"]) == ({"ok": True}, {"stage": "ours", "percent": 40})
    assert done["logs"] == ["one", "two"]
    assert done["processedBy"] == "anna"
    assert done["timestamp"] <= done["processedOn"] <= done["finishedOn"]
    assert (failed["state"], failed["attemptsMade"], failed["attemptsStarted"]) == ("failed", 3, 3)
    assert failed["failedReason"] == "attempt 3 <b>"
    assert len(failed["stacktrace"]) == 3
    assert looked["counts"]["completed"] == looked["counts"]["failed"] == 1


async def test_node_finds_our_workers(connection, node, prefix):
    async def nothing(job):
        return None

    async with working(nothing, worker_name="anna"), working(nothing, worker_name="ben"):
        looked = await eventually(lambda: _workers(node), timeout_s=15)
    name = f"{prefix}:{base64.b64encode(b'chat').decode()}"
    assert sorted(looked) == [f"{name}:w:anna", f"{name}:w:ben"]


async def _workers(node: Node) -> list[str] | None:
    found: list[str] = (await node.run("look.mjs", []))["workers"]
    return found if len(found) == 2 else None


async def test_a_job_that_failed_in_node_is_finished_here(connection, node, sight):
    added = await queue("chat").add("fail", attempts=2, backoff=1)
    async with node.working():
        await sight.until("failed", added.id)
    assert sight.job(added.id)["failedReason"] == "failed in Node"

    async def rescue(job):
        return job.attempt

    sight.client.zrem(sight.keys("failed"), added.id)
    sight.client.lpush(sight.keys("wait"), added.id)
    async with working(rescue):
        await sight.until("completed", added.id)
    assert sight.job(added.id)["returnvalue"] == "3"
    assert "failed in Node" in sight.job(added.id)["stacktrace"]


async def test_a_node_and_a_python_worker_share_a_queue_each_job_once(connection, node, sight):
    ours: list[str] = []

    async def note(job):
        ours.append(job.id)
        await asyncio.sleep(0.005)

    async with node.working() as said, working(note, concurrency=5):
        from_node = [{"name": "slow", "data": {"n": n}} for n in range(200)]
        adding = asyncio.create_task(node.run("produce.mjs", from_node))
        added = await asyncio.gather(*(queue("chat").add("slow", {"n": n}) for n in range(200)))
        ids = [job.id for job in added] + await adding
        await sight.until_count("completed", 400, timeout_s=20)
    theirs = [line["ran"] for line in said if "ran" in line]
    assert Counter(ours + theirs) == Counter(ids)
    assert len(ours) > 50
    assert len(theirs) > 50
    sight.assert_all_over()


async def test_a_scheduler_made_in_node_goes_on_here(connection, node, sight):
    ran = []

    async def tick(job):
        ran.append(job.data)

    await node.run(
        "schedule.mjs", {"id": "beat", "repeat": {"every": 200}, "template": {"name": "tick", "data": {"from": "node"}}}
    )
    async with working(tick):
        await eventually(lambda: len(ran) >= 4)
    assert ran[0] == {"from": "node"}
    looked = await node.run("look.mjs", sight.ids("delayed"))
    (following,) = looked["jobs"].values()
    assert following["opts"]["repeat"]["every"] == 200


async def test_a_flow_made_in_node_runs_here_children_first(connection, node, sight):
    order = []

    async def note(job):
        order.append(job.name)
        return job.name

    ids = await node.run(
        "flow.mjs",
        {
            "name": "parent",
            "queueName": "chat",
            "data": {},
            "children": [{"name": f"child {n}", "queueName": "chat", "data": {}} for n in range(3)],
        },
    )
    async with working(note, concurrency=3):
        await sight.until("completed", *ids)
    assert order[-1] == "parent"
    assert sorted(order[:-1]) == ["child 0", "child 1", "child 2"]


async def test_of_a_job_that_node_ran_the_events_tell_when_its_attempts_were(connection, node, sight):
    async with node.working():
        added = await queue("chat").add("fail", attempts=3, backoff=60)
        await sight.until("failed", added.id)
    first, second, *_ = (await job_detail(connection, "chat", added.id)).runs
    assert (first.number, second.number) == (1, 2)
    assert now_ms() - 30_000 < (first.started_ms or 0) <= (first.ended_ms or 0)
    assert (second.started_ms or 0) >= (first.ended_ms or 0) + 50
