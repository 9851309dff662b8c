"""Schedulers for a page: all queues' in one list, and one whole, with its next runs and its last ones.

Bounded: of more schedulers than `MOST_READ` those due next are read, and the list says so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from django.db.models.functions import Now

from queues.errors import NotFound
from queues.lookups.scheduler import Scheduler, live, paused
from queues.lookups.turns import coming, last_runs
from queues.models import KeptScheduler, Lease
from queues.protocol.clock import now_ms
from queues.protocol.cron import Moment
from queues.protocol.reads import schedulers as reads
from queues.protocol.reads.schedulers import Run
from queues.protocol.scheduling import Schedule
from queues.protocol.suspending import Definition

MOST_READ = 500
LARGEST_TEMPLATE = 256 * 1024


class SchedulerNotFound(NotFound):
    code = "scheduler_not_found"

    def __init__(self, queue: str, schedule_id: str) -> None:
        super().__init__(f"Queue “{queue}” has no scheduler “{schedule_id}”; it may have been removed.")


@dataclass(frozen=True, slots=True)
class SchedulerList:
    """`found` of `total` schedulers were read: those due next."""

    schedulers: list[Scheduler]
    found: int
    total: int
    #: Those removed within the last day, which can be put back.
    removed: list[KeptScheduler] = field(default_factory=list)
    #: Nobody takes out what returns, or resumes at its time: no mirror runs.
    is_unguarded: bool = False


@dataclass(frozen=True, slots=True)
class SchedulerDetail:
    """`data` and `opts` are its template as stored, empty where it has none or it is too large to show."""

    scheduler: Scheduler
    coming: list[Moment]
    runs: list[Run]
    data: str
    opts: str
    data_size: int
    opts_size: int
    is_unguarded: bool = False
    redefined: Schedule | None = None


async def scheduler_list(connection: str, queues: Collection[str]) -> SchedulerList:
    """All schedulers of these queues, next due first, then those that are paused. Raises RedisUnavailable."""
    names = sorted(queues)
    counted = await reads.counts(connection, names)
    places = await reads.places(connection, list(counted), MOST_READ)
    kept = {(row.queue, row.scheduler_id): row for row in await _kept(connection, names)}
    # One that was paused here is read wherever it stands: that a program registered it again must be seen.
    soonest = sorted(places, key=lambda at: ((at.queue, at.id) not in kept, at.next_ms, at.queue, at.id))[:MOST_READ]
    soonest.sort(key=lambda at: (at.next_ms, at.queue, at.id))
    sights = await reads.sights(connection, soonest)
    at_ms = now_ms()
    there = [live(connection, sight, kept.get((sight.queue, sight.schedule.id)), at_ms) for sight in sights]
    seen = {(one.queue, one.id) for one in there}
    gone = [row for key, row in kept.items() if key not in seen]
    away = [paused(connection, row) for row in gone if row.why == KeptScheduler.Why.PAUSED]
    removed = [row for row in gone if row.why == KeptScheduler.Why.REMOVED]
    is_unguarded = any(one.kept for one in (*there, *away)) and not await is_guarded()
    return SchedulerList(there + away, len(there) + len(away), sum(counted.values()) + len(away), removed, is_unguarded)


async def scheduler(connection: str, queue: str, schedule_id: str) -> Scheduler:
    """How it stands. Raises SchedulerNotFound."""
    kept = await kept_scheduler(connection, queue, schedule_id)
    place = await reads.place(connection, queue, schedule_id)
    if place is not None:
        (sight,) = await reads.sights(connection, [place])
        return live(connection, sight, kept, now_ms())
    if kept is None or kept.why != KeptScheduler.Why.PAUSED:
        raise SchedulerNotFound(queue, schedule_id)
    return paused(connection, kept)


async def scheduler_detail(connection: str, queue: str, schedule_id: str) -> SchedulerDetail:
    """One scheduler whole. Raises SchedulerNotFound."""
    found = await scheduler(connection, queue, schedule_id)
    if found.sight is not None:
        data, opts = await reads.template(connection, queue, schedule_id, LARGEST_TEMPLATE)
        sizes = found.sight.data_size, found.sight.opts_size
    else:
        data, opts = found.schedule.data, found.schedule.opts
        sizes = len(data.encode("utf-8", "replace")), len(opts.encode("utf-8", "replace"))
        data, opts = (text if size <= LARGEST_TEMPLATE else "" for text, size in zip((data, opts), sizes, strict=True))
    runs = await last_runs(found)
    again = found.kept and found.kept.redefined
    return SchedulerDetail(
        found,
        coming(found),
        runs,
        data,
        opts,
        *sizes,
        is_unguarded=found.kept is not None and not await is_guarded(),
        redefined=Definition.from_json(again).schedule if again else None,
    )


async def kept_scheduler(connection: str, queue: str, schedule_id: str) -> KeptScheduler | None:
    return await KeptScheduler.objects.filter(connection=connection, queue=queue, scheduler_id=schedule_id).afirst()


async def is_guarded() -> bool:
    """Whether a mirror leads: it takes out what returns and resumes at its time."""
    return await Lease.objects.filter(name="mirror", until__gt=Now()).aexists()


async def _kept(connection: str, queues: Sequence[str]) -> list[KeptScheduler]:
    # By connection, not by name: a query takes no thousand names, and few rows are kept.
    wanted = set(queues)
    rows = KeptScheduler.objects.filter(connection=connection).order_by("queue", "scheduler_id")[:MOST_READ]
    return [row async for row in rows if row.queue in wanted]
