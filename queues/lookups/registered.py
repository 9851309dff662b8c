"""Schedulers as BullMQ has them registered, with what they give their jobs and when they ran last: for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from queues.models.local import is_in_process
from queues.protocol.reads import schedulers as reads
from queues.protocol.reads.schedulers import SchedulerSight
from queues.protocol.reads.templates import templates, there
from queues.protocol.scheduling import Schedule

#: Of each queue the last of more are left out; a larger template, too.
MOST_OF_A_QUEUE, LARGEST_TEMPLATE = 1_000, 64 * 1024


@dataclass(frozen=True, slots=True)
class Registered:
    """`data`, `opts`: of its jobs, as stored, empty where there are none. Ids are empty and moments None where there is
    no such job, or none that can be named.
    """

    queue: str
    schedule: Schedule
    data: str = ""
    opts: str = ""
    next_job_id: str = ""
    last_run_ms: int | None = None
    last_job_id: str = ""


async def registered(connection: str, queues: Sequence[str]) -> list[Registered]:
    """Queue by queue, as they are given, the last due of each first. Raises RedisUnavailable."""
    if is_in_process() or not queues:
        return []
    places = await reads.places(connection, queues, MOST_OF_A_QUEUE)
    sights = [one for one in await reads.sights(connection, places) if one.schedule.pattern or one.schedule.every_ms]
    told = await templates(connection, sights, LARGEST_TEMPLATE)
    last = [_last_turn(one) for one in sights]
    known = await there(connection, [(one.queue, job_id) for one, job_id in zip(sights, last, strict=True)])
    rows = zip(sights, told, last, known, strict=True)
    found = [_registered(one, data, opts, job_id if is_there else "") for one, (data, opts), job_id, is_there in rows]
    order = {queue: at for at, queue in enumerate(queues)}
    return sorted(found, key=lambda one: (order[one.queue], -(one.schedule.next_ms or 0)))


def _last_turn(one: SchedulerSight) -> str:
    """The id of the job before the coming one: of a beat it follows from it, of a pattern it does not."""
    rule = one.schedule
    before_ms = (rule.next_ms or 0) - rule.every_ms if rule.every_ms else 0
    return f"repeat:{rule.id}:{before_ms}"


def _registered(one: SchedulerSight, data: str, opts: str, last_job_id: str) -> Registered:
    rule = one.schedule
    if not one.has_job:
        return Registered(one.queue, rule, data, opts)
    next_id = f"repeat:{rule.id}:{rule.next_ms}"
    # A worker adds the coming job at the moment at which it begins the one before.
    if rule.iterations <= 1:
        return Registered(one.queue, rule, data, opts, next_id)
    return Registered(one.queue, rule, data, opts, next_id, one.added_ms, last_job_id if rule.every_ms else "")
