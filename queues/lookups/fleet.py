"""The workers as pages show them: read once for all who look, and never more often than `FRESH_S`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

from django.utils import timezone

from queues.lookups.shared import shared
from queues.lookups.workers import Fleet, WorkerProcess, processes
from queues.models import AuditEntry
from queues.options import get_options

FRESH_S = 2.0
#: What was asked of workers is told for so long.
ASKED_WITHIN = timedelta(hours=1)


async def shared_fleet(connection: str, max_age_s: float | None = None) -> Fleet:
    """The workers, no older than `max_age_s` (`FRESH_S` where none is told); whoever asks meanwhile gets the same.

    Raises as `processes` does.
    """
    options = get_options()
    key = ("fleet", options.connection(connection), options.use_job_queue)
    return await shared(key, FRESH_S if max_age_s is None else max_age_s, lambda: processes(connection))


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
