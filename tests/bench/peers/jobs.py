"""The processors: each does what tests/interop/race.mjs does for the queue of that name."""

from __future__ import annotations

import time
from typing import Any

from queues import processor

_failed_at_ms: dict[str, float] = {}


@processor("empty")
async def empty(job: Any) -> None:
    return


@processor("empty-sync")
def empty_sync(job: Any) -> None:
    return


@processor("limited")
async def limited(job: Any) -> None:
    return


@processor("timed")
async def timed(job: Any) -> float:
    """When it started, in ms."""
    return time.time() * 1000


@processor("retried")
async def retried(job: Any) -> float:
    """How many ms after its backoff of 300 ms the second attempt started."""
    now = time.time() * 1000
    if job.id not in _failed_at_ms:
        _failed_at_ms[job.id] = now
        raise ValueError("once")
    return now - _failed_at_ms.pop(job.id) - 300
