"""What producers write, byte by byte beside real Node's Queue and FlowProducer; and what each reads of the other's."""

from __future__ import annotations

import asyncio
import json
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Any

import pytest
import redis

from queues import queue
from queues.errors import JobFailed
from queues.options import Limiter
from queues.producer import Deduplication
from tests.interop.nodes import Node
from tests.working import working

pytestmark = pytest.mark.node

MOMENT = 1_700_000_000_000
#: Node's options, ours.
SAME: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "plain": ({}, {}),
    "put off": ({"delay": 3_600_000}, {"delay_ms": 3_600_000}),
    "urgent": ({"priority": 9}, {"priority": 9}),
    "lifo": ({"lifo": True}, {"lifo": True}),
    "retried": ({"attempts": 3, "backoff": 500}, {"attempts": 3, "backoff": 500}),
    "spread": (
        {"backoff": {"type": "exponential", "delay": 250, "jitter": 0.5}, "attempts": 4},
        {"backoff": {"type": "exponential", "delay": 250, "jitter": 0.5}, "attempts": 4},
    ),
    "kept": (
        {"removeOnComplete": {"age": 60, "count": 10}, "removeOnFail": 5},
        {"remove_on_complete": {"age": 60, "count": 10}, "remove_on_fail": 5},
    ),
    "removed": (
        {"removeOnComplete": True, "removeOnFail": False},
        {"remove_on_complete": True, "remove_on_fail": False},
    ),
    "logs": ({"keepLogs": 3, "stackTraceLimit": 2}, {"keep_logs": 3, "stack_trace_limit": 2}),
    "bounded": ({"sizeLimit": 1_000}, {"size_limit": 1_000}),
    "simple": ({"deduplication": {"id": "one"}}, {"deduplication": "one"}),
    "throttled": (
        {"deduplication": {"id": "two", "ttl": 60_000}},
        {"deduplication": Deduplication("two", ttl_ms=60_000)},
    ),
    "debounced": (
        {"deduplication": {"id": "three", "ttl": 60_000, "extend": True, "replace": True}, "delay": 60_000},
        {"deduplication": {"id": "three", "ttl_ms": 60_000, "extend": True, "replace": True}, "delay_ms": 60_000},
    ),
    "last": (
        {"deduplication": {"id": "four", "keepLastIfActive": True}},
        {"deduplication": Deduplication("four", keep_last_if_active=True)},
    ),
    "untraced": ({"telemetry": {"omitContext": True}}, {"omit_trace": True}),
}
DATA = {
    "text": "Zoë — 日本語 🐂 \u2028",
    "n": [1, 2.5, -0.1, 1e21, 5e-324, 2**53 - 1],
    "none": None,
    "deep": {"a": [[{}]]},
}


@pytest.fixture
def node(redis_server, prefix) -> Node:
    return Node(redis_server.port, prefix)


def everything(client: redis.Redis, prefix: str) -> dict[str, Any]:
    """What lies under the prefix, but for what only a Node Queue writes and for the events' own ids."""
    found: dict[str, Any] = {}
    for key in client.scan_iter(f"{prefix}:*"):
        kind, name = client.type(key), key.decode()
        if kind == b"hash":
            found[name] = {field: value for field, value in client.hgetall(key).items() if field != b"version"}
        elif kind == b"stream":
            found[name] = sorted(str(sorted(fields.items())) for _, fields in client.xrange(key))
        elif kind == b"zset":
            found[name] = client.zrange(key, 0, -1, withscores=True)
        elif kind == b"list":
            found[name] = client.lrange(key, 0, -1)
        else:
            found[name] = client.smembers(key) if kind == b"set" else client.get(key)
    return found


def taken_away(client: redis.Redis, prefix: str) -> dict[str, Any]:
    found = everything(client, prefix)
    client.delete(*client.scan_iter(f"{prefix}:*"))
    return found


async def test_the_same_jobs_leave_the_same_bytes_in_every_key(connection, node, client_of_redis, prefix):
    calls = [
        ["queue", "add", f"do {name}", DATA, {**theirs, "timestamp": MOMENT, "jobId": name}]
        for name, (theirs, _) in SAME.items()
    ]
    await node.run("ask.mjs", calls)
    of_node = taken_away(client_of_redis, prefix)
    for name, (_, ours) in SAME.items():
        await queue("chat").add(f"do {name}", DATA, **ours, timestamp_ms=MOMENT, job_id=name)
    assert everything(client_of_redis, prefix) == of_node
    taken_away(client_of_redis, prefix)
    await queue("chat").add_bulk(
        {"name": f"do {name}", "data": DATA, **ours, "timestamp_ms": MOMENT, "job_id": name}  # type: ignore[typeddict-item]
        for name, (_, ours) in SAME.items()
    )
    assert everything(client_of_redis, prefix) == of_node


async def test_data_of_every_kind_leaves_the_same_bytes(connection, node, client_of_redis, prefix):
    kinds = [None, [], {}, "text", 0, 1.5, True, "\u0000\u007f</script>", {"": ""}, [[]]]
    calls = [["queue", "add", "x", data, {"timestamp": MOMENT, "jobId": f"k{n}"}] for n, data in enumerate(kinds)]
    await node.run("ask.mjs", calls)
    of_node = taken_away(client_of_redis, prefix)
    for n, data in enumerate(kinds):
        await queue("chat").add("x", data, timestamp_ms=MOMENT, job_id=f"k{n}")
    assert everything(client_of_redis, prefix) == of_node


def flow_for(theirs: bool) -> dict[str, Any]:
    """One flow in both dialects: two levels, three queues, every policy."""
    at = {"timestamp": MOMENT} if theirs else {"timestamp_ms": MOMENT}
    policies = {
        "fail_parent": "failParentOnFailure",
        "continue_parent": "continueParentOnFailure",
        "ignore_dependency": "ignoreDependencyOnFailure",
        "remove_dependency": "removeDependencyOnFailure",
    }

    def job(name: str, where: str, children: tuple[Any, ...] = (), **own: Any) -> dict[str, Any]:
        options = {"jobId" if theirs else "job_id": name, **own, **at}
        spec = {"name": f"do {name}", "data": {"for": name}, **({"children": list(children)} if children else {})}
        return {**spec, "queueName": where, "opts": options} if theirs else {**spec, "queue": where, **options}

    leaves = [
        job(name, "pages", **({node_name: True} if theirs else {"on_failure": name}))
        for name, node_name in policies.items()
    ]
    branch = job(
        "branch", "chat", tuple(leaves), **({"failParentOnFailure": True} if theirs else {"on_failure": "fail_parent"})
    )
    late = job("late", "other", **({"delay": 60_000} if theirs else {"delay_ms": 60_000}))
    return job("root", "chat", (branch, late, job("urgent", "other", priority=2)))


async def test_the_same_flow_leaves_the_same_bytes_in_every_queue(connection, node, client_of_redis, prefix):
    await node.run("ask.mjs", [["flow", "add", flow_for(theirs=True)]])
    of_node = taken_away(client_of_redis, prefix)
    ours = flow_for(theirs=False)
    name, data, children = ours.pop("name"), ours.pop("data"), ours.pop("children")
    ours.pop("queue")
    added = await queue("chat").add_flow(name, data, children=children, **ours)
    assert everything(client_of_redis, prefix) == of_node
    (shape,) = await node.run("ask.mjs", [["flow", "getFlow", {"queueName": "chat", "id": added.job.id}]])
    assert shape["id"] == "root"
    assert sorted(child["id"] for child in shape["children"]) == ["branch", "late", "urgent"]
    branch = next(child for child in shape["children"] if child["id"] == "branch")
    assert {child["queue"] for child in branch["children"]} == {"pages"}


async def test_a_child_added_to_a_waiting_parent_leaves_the_same_bytes(connection, node, client_of_redis, prefix):
    parent = {"name": "p", "queueName": "chat", "opts": {"jobId": "p", "timestamp": MOMENT}}
    first = {"name": "c", "queueName": "chat", "opts": {"jobId": "c", "timestamp": MOMENT}}
    options = {"jobId": "late", "timestamp": MOMENT, "parent": {"id": "p", "queue": f"{prefix}:chat"}}
    await node.run("ask.mjs", [["flow", "add", {**parent, "children": [first]}], ["queue", "add", "x", {}, options]])
    of_node = taken_away(client_of_redis, prefix)
    flow = await queue("chat").add_flow(
        "p", job_id="p", timestamp_ms=MOMENT, children=[{"name": "c", "job_id": "c", "timestamp_ms": MOMENT}]
    )
    await queue("chat").add("x", {}, job_id="late", timestamp_ms=MOMENT, parent=flow.job)
    assert everything(client_of_redis, prefix) == of_node


FAR = datetime(2035, 1, 1, tzinfo=UTC)
SCHEDULERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "beat": ({"every": 3_600_000}, {"every_ms": 3_600_000}),
    "shifted": ({"every": 3_600_000, "offset": 60_000}, {"every_ms": 3_600_000, "offset_ms": 60_000}),
    "daily": ({"pattern": "0 6 * * *", "tz": "Europe/Berlin"}, {"pattern": "0 6 * * *", "tz": "Europe/Berlin"}),
    "seconds": ({"pattern": "*/30 5 4 1 1 *", "tz": "UTC"}, {"pattern": "*/30 5 4 1 1 *", "tz": "UTC"}),
    "bounded": (
        {"pattern": "0 0 1 1 *", "tz": "UTC", "limit": 5, "endDate": "2040-01-01T00:00:00Z"},
        {"pattern": "0 0 1 1 *", "tz": "UTC", "limit": 5, "end": datetime(2040, 1, 1, tzinfo=UTC)},
    ),
    "later": ({"every": 1_000, "startDate": FAR.isoformat()}, {"every_ms": 1_000, "start": FAR}),
    "from": (
        {"pattern": "0 0 1 * *", "tz": "UTC", "startDate": FAR.isoformat()},
        {"pattern": "0 0 1 * *", "tz": "UTC", "start": FAR},
    ),
}


async def test_the_same_schedulers_leave_the_same_records(connection, node, client_of_redis, prefix, sight):
    template = {
        "name": "tick",
        "data": {"from": "both"},
        "opts": {"attempts": 3, "backoff": {"type": "fixed", "delay": 500}, "removeOnComplete": 5},
    }
    calls = [["queue", "upsertJobScheduler", name, theirs, template] for name, (theirs, _) in SCHEDULERS.items()]
    await node.run("ask.mjs", calls)
    of_node = taken_away(client_of_redis, prefix)
    for name, (_, rule) in SCHEDULERS.items():
        own = {"name": "tick", "data": {"from": "both"}, "attempts": 3, "backoff": 500, "remove_on_complete": 5}
        assert await queue("chat").upsert_scheduler(name, **rule, **own) is not None
    ours = everything(client_of_redis, prefix)
    for name in SCHEDULERS:
        key = f"{prefix}:chat:repeat:{name}"
        mine, theirs = dict(ours[key]), dict(of_node[key])
        if name in ("beat", "later"):
            # What `every` is off its slots depends on the moment.
            assert mine.pop(b"offset").isdigit() == theirs.pop(b"offset").isdigit()
        assert mine == theirs, name
        assert iteration(ours, prefix, name) == iteration(of_node, prefix, name), name
    looked, count = await node.run("ask.mjs", [["queue", "getJobSchedulers"], ["queue", "getJobSchedulersCount"]])
    assert count == len(SCHEDULERS)
    daily = next(found for found in looked if found["key"] == "daily")
    assert (daily["name"], daily["pattern"], daily["tz"]) == ("tick", "0 6 * * *", "Europe/Berlin")
    assert daily["template"]["data"] == {"from": "both"}
    assert daily["template"]["opts"]["attempts"] == 3


def iteration(found: dict[str, Any], prefix: str, name: str) -> Any:
    """The options of a scheduler's next job, without what depends on the moment."""
    (key,) = [key for key in found if key.startswith(f"{prefix}:chat:repeat:{name}:")]
    opts = json.loads(found[key][b"opts"])
    assert opts["jobId"] == key.removeprefix(f"{prefix}:chat:")
    for moving in ("jobId", "delay", "timestamp"):
        opts.pop(moving)
    if "every" in opts["repeat"]:
        assert "prevMillis" not in opts
    return {"opts": opts, "data": found[key][b"data"], "name": found[key][b"name"], "rjk": found[key][b"rjk"]}


async def test_we_read_nodes_schedulers_and_remove_them(connection, node, client_of_redis):
    template = {"name": "tick", "data": {"n": 1}, "opts": {"priority": 3, "keepLogs": 7}}
    calls = [["queue", "upsertJobScheduler", name, theirs, template] for name, (theirs, _) in SCHEDULERS.items()]
    await node.run("ask.mjs", calls)
    found = {one.id: one for one in await queue("chat").schedulers()}
    assert set(found) == set(SCHEDULERS)
    assert (found["daily"].pattern, found["daily"].tz, found["daily"].iterations) == ("0 6 * * *", "Europe/Berlin", 1)
    assert (found["shifted"].every_ms, found["shifted"].offset_ms) == (3_600_000, 60_000)
    assert found["bounded"].limit == 5
    assert found["bounded"].end_ms == 2_208_988_800_000
    assert found["later"].start_ms == found["later"].next_ms == int(FAR.timestamp() * 1000)
    assert (found["beat"].name, found["beat"].data, found["beat"].options) == (
        "tick",
        {"n": 1},
        {"priority": 3, "kl": 7},
    )
    now = await queue("chat").run_scheduler("beat")
    job = await now.refresh()
    assert (job.name, job.data, job.options) == ("tick", {"n": 1}, {"attempts": 0, "priority": 3, "kl": 7})
    assert await queue("chat").remove_scheduler("beat") is True
    assert await queue("chat").remove_scheduler("beat") is False
    assert await queue("chat").get_scheduler("beat") is None
    assert (await node.run("ask.mjs", [["queue", "getJobSchedulersCount"]])) == [len(SCHEDULERS) - 1]


async def test_node_says_of_our_jobs_where_they_are(connection, node):
    chat = queue("chat")
    handles = [
        await chat.add("a"),
        await chat.add("b", delay_ms=60_000),
        await chat.add("c", priority=1),
        (await chat.add_flow("d", children=[{"name": "e"}])).job,
    ]
    states = await node.run("ask.mjs", [["queue", "getJobState", job.id] for job in handles])
    assert states == ["waiting", "delayed", "prioritized", "waiting-children"]
    assert [await job.state() for job in handles] == states


async def test_each_waits_for_the_others_results(connection, node):
    async with node.working():
        good, bad = await queue("chat").add("good", {"n": 1}), await queue("chat").add("fail", remove_on_fail=True)
        assert await good.result(10) == {"n": 1}
        with pytest.raises(JobFailed, match="failed in Node"):
            await bad.result(10)

    async def run(job):
        if job.name == "bad":
            raise ValueError("not today")
        return {"by": "us"}

    (first, second) = await node.run("ask.mjs", [["queue", "add", name, {}] for name in ("good", "bad")])
    waiting = asyncio.create_task(node.run("ask.mjs", [["wait", first["id"], 20_000], ["wait", second["id"], 20_000]]))
    async with working(run):
        assert await waiting == [{"by": "us"}, {"error": "not today"}]


async def test_node_deduplicates_with_us(connection, node):
    chat = queue("chat")
    first = await chat.add("a", deduplication="one")
    holder, second, removed = await node.run(
        "ask.mjs",
        [
            ["queue", "getDeduplicationJobId", "one"],
            ["queue", "add", "a", {}, {"deduplication": {"id": "one"}}],
            ["queue", "removeDeduplicationKey", "one"],
        ],
    )
    assert (holder, second["id"], removed) == (first.id, first.id, 1)
    assert await chat.deduplicated("one") is None
    (third,) = await node.run("ask.mjs", [["queue", "add", "a", {}, {"deduplication": {"id": "two"}}]])
    assert (await chat.add("a", deduplication="two")).id == third["id"]
    assert await chat.deduplicated("two") == third["id"]


async def test_limits_are_the_same_for_both(connection, node):
    chat = queue("chat")
    await chat.set_concurrency(3)
    await chat.set_rate_limit(10, 1_000)
    await chat.pause()
    asked = [["queue", "getGlobalConcurrency"], ["queue", "getGlobalRateLimit"], ["queue", "isPaused"]]
    assert await node.run("ask.mjs", asked) == [3, {"max": 10, "duration": 1_000}, True]
    await node.run(
        "ask.mjs", [["queue", "setGlobalConcurrency", 5], ["queue", "setGlobalRateLimit", 7, 500], ["queue", "resume"]]
    )
    limits = await chat.limits()
    assert (limits.concurrency, limits.rate_limit) == (5, Limiter(7, 500))
    assert await chat.is_paused() is False
    await chat.set_concurrency(None)
    await chat.remove_rate_limit()
    assert await node.run("ask.mjs", asked) == [None, None, False]


async def test_node_sees_the_children_of_our_flow_and_we_those_of_nodes(connection, node, sight):
    async def run(job):
        if job.name == "bad":
            raise ValueError("no")
        return {"from": job.name}

    spec = {
        "name": "parent",
        "queueName": "chat",
        "children": [
            {"name": "good", "queueName": "chat", "opts": {"jobId": "g"}},
            {"name": "bad", "queueName": "chat", "opts": {"jobId": "b", "ignoreDependencyOnFailure": True}},
        ],
    }
    (theirs,) = await node.run("ask.mjs", [["flow", "add", spec]])
    ours = await queue("chat").add_flow(
        "parent",
        children=[{"name": "good", "job_id": "g2"}, {"name": "bad", "job_id": "b2", "on_failure": "ignore_dependency"}],
    )
    async with working(run):
        await queue("chat").job(theirs["id"]).result(10)
        await ours.job.result(10)
    for parent_id, ids in ((theirs["id"], ("g", "b")), (ours.job.id, ("g2", "b2"))):
        found = await queue("chat").job(parent_id).children()
        assert found.values == {("chat", ids[0]): {"from": "good"}}
        assert found.ignored == {("chat", ids[1]): "no"}
        assert (found.failed, found.pending) == (0, 0)
        values, ignored = await node.run(
            "ask.mjs", [["job", parent_id, "getChildrenValues"], ["job", parent_id, "getIgnoredChildrenFailures"]]
        )
        assert list(values.values()) == [{"from": "good"}]
        assert list(ignored.values()) == ["no"]


async def test_our_events_tell_what_nodes_worker_does(connection, node):
    seen: list[str] = []
    chat = queue("chat")
    async with node.working(), aclosing(chat.events("0-0")) as events:
        job = await chat.add("good", {"n": 1})
        async for event in events:
            seen.append(event.type)
            if event.type == "completed":
                assert (event.job_id, event.value, event.prev) == (job.id, {"n": 1}, "active")
                break
    assert seen[:3] == ["added", "waiting", "active"]
    assert "progress" in seen
