"""Flows as they are looked up: level by level, by kind and state, bounded however large, odd or circular they are."""

from __future__ import annotations

import json
import time

import pytest

from queues import queue
from queues.actions.actor import Actor
from queues.actions.flows import retry_leaves
from queues.errors import InvalidInput, JobNotFound
from queues.lookups import flows
from queues.models import AuditEntry
from queues.options import reset_options
from queues.protocol.reads import families
from queues.states import State
from tests.working import working

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.asyncio]


def every(ref) -> bool:
    return True


async def flow_of(*children, name: str = "report", **options) -> str:
    made = await queue("chat").add_flow(name, children=list(children), **options)
    return made.job.id


def by_hand(sight, job_id: str, queue_name: str = "chat", state: str = "", **fields) -> str:
    """A job's hash without a script; its key."""
    base = sight.keys.base.decode().removesuffix("chat:") + f"{queue_name}:"
    sight.client.hset(f"{base}meta", "version", "bullmq:6.7.0")
    sight.client.hset(base + job_id, mapping={"name": "work", "data": "{}", "opts": "{}", "timestamp": 1, **fields})
    if state:
        sight.client.zadd(f"{base}{state}", {job_id: time.time() * 1000})
    return base + job_id


async def test_a_parent_tells_its_children_by_what_became_of_them(connection, sight):
    async def step(job):
        if job.name == "report":
            return None
        if job.name.startswith("bad"):
            raise ValueError(f"no {job.name}")
        return "x" * 100

    root = await flow_of(
        {"name": "good"},
        {"name": "bad ignored", "on_failure": "ignore_dependency"},
        {"name": "bad", "on_failure": "fail_parent"},
        {"name": "later", "delay_ms": 3_600_000},
    )
    async with working(step):
        await sight.until_count("failed", 3)
    node = await flows.member(connection, "chat", root)
    assert node.state is State.FAILED
    assert node.tally == families.Tally(pending=1, done=1, ignored=1, failed=1)
    told = {group: (await flows.children_of(connection, node.ref, group)).members for group in flows.GROUPS}
    assert {group: [(m.name, m.state.value, m.policy) for m in found] for group, found in told.items()} == {
        "pending": [("later", "delayed", "")],
        "failed": [("bad", "failed", "fpof")],
        "ignored": [("bad ignored", "failed", "idof")],
        "done": [("good", "completed", "")],
    }
    assert told["ignored"][0].reason.endswith("no bad ignored")


async def test_states_are_told_without_walking_the_lists(connection, sight):
    root = await flow_of(
        {"name": "first"}, {"name": "urgent", "priority": 3}, {"name": "sub", "children": [{"name": "leaf"}]}
    )
    found = (await flows.children_of(connection, families.at(connection, "chat", root), "pending")).members
    assert {(m.name, m.state.value, m.tally.total) for m in found} == {
        ("first", "waiting", 0),
        ("urgent", "prioritized", 0),
        ("sub", "waiting-children", 1),
    }
    active = next(m.ref for m in found if m.name == "first")
    sight.client.lrem(sight.keys("wait"), 1, active.id)
    sight.client.lpush(sight.keys("active"), active.id)
    (without_lock,) = await families.members(connection, [active])
    sight.client.set(sight.keys.lock(active.id), "token")
    (with_lock,) = await families.members(connection, [active])
    assert (without_lock.state, with_lock.state) == (State.ACTIVE, State.ACTIVE)


async def test_a_family_is_a_parent_a_root_and_counts(connection, sight):
    root = await flow_of({"name": "sub", "job_id": "sub", "children": [{"name": "leaf", "job_id": "leaf"}]})
    leaf, sub, top = [await flows.family(connection, "chat", job_id) for job_id in ("leaf", "sub", root)]
    assert (leaf.parent.id, leaf.root.id, leaf.tally.total, leaf.is_flow) == ("sub", root, 0, True)
    assert (sub.parent.id, sub.root.id, sub.tally.pending) == (root, root, 1)
    assert (top.parent, top.root, top.is_flow) == (None, None, True)
    lonely = await queue("chat").add("alone")
    assert not (await flows.family(connection, "chat", lonely.id)).is_flow


async def test_circles_gone_children_and_other_prefixes_are_survived(connection, sight, settings, redis_server, prefix):
    a, b = by_hand(sight, "a", state="waiting-children"), by_hand(sight, "b", state="waiting-children")
    sight.client.hset(a, "parentKey", b)
    sight.client.hset(b, mapping={"parentKey": a})
    strange = "elsewhere:with:colons:7"
    sight.client.hset(strange, mapping={"name": "strange", "timestamp": 1})
    sight.client.sadd(a + ":dependencies", b, a.replace(":a", ":gone"), strange, b"\xff\x00")
    sight.client.sadd(b + ":dependencies", a)
    try:
        family = await flows.family(connection, "chat", "a")
        assert family.is_cut
        found = (await flows.children_of(connection, families.at(connection, "chat", "a"), "pending")).members
        assert {(m.ref.queue, m.ref.id, m.exists, m.name) for m in found} == {
            ("chat", "b", True, "work"),
            ("chat", "gone", False, ""),
            ("", "", True, "strange"),
            ("", "", False, ""),
        }
        walk = await flows.failed_leaves(connection, families.at(connection, "chat", "a"), every)
        assert (walk.leaves, walk.is_cut) == ([], False)
        assert await flows.recent_roots(connection, ["chat"], every) is not None
        other = {"URL": redis_server.url, "PREFIX": "elsewhere:with"}
        settings.TORIL = {"CONNECTIONS": {"default": {"URL": redis_server.url, "PREFIX": prefix}, "other": other}}
        reset_options()
        known = families.ref_of(connection, strange.encode())
        assert (known.connection, known.queue, known.id) == ("other", "colons", "7")
    finally:
        sight.client.delete(strange)


async def test_fields_of_megabytes_are_not_read(connection, sight):
    child = by_hand(sight, "big", state="completed", name="n" * 5_000_000, failedReason="r" * 5_000_000)
    parent = by_hand(sight, "top", state="waiting-children")
    sight.client.hset(parent + ":processed", child, "x" * 5_000_000)
    before = sight.client.info("stats")["total_net_output_bytes"]
    (member,) = (await flows.children_of(connection, families.at(connection, "chat", "top"), "done")).members
    assert (member.name, member.state) == ("", State.COMPLETED)
    assert sight.client.info("stats")["total_net_output_bytes"] - before < 100_000


async def test_roots_are_found_from_whatever_of_them_is_new(connection, sight):
    async def step(job):
        return None

    deep = await flow_of({"name": "sub", "children": [{"name": "leaf", "delay_ms": 3_600_000}]}, name="deep")
    done = await flow_of({"name": "only"}, name="done")
    async with working(step):
        await sight.until("completed", done)
    await queue("chat").add("no flow")
    roots = await flows.recent_roots(connection, ["chat", "other"], every)
    assert {member.ref.id for member in roots.members} == {deep, done}
    hidden = await flows.recent_roots(connection, ["chat"], lambda ref: False)
    assert hidden.members == []


async def test_ten_thousand_children_are_paged_outlined_searched_and_walked(connection, sight, record_property):
    parent, base = by_hand(sight, "top", state="waiting-children"), sight.keys.base.decode()
    opts = {"parentKey": parent, "data": "{}", "opts": "{}", "timestamp": 1}
    with sight.client.pipeline(transaction=False) as pipe:
        for n in range(10_000):
            pipe.hset(f"{base}c{n}", mapping={"name": "row" if n % 10 else "header", **opts})
            pipe.sadd(f"{parent}:dependencies", f"{base}c{n}")
            if n % 100 == 7:
                pipe.zadd(f"{base}failed", {f"c{n}": n})
            else:
                pipe.lpush(f"{base}wait", f"c{n}")
        pipe.execute()
    ref, took = families.at(connection, "chat", "top"), {}

    async def timed(what, work):
        began = time.perf_counter()
        found = await work
        took[what] = time.perf_counter() - began
        return found

    page = await timed("page", flows.children_of(connection, ref, "pending"))
    assert 40 <= len(page.members) <= 80
    assert page.cursor
    seen, cursor = {m.ref.id for m in page.members}, page.cursor
    while cursor:
        more = await families.children(connection, ref, "pending", cursor, 1_000)
        seen, cursor = seen | {one.id for one in more.refs}, more.cursor
    assert len(seen) == 10_000
    outline = await timed("outline", flows.outline(connection, ref, every))
    assert outline.of == 10_000
    assert 1_000 <= outline.searched < 1_600
    assert {(state.value, name) for state, name, _ in outline.counts} >= {("waiting", "row"), ("waiting", "header")}
    failed = await timed("search", flows.children_of(connection, ref, "pending", state=State.FAILED))
    assert len(failed.members) >= 40
    assert all(m.state is State.FAILED for m in failed.members)
    walk = await timed("walk", flows.failed_leaves(connection, ref, every))
    assert len(walk.leaves) == 100
    assert all(took[what] < most for what, most in (("page", 1), ("outline", 2), ("search", 5), ("walk", 10))), took
    record_property("figures", ", ".join(f"{what} {s * 1000:.0f} ms" for what, s in took.items()))


async def test_failed_leaves_are_put_back_and_hidden_ones_left(connection, sight):
    async def step(job):
        if job.name.startswith("bad"):
            raise ValueError("no")

    root = await flow_of(
        {"name": "bad one", "job_id": "one"},
        {"name": "sub", "children": [{"name": "bad two", "job_id": "two", "on_failure": "fail_parent"}]},
        {"name": "good"},
    )
    async with working(step):
        await sight.until_count("failed", 3)
    top = families.at(connection, "chat", root)
    # Its parent is in whatever state: failed, or still waiting to be failed.
    (sub,) = [m for m in (await flows.children_of(connection, top, "pending")).members if m.name == "sub"]
    sight.client.zrem(sight.keys("failed"), sub.ref.id)
    sight.client.lpush(sight.keys("wait"), sub.ref.id)
    walk = await flows.failed_leaves(connection, top, every)
    assert {ref.id for ref in walk.leaves} == {"one", "two"}
    hiding = await flows.failed_leaves(connection, top, lambda ref: ref.id != "two")
    assert ([ref.id for ref in hiding.leaves], hiding.hidden) == (["one"], 1)
    done = await retry_leaves(Actor(None, "ana"), top, walk.leaves)
    assert (done.affected, done.missed) == (2, 0)
    assert {"one", "two"} <= set(sight.ids("wait"))
    again = await retry_leaves(Actor(None, "ana"), top, walk.leaves)
    assert (again.affected, again.missed) == (0, 2)
    entry = await AuditEntry.objects.filter(action="flow.retry-leaves").order_by("pk").afirst()
    assert (entry.actor, entry.job_id, json.loads(entry.parameters)["leaves"]) == ("ana", root, 2)


async def test_what_is_asked_wrongly_is_refused(connection, sight):
    ref = families.at(connection, "chat", "none")
    with pytest.raises(JobNotFound):
        await flows.member(connection, "chat", "none")
    for group, cursor in (("everything", ""), ("pending", "x"), ("pending", "9" * 40)):
        with pytest.raises(InvalidInput):
            await flows.children_of(connection, ref, group, cursor)
