"""Flows and deduplicated jobs as Node makes them, and jobs that put themselves off."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest

from queues.errors import DelayedError, WaitingChildrenError
from queues.worker import engine as engine_module
from tests.eventually import eventually
from tests.working import working

pytestmark = pytest.mark.node


async def nothing(job):
    return None


def job(name: str = "x", data: Any = None, **opts: Any) -> dict[str, Any]:
    return {"name": name, "data": {} if data is None else data, "opts": opts}


# --- flows

#: The failed child's option, and what becomes of its parent.
POLICIES: dict[str, tuple[dict[str, Any], str]] = {
    "none": ({}, "waiting-children"),
    "fail": ({"failParentOnFailure": True}, "failed"),
    "continue": ({"continueParentOnFailure": True}, "completed"),
    "ignore": ({"ignoreDependencyOnFailure": True}, "completed"),
    "remove": ({"removeDependencyOnFailure": True}, "completed"),
}


@pytest.mark.parametrize("policy", POLICIES)
async def test_a_failed_child_and_its_parent(connection, node, sight, policy):
    options, state = POLICIES[policy]
    values: dict[str, Any] = {}

    async def work(job):
        if job.name == "bad":
            raise ValueError("bad child")
        if job.name == "parent":
            values.update(await job.children_values())
            return "whole"
        return {"from": job.name}

    flow = {
        "name": "parent",
        "queueName": "chat",
        "data": {},
        "children": [
            {"name": "bad", "queueName": "chat", "data": {}, "opts": options},
            {"name": "good", "queueName": "chat", "data": {}},
        ],
    }
    parent, bad, good = await node("flow", flow)
    async with working(work, concurrency=3):
        await sight.until("failed", bad)
        await sight.until("completed", good)
        await eventually(lambda: sight.client.zscore(sight.keys(state), parent) is not None, what=f"parent is {state}")
        await eventually(lambda: not sight.ids("active"))
    of_parent, of_bad = await node("look", [parent, bad])
    assert of_bad["failedReason"] == "bad child"
    assert of_parent["state"] == state
    key = sight.keys.base.decode()
    if state == "completed":
        assert of_parent["returnvalue"] == "whole"
        # A parent that goes on at once may not have waited for the other child.
        assert values in ({f"{key}{good}": {"from": "good"}}, {})
        assert policy == "continue" or values
    if policy == "fail":
        assert of_parent["failedReason"] == f"child {key}{bad} failed"
    if policy in ("ignore", "continue"):
        assert of_parent["ignoredFailures"] == {f"{key}{bad}": "bad child"}
    sight.assert_all_over()


async def test_failure_climbs_as_far_as_each_generation_says(connection, node, sight):
    up = {"failParentOnFailure": True}
    flow = {
        "name": "root",
        "queueName": "chat",
        "children": [
            {
                "name": "middle",
                "queueName": "chat",
                "opts": up,
                "children": [{"name": "leaf", "queueName": "chat", "opts": {**up, "attempts": 2}}],
            }
        ],
    }
    ran = []

    async def work(job):
        ran.append(job.name)
        raise ValueError("leaf")

    root, middle = await node("flow", flow)
    async with working(work):
        await sight.until("failed", root, middle)
    # Only the leaf was run, twice; the others failed because of it.
    assert ran == ["leaf", "leaf"]
    assert "failed" in sight.job(middle)["failedReason"]
    assert sight.job(root)["failedReason"] == f"child {sight.keys.base.decode()}{middle} failed"


async def test_a_parent_that_makes_its_children_while_it_runs_waits_for_them(connection, node, sight):
    stages = []

    async def work(job):
        if job.name == "child":
            return job.data["n"]
        stages.append(job.attempt)
        if not job.data.get("has_asked"):
            parent = {"id": job.id, "queue": sight.keys.base.decode().removesuffix(":")}
            await node("add", [{"name": "child", "data": {"n": n}, "opts": {"parent": parent}} for n in (1, 2)])
            await job.update_data({"has_asked": True})
            raise WaitingChildrenError
        return sorted((await job.children_values()).values())

    (parent,) = await node("add", [job("parent", attempts=1)])
    async with working(work):
        await sight.until("completed", parent, timeout_s=10)
    assert stages == [1, 1]
    assert sight.job(parent)["returnvalue"] == "[1,2]"
    assert sight.job(parent)["atm"] == "1"
    assert len(sight.events("waiting-children")) == 1
    sight.assert_all_over()


@pytest.mark.parametrize("opts", [{}, {"priority": 5}], ids=["plain", "prioritized"])
async def test_who_waits_for_no_child_runs_again_at_once(connection, node, sight, monkeypatch, opts):
    monkeypatch.setattr(engine_module, "POLL_S", 60.0)
    runs = []

    async def wait_once(job):
        runs.append(job.id)
        if len(runs) == 1:
            raise WaitingChildrenError

    first, second = await node("add", [job(**opts), job(**opts)])
    async with working(wait_once):
        await sight.until("completed", first, second)
    assert runs == [first, first, second]


async def test_waiting_for_a_child_that_has_failed_fails_the_parent(connection, node, sight):
    async def work(job):
        if job.name == "bad":
            raise ValueError("bad child")
        raise WaitingChildrenError

    (parent,) = await node("add", [job("parent", attempts=3)])
    # Its child failed while it ran.
    sight.client.zadd(sight.keys.job(parent) + b":unsuccessful", {sight.keys.job("gone"): 1})
    async with working(work):
        await sight.until("failed", parent)
    assert "failed child" in sight.job(parent)["failedReason"]


async def test_a_job_with_pending_children_is_not_completed_but_may_be_tried_again(connection, node, sight):
    async def too_early(job):
        if job.attempt == 1:
            sight.client.sadd(sight.keys.job(job.id) + b":dependencies", sight.keys.job("pending"))
        else:
            sight.client.delete(sight.keys.job(job.id) + b":dependencies")
        return job.attempt

    (added,) = await node("add", [job(attempts=2)])
    async with working(too_early):
        await sight.until("completed", added)
    assert sight.job(added)["returnvalue"] == "2"


# --- moving oneself


async def test_a_job_that_asks_for_a_delay_gets_it_and_pays_no_attempt(connection, node, sight, watch):
    runs = []

    async def twice(job):
        runs.append((job.attempt, time.time() * 1000))
        if len(runs) == 1:
            raise DelayedError(250)

    (added,) = await node("add", [job(priority=3, attempts=1)])
    async with working(twice):
        await sight.until("completed", added)
    (first, asked), (second, came) = runs
    assert (first, second) == (1, 1)
    assert 248 <= came - asked < 1000 * watch.slowness
    assert (sight.job(added)["atm"], sight.job(added)["ats"]) == ("1", "2")
    assert "failedReason" not in sight.job(added)


# --- deduplication


async def test_deduplication_ends_with_the_job(connection, node, sight):
    once = {"deduplication": {"id": "only"}}
    first, again = await node("add", [job(**once), job(**once)])
    assert first == again
    async with working(nothing):
        await sight.until("completed", first)
    (after,) = await node("add", [job(**once)])
    assert after != first


async def test_a_throttle_outlives_its_job(connection, node, sight):
    once = {"deduplication": {"id": "only", "ttl": 60_000}}
    (first,) = await node("add", [job(**once)])
    async with working(nothing):
        await sight.until("completed", first)
    assert await node("add", [job(**once)]) == [first]


async def test_a_debounced_job_runs_once_with_the_last_data(connection, node, sight):
    ran = []

    async def note(job):
        ran.append(job.data)

    debounce = {"deduplication": {"id": "only", "ttl": 300, "extend": True, "replace": True}, "delay": 300}
    async with working(note):
        await node("add", [job(data={"n": n}, **debounce) for n in range(4)])
        await eventually(lambda: ran)
        await sight.until_count("completed", 1)
    assert ran == [{"n": 3}]


async def test_of_those_refused_while_one_runs_the_last_runs_after_it(connection, node, sight):
    started, end, ran = asyncio.Event(), asyncio.Event(), []

    async def hold(job):
        ran.append(job.data["n"])
        started.set()
        await end.wait()

    last_wins = {"deduplication": {"id": "only", "keepLastIfActive": True}}
    async with working(hold, concurrency=3):
        await node("add", [job(data={"n": 0}, **last_wins)])
        await started.wait()
        await node("add", [job(data={"n": n}, **last_wins) for n in (1, 2, 3)])
        assert ran == [0]
        end.set()
        await sight.until_count("completed", 2)
    assert ran == [0, 3]
