"""The watcher of jobs that run in process: told by its own process's news, and looking for what other processes do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress

from dashboard.live.fragments import Topic
from dashboard.live.watcher import LONGEST_REST_S, REST_PER_WORK, REST_S, Watcher
from queues.lookups import local as rows
from queues.lookups import snapshot as snapshots
from queues.models import local
from queues.protocol.reads.marks import JobMark

#: What other processes change rings no bell here.
LOOK_S = 1.0


class LocalWatcher(Watcher):
    """1. Wait for news, at most a second. 2. Let the burst end. 3. Count, and hand what changed to the board."""

    async def _begin(self) -> None:
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        local.news.listen(self._hear)
        await self._sweep()

    async def _hang_up(self) -> None:
        local.news.unlisten(self._hear)

    def _hear(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    async def _turn(self) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._news.wait()
        if self._news.is_set():
            await asyncio.sleep(max(REST_S, self._rests_until - time.monotonic()))
        self._news.clear()
        began = time.monotonic()
        await snapshots.refresh(self.connection, ())
        await self._sweep()
        await self._look_at_jobs((), all_of_them=True)
        now = time.monotonic()
        self._rests_until = now + min(LONGEST_REST_S, REST_PER_WORK * (now - began))

    async def _position(self) -> str:
        return ""

    async def _read_marks(self, topics: Sequence[Topic]) -> list[JobMark]:
        return await rows.marks([(topic.queue, topic.job) for topic in topics])
