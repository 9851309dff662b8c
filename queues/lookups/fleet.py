"""The workers as pages show them: read once for all who look, and never more often than `FRESH_S`.

Belongs to one event loop, as the wire does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from weakref import WeakKeyDictionary

from django.utils import timezone

from queues.lookups.workers import Fleet, WorkerProcess, processes
from queues.models import AuditEntry
from queues.options import get_options

FRESH_S = 2.0
#: What was asked of workers is told for so long.
ASKED_WITHIN = timedelta(hours=1)


class _Reading:
    """1. Join whoever asks at the same moment. 2. Keep what was read for a while."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self._last: Fleet | None = None
        self._read_at = 0.0
        self._under_way: asyncio.Task[Fleet] | None = None

    async def look(self, max_age_s: float) -> Fleet:
        if self._last is not None and time.monotonic() - self._read_at < max_age_s:
            return self._last
        if self._under_way is None:
            self._under_way = asyncio.create_task(self._read(), name=f"workers of {self.connection}")
            # Retrieved even where everyone who asked has gone, or asyncio would complain.
            self._under_way.add_done_callback(lambda done: done.cancelled() or done.exception())
        # It belongs to all who ask, and goes on when one of them is cancelled.
        return await asyncio.shield(self._under_way)

    async def _read(self) -> Fleet:
        try:
            began = time.monotonic()
            self._last = await processes(self.connection)
            self._read_at = began
            return self._last
        finally:
            self._under_way = None


_readings: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[object, _Reading]] = WeakKeyDictionary()


async def shared_fleet(connection: str, max_age_s: float | None = None) -> Fleet:
    """The workers, no older than `max_age_s` (`FRESH_S` where none is told); whoever asks meanwhile gets the same.

    Raises as `processes` does.
    """
    readings = _readings.setdefault(asyncio.get_running_loop(), {})
    options = get_options().connection(connection) if get_options().use_job_queue else connection
    if options not in readings:
        readings[options] = _Reading(connection)
    return await readings[options].look(FRESH_S if max_age_s is None else max_age_s)


def seen_by(fleet: Fleet, sees: Callable[[str], bool]) -> Fleet:
    """What somebody may know of it who sees only some queues: of a process their shares and jobs, and of one that
    serves none of them nothing.
    """
    shown = tuple(part for process in fleet.processes if (part := _part(process, sees)) is not None)
    return replace(fleet, processes=shown, elsewhere=tuple(job for job in fleet.elsewhere if sees(job.queue)))


def _part(process: WorkerProcess, sees: Callable[[str], bool]) -> WorkerProcess | None:
    shares = tuple(share for share in process.queues if sees(share.queue))
    if len(shares) == len(process.queues):
        return process
    if not shares:
        return None
    running = tuple(job for job in process.running if sees(job.queue))
    count = max(len(running), sum(share.used for share in shares))
    return replace(process, queues=shares, running=running, running_count=count)


async def last_asked(connection: str, most: int = 3) -> list[AuditEntry]:
    """What people asked of this connection's workers lately, newest first; an open entry's outcome is unknown."""
    asked = AuditEntry.objects.filter(
        connection=connection, queue="", action__startswith="workers.", at__gt=timezone.now() - ASKED_WITHIN
    )
    return [entry async for entry in asked.order_by("-at")[:most]]
