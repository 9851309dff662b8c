"""Redis Cluster: everything works on a real one, and goes on while slots move and primaries are lost."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis

from queues import queue
from queues.errors import RedisRefused, Refused, TorilError
from queues.options import get_options, reset_options
from queues.processors import Registry
from queues.protocol import connections, fleet, reads, topology
from queues.protocol.blocking import close_blocking
from queues.protocol.cluster import slotmap
from queues.protocol.commands import command
from queues.protocol.events import changed, read_events, server_now
from queues.protocol.keys import Keys
from queues.protocol.reads.nodes import nodes
from queues.protocol.slots import slot
from queues.protocol.tailing import Place
from queues.protocol.together import read_together
from queues.states import State
from queues.worker.plans import QueuePlan
from queues.worker.worker import Worker
from tests.clusters import Cluster, Node
from tests.eventually import eventually
from tests.interop.nodes import Node as Node20
from tests.working import working

#: No promise: it guards against hanging.
LONG_S = 60.0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    made = Cluster(tmp_path_factory.mktemp("cluster"))
    yield made
    made.close()


@pytest.fixture
def connected(cluster: Cluster, prefix: str, settings):
    """A connection to the Cluster, whose prefix has a tag or not; it gives the prefix."""

    def to(*, tagged: bool = True, **more: str) -> str:
        under = f"{{{prefix}}}" if tagged else prefix
        settings.TORIL = {"CONNECTIONS": {"default": {"URL": cluster.url, "PREFIX": under, **more}}}
        reset_options()
        return under

    yield to
    close_blocking()
    reset_options()


def other_primary(cluster: Cluster, than: Node) -> Node:
    return next(node for node in cluster.nodes if node is not than and node.client.role()[0] == b"master")


@pytest.mark.parametrize(("tagged", "names"), [(True, ["chat", "mail"]), (False, ["{chat}", "{mail}", "{video}"])])
async def test_jobs_of_every_kind_are_added_found_run_and_heard_of(connected, cluster, tagged, names) -> None:
    under = connected(tagged=tagged)
    sent = {}
    for name in names:
        await queue(name).add("one", {"n": 1})
        await queue(name).add_bulk([{"name": "many"}] * 20)
        await queue(name).add_flow("parent", children=[{"name": "child"}, {"name": "child"}])
        await queue(name).add("later", delay_ms=3_600_000)
        sent[name] = 24
    assert await reads.queue_names("default") == sorted(names)
    board = await reads.board("default", names)
    assert [facts.counts["waiting"] for facts in board.facts] == [23] * len(names)
    assert all(facts.oldest_waiting_ms for facts in board.facts)
    assert board.server is not None
    assert board.server.used_memory > 0
    ran: Counter[str] = Counter()
    registry = Registry()
    for name in names:
        registry.processor(name)(lambda job: ran.update([job.queue]))
    async with working(registry=registry, queue=names[0], concurrency=4):
        await eventually(lambda: ran[names[0]] == sent[names[0]], LONG_S)
        # Its named connection is where its queue lies, and is counted there alone: clients of Clusters have others.
        elsewhere = other_primary(cluster, cluster.owner(Keys(under, names[0]).base))
        with redis.Redis(port=elsewhere.port) as ghost:
            ghost.client_setname(fleet.client_name(under, names[0], "w:ghost"))
            await eventually(lambda: _counted(names[0], 1), LONG_S)
    on = connections.wire()
    heard = Counter(event.queue for event in await read_events(on, under, dict.fromkeys(names, "0-0"), 500))
    assert set(heard) == set(names)
    places = {name: Place("0-0", 0) for name in names}
    batch = await read_together(on, under, places, 500)
    # What came in the last millisecond may wait for the next reading.
    batch.events.extend((await read_together(on, under, places, 500)).events)
    assert Counter(event.queue for event in batch.events) == heard


async def _counted(name: str, count: int) -> bool:
    return (await reads.worker_clients("default") or {}).get(name) == count


async def test_who_waits_for_queues_of_several_slots_wakes_by_any_of_them(connected) -> None:
    under = connected(tagged=False)
    names = ["{a}", "{b}", "{c}"]
    ear = connections.open_wire()
    try:
        cursor = await server_now(connections.wire())
        assert await changed(ear, under, dict.fromkeys(names, cursor), 50) == set()
        waiting = asyncio.create_task(changed(ear, under, dict.fromkeys(names, cursor), 30_000))
        await queue("{b}").add("x")
        assert await waiting == {"{b}"}
    finally:
        await ear.close()


def test_the_sync_door_finds_its_way_too(connected, cluster) -> None:
    connected(tagged=False)
    for name in ("{a}", "{b}", "{c}"):
        ids = [job.id for job in queue(name).sync.add_bulk([{"name": "x"}] * 3)]
        assert ids == ["1", "2", "3"]
        assert queue(name).sync.counts()[State.WAITING] == 3


async def test_fleet_and_figures_lie_in_one_slot_whatever_the_prefix(connected) -> None:
    connected(tagged=False)
    async with working(lambda job: None, queue="{a}", before_start=_operated):
        await eventually(_one_beats, LONG_S)


def _operated(worker: Worker) -> None:
    from queues.worker.control import operate

    operate(worker, lambda: None)


async def _one_beats() -> bool:
    return len((await fleet.beats("default"))[1]) == 1


async def test_what_would_lie_all_over_the_cluster_is_refused_with_a_sentence(connected) -> None:
    connected(tagged=False)
    await topology.topology(get_options().connection("default"), _unasked)
    with pytest.raises(Refused, match="hash tag"):
        await queue("chat").add("x")
    # Node, or a process that does not know yet, gets as far as the server.
    with pytest.raises(RedisRefused, match="one hash tag, such as"):
        await connections.wire().call(command("DEL", "a", "b"))
    registry = Registry()
    registry.processor("chat")(lambda job: None)
    worker = Worker([QueuePlan("chat", registry.of("chat"))])
    worker.start()
    try:
        await worker.connected()
        assert "QUEUE_PREFIX={" in await worker.died
    finally:
        await worker.stop()


async def _unasked(*_: object) -> list[object]:
    return [RedisRefused("Redis refused: ERR unknown command.")]


async def test_moved_and_asked_elsewhere_every_command_arrives(connected, cluster) -> None:
    under = connected()
    here, on = Keys(under, "chat"), connections.wire()
    await queue("chat").add_bulk([{"name": "x"}] * 30)
    source = cluster.owner(here.base)
    target, number = other_primary(cluster, source), slot(here.base)
    moving = cluster.move(number, target, keys_at_once=4)
    next(moving)
    # Half of the keys are there: single ones are asked for where they are, what is not whole is waited for.
    found = await on.run([command("HGET", here.job(str(at)), "name") for at in range(1, 31)])
    assert found == [b"x"] * 30
    bundled = await reads.board("default", ["chat"])
    assert bundled.facts[0].counts["waiting"] == 30
    adding = asyncio.create_task(queue("chat").add("while it moves"))
    by_door = asyncio.create_task(asyncio.to_thread(lambda: queue("chat").sync.add("by the door")))
    rest = asyncio.create_task(asyncio.to_thread(lambda: sum(moving)))
    assert await rest > 0
    assert {(await adding).id, (await by_door).id} == {"31", "32"}
    # Nothing is told of the move: the first server says so, and the map is put right.
    assert (await on.run([command("LLEN", here("wait"))])) == [32]
    await eventually(lambda: slotmap.known(get_options().connection("default")).owners[number].port == target.port)


async def test_a_transaction_follows_too(connected, cluster) -> None:
    under = connected()
    here = Keys(under, "chat")
    await queue("chat").add("x")
    source = cluster.owner(here.base)
    sum(cluster.move(slot(here.base), other_primary(cluster, source)))
    on = connections.wire()
    *_, told = await on.run([command("MULTI"), command("LLEN", here("wait")), command("TIME"), command("EXEC")])
    assert told[0] == 1
    flow = await queue("chat").add_flow("p", children=[{"name": "c"}])
    assert await flow.job.state() is State.WAITING_CHILDREN


async def test_the_redis_page_is_told_of_every_server(connected, cluster) -> None:
    under = connected()
    found = await nodes("default")
    assert {each.address for each in found} == {
        f"127.0.0.1:{node.port}" for node in cluster.nodes if node.client.role()[0] == b"master"
    }
    assert sum(each.slots for each in found) == 16_384
    assert [each.address for each in found if each.holds_all] == [f"127.0.0.1:{cluster.owner(under).port}"]
    assert all(each.about.number("connected_slaves") == 1 for each in found)


@pytest.mark.node
async def test_nodes_bullmq_and_ours_share_a_queue_on_it(connected, cluster) -> None:
    under = connected()
    await queue("chat").add("from Python", {"ü": 1})
    node = Node20(cluster.nodes[0].port, under)
    node.environ["PORTS"] = ",".join(str(each.port) for each in cluster.nodes[:3])
    told = asyncio.create_task(node.run("cluster.mjs", {"jobs": [{"name": "from Node", "data": {}}] * 2, "until": 4}))
    await eventually(lambda: _counted("chat", 1), LONG_S, "Node's worker is seen, once")
    await queue("chat").add("from Python")
    answer = await told
    assert Counter(answer["ran"]) == {"from Python": 2, "from Node": 2}
    assert answer["counts"] == {"completed": 4, "waiting": 0}
    assert [job.return_value for job in await queue("chat").jobs("completed")].count({"ü": 1}) == 1


async def test_a_failover_and_a_moved_slot_lose_no_job(connected, cluster) -> None:
    under = connected()
    ran: Counter[int] = Counter()
    added: list[int] = []
    over = asyncio.Event()

    async def run(job) -> None:
        ran[job.data["n"]] += 1

    async def add() -> None:
        while not over.is_set():
            try:
                # Under an id of its own: what was not answered may have been done.
                await queue("chat").add("x", {"n": len(added)}, job_id=f"j{len(added)}")
            except TorilError:
                await asyncio.sleep(0.05)
            else:
                added.append(len(added))
            await asyncio.sleep(0.005)

    async def goes_on() -> None:
        count = len(ran)
        await eventually(lambda: len(ran) > count + 5, LONG_S)

    async with working(run, concurrency=10, stalled_interval_ms=500, max_stalled_count=20):
        adding = asyncio.create_task(add())
        await goes_on()
        owner = cluster.owner(under)
        replica = cluster.replica_of(owner)
        replica.client.execute_command("CLUSTER FAILOVER")
        await eventually(lambda: cluster.owner(under) is replica, LONG_S)
        await goes_on()
        await asyncio.to_thread(lambda: sum(cluster.move(slot(under.encode()), other_primary(cluster, replica))))
        await goes_on()
        over.set()
        await adding
        await eventually(lambda: set(ran) >= set(added), LONG_S)
        await eventually(lambda: _finished(len(added)), LONG_S)
    await eventually(cluster.is_whole, LONG_S)


async def _finished(count: int) -> bool:
    (facts,) = await reads.queue_facts("default", ["chat"])
    return facts.counts["completed"] == count and not facts.counts["active"]


async def test_a_lost_cluster_is_a_sentence_and_a_found_one_is_used(tmp_path: Path, connected, settings) -> None:
    connected(URL="redis://127.0.0.1:1,127.0.0.1:2", TOPOLOGY="cluster")
    with pytest.raises(TorilError, match="Redis cannot be reached"):
        await queue("chat").add("x")
    with pytest.raises(TorilError, match="Redis cannot be reached"):
        await asyncio.to_thread(lambda: queue("chat").sync.add("x"))
