"""The jobs around a job: those of its name before and after it in its state, the last runs of its name, its children.

Every look is bounded, and tells how far it went.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass

from asgiref.sync import sync_to_async
from django.db import DatabaseError

from queues.models import Job
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION
from queues.protocol import reads
from queues.protocol.reads.kin import Offspring, offspring, position
from queues.states import State

#: Runs that are told, and in how many rows or jobs they are looked for.
MOST_RUNS, MIRRORED, LISTED = 10, 5_000, 100
#: So many jobs to either side are looked at for the one before and the one after.
AROUND = 50
_READ = (
    "connection",
    "queue",
    "job_id",
    "name",
    "state",
    "timestamp_ms",
    "processed_on_ms",
    "finished_on_ms",
    "attempts_made",
    "removed_at",
)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """`before` runs (or ended) just before the job, of those of its name in its state. `runs` are the last that ended.

    `is_mirrored`: the runs are from the mirror's newest `searched` rows; else from so many ended jobs in Redis.
    """

    before: Job | None = None
    after: Job | None = None
    runs: tuple[Job, ...] = ()
    is_mirrored: bool = False
    searched: int = 0


async def neighbours(job: Job) -> Neighbours:
    """Raises RedisUnavailable, RedisRefused."""
    (before, after), mirrored = await asyncio.gather(_beside(job), _kept_runs(job))
    if mirrored or is_in_process():
        return Neighbours(before, after, _last(mirrored), True, MIRRORED)
    states = (State.COMPLETED, State.FAILED)
    pages = await asyncio.gather(*(_listed(job, state, 0, LISTED) for state in states))
    found = [other for page in pages for other in page if other.name == job.name]
    return Neighbours(before, after, _last(found), False, sum(map(len, pages)))


async def children_of(job: Job) -> Offspring:
    if is_in_process():
        return Offspring()
    return await offspring(job.connection, job.queue, job.job_id)


def _last(jobs: Iterable[Job]) -> tuple[Job, ...]:
    ended = sorted(jobs, key=lambda one: one.finished_on_ms or 0, reverse=True)
    return tuple(ended[:MOST_RUNS])


async def _beside(job: Job) -> tuple[Job | None, Job | None]:
    if is_in_process():
        return None, None
    at = await position(job.connection, job.queue, job.job_id, job.state_enum)
    if at is None:
        return None, None
    start = max(at - AROUND, 0)
    around = await _listed(job, job.state_enum, start, at - start + AROUND + 1)
    place = next((n for n, other in enumerate(around) if other.job_id == job.job_id), None)
    if place is None:
        return None, None
    first = next((other for other in reversed(around[:place]) if other.name == job.name), None)
    then = next((other for other in around[place + 1 :] if other.name == job.name), None)
    # Ended jobs are listed newest first.
    return (then, first) if job.state_enum.is_finished else (first, then)


async def _listed(job: Job, state: State, start: int, count: int) -> list[Job]:
    page = await reads.job_page(job.connection, job.queue, state, start, count)
    return [Job.from_record(job.connection, job.queue, state, row.record, due_ms=row.due_ms) for row in page.rows]


@sync_to_async
def _kept_runs(job: Job) -> list[Job]:
    """Ended jobs of this name among the newest rows. By their number, not by name: the table has years in it."""
    connection = LOCAL_CONNECTION if is_in_process() else job.connection
    try:
        newest = Job.objects.order_by("-pk").values_list("pk", flat=True).first()
        rows = Job.objects.filter(
            pk__gt=(newest or 0) - MIRRORED, connection=connection, queue=job.queue, name=job.name
        )
        ended = rows.filter(finished_on_ms__isnull=False).only(*_READ).order_by("-pk")
        found = list(ended[: MOST_RUNS * 3])
    except DatabaseError:
        return []
    for one in found:
        one.connection = job.connection
    return found
