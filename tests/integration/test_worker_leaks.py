"""What a job had is gone when it ends, however it ends (THREATS.md A2.9)."""

from __future__ import annotations

import asyncio
import gc
import weakref

import pytest

from queues import queue
from queues.processors import Registry
from tests.eventually import eventually
from tests.working import working


class Treasure:
    pass


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_a_failed_job_held_is_freed_without_waiting_for_the_collector(connection, sight, kind):
    registry, held = Registry(), []

    def work(job):
        treasure = Treasure()
        held.append(weakref.ref(treasure))
        held.append(weakref.ref(job))
        raise ValueError(f"not {treasure!r}")

    @registry.processor("chat", name="async")
    async def on_loop(job):
        await asyncio.sleep(0)
        work(job)

    registry.processor("chat", name="plain")(work)
    async with working(registry=registry, concurrency=2):
        gc.collect()
        gc.disable()
        try:
            added = [await queue("chat").add(kind) for _ in range(20)]
            await sight.until("failed", *(one.id for one in added))
            await eventually(lambda: not [one for one in held if one() is not None])
        finally:
            gc.enable()
    assert len(held) == 40
