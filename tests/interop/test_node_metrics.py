"""Queues that only Node works on: what its workers' own lists say of them, and what they cannot say."""

from __future__ import annotations

import time
from typing import Any

import pytest

from queues.lookups.history import RANGES, history
from queues.models import Sample
from queues.producer import queue
from queues.protocol.commands import command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.native import native_counts
from tests.eventually import eventually
from tests.interop.nodes import Node
from tests.mirroring import session, turn_until_quiet

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def node(redis_server: Any, prefix: str) -> Node:
    return Node(redis_server.port, prefix)


async def shift(connection: str, minutes: int) -> None:
    """As if what Node counted so far had been so long ago: its lists know their minute by `prevTS` alone."""
    for kind in ("completed", "failed"):
        key = keys(connection, "chat")(f"metrics:{kind}")
        if stamp := await wire().call(command("HGET", key, "prevTS")):
            await wire().call(command("HSET", key, "prevTS", int(stamp) - minutes * 60_000))


async def all_are_counted(connection: str, wanted: int) -> bool:
    """Whether so many endings stand in its lists: a job says that it ran before it has ended."""
    stamps = [command("HGET", keys(connection, "chat")(f"metrics:{kind}"), "count") for kind in ("completed", "failed")]
    return sum(int(count or 0) for count in await wire().run(stamps)) == wanted


async def test_minutes_of_nodes_lists_are_read_as_bullmq_writes_them(connection: str, node: Node) -> None:
    node.environ["METRICS"] = "60"
    async with node.working() as said:

        async def ran(count: int, **kinds: int) -> None:
            for name, how_many in kinds.items():
                for _ in range(how_many):
                    await queue("chat").add(name, {}, remove_on_complete=True)
            await eventually(lambda: sum("ran" in line for line in said) == count)
            await eventually(lambda: all_are_counted(connection, count))

        await ran(5, work=4, fail=1)
        await shift(connection, 3)
        # Node closes the earlier minute when the next job ends.
        await ran(8, work=2, fail=1)
        now = int(time.time()) // 60
        wanted = range(now - 5, now + 1)

        async def counted() -> list[Any]:
            found = await native_counts(wire(), prefix(connection), ["chat", "none"], wanted, now)
            assert set(found) <= {"chat"}
            return [
                (count.completed, count.failed) if (count := found.get("chat", {}).get(m)) else None for m in wanted
            ]

        # The minute may have turned while it ran.
        expected = [None, None, (4, 1), (0, 0), (0, 0), (2, 1)]
        found = await counted()
        assert found in (expected, [*expected[1:], (0, 0)])
        await shift(connection, 2)
        async with session() as mirror:
            await turn_until_quiet(mirror)
            while mirror.samples.is_behind:
                await mirror.turn()
        rows = [row async for row in Sample.objects.filter(series__queue="chat", step_s=60, recorded=1).order_by("at")]
        assert {(row.source, row.run) for row in rows} == {("l", b"")}
        assert [(r.completed, r.failed) for r in rows if r.completed] == [(4, 1), (2, 1)]
        told = await history(connection, RANGES["1h"], queue="chat")
        assert told.has_lists
        assert sum(point.ended.completed for point in told.points) == 6
        # Before the lists began nothing is known.
        assert told.points[0].per_minute(0) is None
