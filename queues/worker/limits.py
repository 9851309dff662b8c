"""When a worker has done what it was started for: its queues are empty, or it has run enough, or grown too large."""

from __future__ import annotations

import asyncio
import time
from typing import Any

from queues.signals import job_completed, job_failed, job_retried
from queues.worker.health import rss_mib
from queues.worker.worker import Worker

LOOK_EVERY_S = 0.05
WEIGH_EVERY_S = 1.0


async def until_drained(worker: Worker) -> str:
    """Until nothing is left that could run now, also of what the jobs added. A rate limit is waited for; delayed jobs,
    among them later attempts, and paused queues are not.
    """
    while not (worker.is_drained and await _is_really_drained(worker)):  # noqa: ASYNC110  # no event covers all queues
        await asyncio.sleep(LOOK_EVERY_S)
    return "all its queues are drained"


async def _is_really_drained(worker: Worker) -> bool:
    """One queue's jobs may have added to another, which said before that it was empty: all are asked again."""
    asked = time.monotonic()
    for engine in worker.engines:
        engine.look()
    while worker.is_drained and any(engine.last_answer < asked for engine in worker.engines):  # noqa: ASYNC110
        await asyncio.sleep(LOOK_EVERY_S)
    return worker.is_drained


async def until_grown(most_mib: int) -> str:
    while (now_mib := rss_mib()) <= most_mib:  # noqa: ASYNC110  # memory has no event
        await asyncio.sleep(WEIGH_EVERY_S)
    return f"it has grown to {now_mib:.0f} MiB"


class Quota:
    """Quiets the worker when `most` jobs have been run or are running; `is_used` once it has.

    Signals tell of each outcome, in the loop and before the slot takes its next job: so exactly that many are run,
    where there are fewer slots than that.
    """

    def __init__(self, worker: Worker, most: int) -> None:
        self._worker, self._most = worker, most
        self._stored_count = 0
        self.is_used = asyncio.Event()

    def __enter__(self) -> Quota:
        for signal in (job_completed, job_failed, job_retried):
            signal.connect(self._stored)
        return self

    def __exit__(self, *_: object) -> None:
        for signal in (job_completed, job_failed, job_retried):
            signal.disconnect(self._stored)

    async def until_used(self) -> str:
        await self.is_used.wait()
        return f"it has run its {self._most} jobs"

    def _stored(self, sender: Any = None, **_: object) -> None:
        self._stored_count += 1
        # All that run, but the one this signal is about.
        if not self.is_used.is_set() and self._stored_count + self._worker.running - 1 >= self._most:
            self._worker.quiet()
            self.is_used.set()
