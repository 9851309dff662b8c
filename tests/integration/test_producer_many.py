"""Many jobs at once, and flows: all that was asked or nothing, in the order given."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from queues import queue
from queues.errors import InvalidInput, NotAllAdded, NotFound, RedisFull, Refused
from queues.options import reset_options
from queues.producer.many import MOST_IN_FLOW
from queues.protocol import bulk
from queues.protocol.keys import Keys
from queues.states import State
from tests.working import working


@pytest.fixture
def keys(prefix: str) -> Keys:
    return Keys(prefix, "chat")


async def test_many_jobs_are_added_in_their_order_whatever_they_are(connection, client_of_redis, keys):
    specs: list[Any] = [{"name": f"n{n}", "data": n} for n in range(1_234)]
    specs[7] = {"name": "n7", "data": 7, "priority": 2}
    specs[8] = {"name": "n8", "data": 8, "delay_ms": 60_000, "job_id": "mine"}
    added = await queue("chat").add_bulk(specs)
    assert [job.name for job in added] == [f"n{n}" for n in range(1_234)]
    assert added[8].id == "mine"
    assert [added[n].id for n in (0, 7, 9, 1_233)] == ["1", "8", "10", "1234"]
    waiting = [job_id.decode() for job_id in reversed(client_of_redis.lrange(keys("wait"), 0, -1))]
    assert waiting == [job.id for n, job in enumerate(added) if n not in (7, 8)]
    assert (await added[1_233].refresh()).data == 1_233
    assert (await added[7].state(), await added[8].state()) == (State.PRIORITIZED, State.DELAYED)


async def test_no_jobs_at_all_are_added_at_once(connection):
    assert await queue("chat").add_bulk([]) == []


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ({"name": ""}, r"jobs\[600\]: A job's name"),
        ({"name": "x", "priority": -1}, r"jobs\[600\]: priority"),
        ({"name": "x", "data": {1}}, r"jobs\[600\]: The job's data"),
        ({"data": 1}, r"jobs\[600\]: a job is a dict"),
        ("x", r"jobs\[600\]: a job is a dict"),
        ({"name": "x", "queue": "other"}, r"jobs\[600\]: add\(\) has no option 'queue'"),
        ({"name": "x", "children": []}, r"jobs\[600\]: add\(\) has no option 'children'"),
    ],
)
async def test_one_bad_job_among_many_and_none_is_added(connection, client_of_redis, prefix, bad: Any, said: str):
    specs: list[Any] = [{"name": "x"}] * 1_000
    specs[600] = bad
    with pytest.raises(InvalidInput, match=said):
        await queue("chat").add_bulk(specs)
    assert client_of_redis.keys(f"{prefix}*") == []


async def test_many_jobs_leave_the_loop_to_others_while_they_are_checked(connection):
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count())
    with pytest.raises(InvalidInput, match="5000"):
        await queue("chat").add_bulk({"name": "x" if n < 5_000 else ""} for n in range(5_001))
    counting.cancel()
    assert turns >= 5


async def test_many_jobs_are_added_where_the_server_forgot_the_scripts(connection, client_of_redis, keys):
    await queue("chat").add("x")
    client_of_redis.script_flush()
    await queue("chat").add_bulk([{"name": "x"}] * 700)
    assert client_of_redis.llen(keys("wait")) == 701


async def test_where_redis_is_full_midway_it_is_told_which_were_added(own_redis, settings, monkeypatch):
    settings.TORIL = {"CONNECTIONS": {"default": {"URL": own_redis.url, "PREFIX": "full"}}}
    reset_options()
    monkeypatch.setattr(bulk, "CHUNK_JOBS", 20)
    import redis

    with redis.Redis(port=own_redis.port) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", client.info("memory")["used_memory"] + 3_000_000)
        with pytest.raises(NotAllAdded) as refused:
            await queue("chat").add_bulk([{"name": "x", "data": "y" * 20_000}] * 500)
        added = [job_id for job_id in refused.value.ids if job_id is not None]
        assert 0 < len(added) < 500
        assert len(refused.value.ids) == 500
        assert isinstance(refused.value.__cause__, RedisFull)
        assert client.llen("full:chat:wait") == len(added)
        with pytest.raises(RedisFull, match="OOM"):
            await queue("chat").add("x")
        with pytest.raises(RedisFull, match="OOM"):
            await asyncio.to_thread(queue("chat").sync.add, "x")
        with pytest.raises(RedisFull):
            await queue("chat").add_flow("p", children=[{"name": "c"}])
        assert not client.exists("full:chat:waiting-children")
    reset_options()


async def test_a_job_that_bullmq_refuses_is_told_though_those_after_it_were_added(connection, monkeypatch):
    monkeypatch.setattr(bulk, "CHUNK_JOBS", 20)
    orphan: Any = {"name": "orphan", "parent": queue("chat").job("none")}
    with pytest.raises(NotAllAdded, match="parent does not exist") as refused:
        await queue("chat").add_bulk([orphan, *[{"name": "x"}] * 30])
    assert refused.value.ids[0] is None
    assert None not in refused.value.ids[1:20]
    with pytest.raises(NotFound):
        await queue("chat").add_bulk([orphan])


def test_the_sync_door_adds_many_and_flows(connection, client_of_redis, keys):
    added = queue("chat").sync.add_bulk([{"name": f"n{n}"} for n in range(700)])
    assert [job.id for job in added] == [str(n) for n in range(1, 701)]
    flow = queue("chat").sync.add_flow("p", children=[{"name": "c"}])
    assert flow.job.sync.state() is State.WAITING_CHILDREN
    assert flow.children[0].job.sync.state() is State.WAITING


# --- flows


async def test_a_parent_runs_after_its_children_with_their_results(connection):
    order = []

    async def run(job):
        order.append(job.name)
        return {"by": job.name}

    flow = await queue("chat").add_flow(
        "sum",
        {"of": 2},
        children=[{"name": "one"}, {"name": "two", "queue": "chat", "children": [{"name": "three", "data": [3]}]}],
    )
    (one, two) = flow.children
    (three,) = two.children
    assert (flow.job.name, one.job.name, three.job.name) == ("sum", "one", "three")
    assert await flow.job.state() is State.WAITING_CHILDREN
    assert (await flow.job.children()).pending == 2
    async with working(run):
        assert await flow.job.result(10) == {"by": "sum"}
    assert order.index("three") < order.index("two") < order.index("sum") == 3
    found = await flow.job.children()
    assert found.values == {("chat", one.job.id): {"by": "one"}, ("chat", two.job.id): {"by": "two"}}
    assert found.pending == 0


@pytest.mark.parametrize(
    ("policy", "state", "failed", "ignored"),
    [
        ("fail_parent", State.FAILED, 1, 0),
        ("continue_parent", State.COMPLETED, 0, 1),
        ("ignore_dependency", State.COMPLETED, 0, 1),
        ("remove_dependency", State.COMPLETED, 0, 0),
    ],
)
async def test_what_a_failed_child_does_to_its_parent(connection, policy, state, failed, ignored):
    async def run(job):
        if job.name == "bad":
            raise ValueError("no")

    flow = await queue("chat").add_flow("parent", children=[{"name": "bad", "on_failure": policy}])
    async with working(run):
        await asyncio.gather(flow.job.result(10), return_exceptions=True)
    assert await flow.job.state() is state
    found = await flow.job.children()
    assert (found.failed, len(found.ignored)) == (failed, ignored)


async def test_a_flow_spans_queues_and_takes_each_ones_settings(connection, settings):
    settings.TORIL = {**settings.TORIL, "QUEUES": {"pages": {"attempts": 5}}}
    reset_options()
    flow = await queue("chat").add_flow("book", children=[{"name": "page", "queue": "pages", "priority": 4}])
    page = await flow.children[0].job.refresh()
    assert (page.queue, page.options["attempts"], page.priority) == ("pages", 5, 4)
    assert await flow.children[0].job.state() is State.PRIORITIZED


async def test_a_flow_may_be_added_under_a_parent_that_waits(connection):
    ran = []

    async def run(job):
        ran.append(job.name)

    first = await queue("chat").add_flow("top", children=[{"name": "a", "delay_ms": 60_000}])
    second = await queue("chat").add_flow("middle", parent=first.job, children=[{"name": "leaf"}])
    assert (await first.job.children()).pending == 2
    async with working(run):
        await second.job.result(10)
        await first.children[0].job.promote()
        await first.job.result(10)
    assert ran.index("leaf") < ran.index("middle") < ran.index("top")


async def test_a_flow_under_a_parent_that_is_gone_adds_nothing(connection, client_of_redis, prefix):
    with pytest.raises(InvalidInput, match="parent"):
        await queue("chat").add_flow("x", parent=queue("chat").job("none"), children=[{"name": "y"}])
    assert client_of_redis.keys(f"{prefix}*") == []


async def test_completed_children_given_first_do_not_release_their_parent(connection):
    async def run(job):
        return job.name

    async with working(run):
        old = await queue("chat").add("old", job_id="old")
        await old.result(10)
    flow = await queue("chat").add_flow(
        "parent", children=[{"name": "old", "job_id": "old"}, {"name": "new", "job_id": "new"}]
    )
    assert await flow.job.state() is State.WAITING_CHILDREN
    found = await flow.job.children()
    assert (found.values, found.pending) == ({("chat", "old"): "old"}, 1)
    async with working(run):
        await flow.job.result(10)


async def test_a_child_of_another_parent_is_refused_and_said_so(connection):
    await queue("chat").add_flow("first", children=[{"name": "c", "job_id": "c"}])
    with pytest.raises(Refused, match="another parent"):
        await queue("chat").add_flow("second", children=[{"name": "c", "job_id": "c"}])


LOOP: dict[str, Any] = {"name": "again"}
LOOP["children"] = [LOOP]


@pytest.mark.parametrize(
    ("children", "said"),
    [
        ([{"name": "a"}, {"name": "b", "children": [{"name": ""}]}], r"children\[1\].children\[0\]: A job's name"),
        ([{"name": "a", "priority": -1}], r"children\[0\]: priority"),
        ([{"name": "a", "queue": "b:c"}], "queue's name"),
        ([{"name": "a", "job_id": "c"}, {"name": "a", "job_id": "c"}], r"children\[1\]: the flow holds job 'c'"),
        ([{"name": "a", "deduplication": "d"}], "deduplication and parent"),
        ([{"name": "a", "on_failure": "explode"}], "on_failure"),
        ([LOOP], "contain itself"),
        ("children", "children must be a list"),
        ([5], r"children\[0\]: a job is a dict"),
        ([{"name": "a"}] * MOST_IN_FLOW, "may have"),
    ],
    ids=range(10),
)
async def test_one_bad_job_in_a_flow_and_none_is_added(connection, client_of_redis, prefix, children: Any, said: str):
    with pytest.raises(InvalidInput, match=said):
        await queue("chat").add_flow("top", children=children)
    assert client_of_redis.keys(f"{prefix}*") == []


async def test_a_root_is_in_the_queue_of_its_handle(connection):
    misplaced: Any = {"queue": "other"}
    with pytest.raises(InvalidInput, match="no option 'queue'"):
        await queue("chat").add_flow("top", children=[{"name": "a"}], **misplaced)


async def test_a_root_that_deduplicates_is_refused(connection):
    with pytest.raises(InvalidInput, match="deduplication cannot be used in a flow"):
        await queue("chat").add_flow("top", deduplication="d", children=[{"name": "a"}])


async def test_a_flow_is_added_where_the_server_forgot_the_scripts(connection, client_of_redis):
    client_of_redis.script_flush()
    flow = await queue("chat").add_flow("p", children=[{"name": "c"}, {"name": "d", "priority": 1}])
    assert (await flow.job.children()).pending == 2


async def test_unprocessed_children_are_removed_and_their_parent_goes_on(connection):
    flow = await queue("chat").add_flow("p", children=[{"name": "c"}, {"name": "d"}])
    await flow.job.remove_unprocessed_children()
    assert await flow.children[0].job.state() is State.UNKNOWN
    assert (await flow.job.children()).pending == 0
