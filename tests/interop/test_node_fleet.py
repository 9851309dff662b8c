"""Workers that Node runs, seen from Toril: what they run, and that they are not spoken to."""

from __future__ import annotations

import asyncio

import pytest

from queues import queue
from queues.actions import workers as acts
from queues.actions.actor import Actor
from queues.errors import Refused
from queues.lookups.workers import processes
from queues.worker import heartbeat
from tests.eventually import eventually
from tests.interop.nodes import Node
from tests.working import operating

pytestmark = [pytest.mark.node, pytest.mark.django_db(transaction=True)]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(heartbeat, "BEAT_EVERY_S", 0.1)


async def test_a_node_worker_is_shown_with_what_it_runs_and_cannot_be_spoken_to(connection, redis_server, prefix):
    node, go_on = Node(redis_server.port, prefix), asyncio.Event()

    async def wait(job):
        await go_on.wait()

    async with operating(wait, worker_name="anna") as worker:
        ours = await queue("chat").add("slow", {"ms": 1})
        await eventually(lambda: worker.running)
        async with node.working():
            theirs = await queue("chat").add("slow", {"ms": 2_500})

            async def both_work():
                found = await processes(connection)
                own, foreign = found.own, [process for process in found.processes if process.is_foreign]
                return (own[0], foreign) if own and own[0].running and foreign and foreign[0].running else None

            own, (stranger,) = await eventually(both_work)
            assert (own.name, stranger.name, stranger.state, stranger.id) == ("anna", "node-worker", "listening", "")
            assert [share.queue for share in stranger.queues] == ["chat"]
            assert [job.id for job in own.running] == [ours.id]
            (job,) = stranger.running
            assert (job.id, job.name, job.attempt) == (theirs.id, "slow", 1)
            assert job.started_ms
            with pytest.raises(Refused, match="has no ear for Toril"):
                await acts.cancel_job(Actor(None, "ana"), connection, "chat", theirs.id)
        go_on.set()


async def test_jobs_of_node_workers_of_one_name_are_nobodys(connection, redis_server, prefix):
    node = Node(redis_server.port, prefix)
    async with node.working(), node.working():
        added = await queue("chat").add("slow", {"ms": 1_500})

        async def runs():
            found = await processes(connection)
            return found if found.elsewhere else None

        found = await eventually(runs)
        assert [job.id for job in found.elsewhere] == [added.id]
        assert [process.running for process in found.processes] == [(), ()]
        assert found.own == ()
