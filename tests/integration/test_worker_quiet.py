"""What an engine tells of itself, and that it can be told to rest and to go on."""

from __future__ import annotations

import asyncio
import time

from queues import queue
from tests.eventually import eventually
from tests.working import working


async def test_a_quiet_engine_takes_nothing_until_it_is_resumed(connection, sight):
    async def nothing(job):
        return None

    async with working(nothing, concurrency=2) as worker:
        (engine,) = worker.engines
        for _ in range(2):
            engine.quiet()
            engine.quiet()
            await engine.idle()
            added = await queue("chat").add("x")
            await asyncio.sleep(0.1)
            assert added.id in sight.ids("wait")
            engine.resume()
            engine.resume()
            await sight.until("completed", added.id)
    sight.assert_all_over()


async def test_quiet_right_after_resume_is_still_quiet(connection, sight):
    async def nothing(job):
        return None

    async with working(nothing) as worker:
        (engine,) = worker.engines
        engine.quiet()
        await engine.idle()
        await queue("chat").add("x", job_id="waits")
        engine.resume()
        engine.quiet()
        await asyncio.sleep(0.1)
        await engine.idle()
        assert sight.ids("wait") == ["waits"]
        assert sight.events("active") == []
        engine.resume()
        await sight.until("completed", "waits")


async def test_an_engine_tells_what_it_does(connection, sight):
    end = asyncio.Event()

    async def hold(job):
        await end.wait()

    async with working(hold, concurrency=3) as worker:
        (engine,) = worker.engines
        await eventually(lambda: engine.is_drained)
        before = engine.last_answer
        assert time.monotonic() - before < 5
        await queue("chat").add("x")
        await queue("chat").add("x")
        await eventually(lambda: len(engine.running) == 2)
        assert (engine.free, engine.finished) == (1, 0)
        assert engine.last_answer > before
        end.set()
        await eventually(lambda: engine.free == 3)
        assert engine.finished == 2
        assert engine.is_drained
