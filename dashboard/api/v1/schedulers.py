"""Schedulers for programs: all queues' in one list, one whole; stored, run, paused, resumed, removed, put back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from ninja import Query, Router
from ninja.responses import Status
from pydantic import BaseModel, Field

from dashboard.api.seen import queues_seen
from dashboard.api.v1.asking import Ask, Done, IdempotencyKey, Sent, connection_of, told
from dashboard.api.v1.declared import may
from dashboard.api.v1.idempotency import Once, once
from dashboard.api.v1.jobs_adding import AddedJob
from dashboard.api.v1.paging import USUAL, Cursor, Limit, part_of, place_key
from dashboard.api.v1.queues import QueueName
from dashboard.api.v1.scheduler_shapes import (
    Moment,
    NewScheduler,
    SchedulerId,
    Schedulers,
    WholeScheduler,
    shown,
    whole,
)
from queues.actions import schedulers as acting
from queues.actions.actor import Actor
from queues.errors import InvalidInput, Refused
from queues.lookups import schedulers as lookup
from queues.lookups.scheduler import Scheduler
from queues.lookups.schedulers import SchedulerNotFound
from queues.models.local import is_in_process

router, of_queue = Router(tags=["schedulers"]), Router(tags=["schedulers"])
ONE = "/{segment:queue}/schedulers/{segment:scheduler_id}"
At = tuple[Actor, str, str, str]


class Suspend(Sent):
    until_ms: Moment | None = Field(default=None, description="When it resumes by itself (ms since 1970).")
    stays: bool = Field(default=True, description="Take it out again whenever a program registers it.")


@router.get("", response=Schedulers, operation_id="listSchedulers")
async def list_schedulers(
    request: Ask,
    queue: Annotated[str, Query(max_length=512, description="Only this queue's.")] = "",
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Schedulers:
    """Schedulers

    Of every queue that the caller sees, by queue and id. Of more than 500 those that are due next.
    """
    connection = connection_of(request)
    if queue:
        request.grants.require_sight(queue)
    if is_in_process():
        return Schedulers(items=[], next=None, found=0, total=0)
    names = [row.name for row in (await queues_seen(request, connection)).queues if queue in ("", row.name)]
    listed = await lookup.scheduler_list(connection, names)
    rows = sorted(listed.schedulers, key=_key)
    found, after = part_of(rows, _key, place_key("schedulers", connection, queue), cursor, limit)
    return Schedulers(items=[shown(one) for one in found], next=after, found=listed.found, total=listed.total)


def _key(one: Scheduler) -> str:
    return place_key(one.queue, one.id)


@of_queue.get(ONE, response=WholeScheduler, operation_id="getScheduler")
async def get_scheduler(request: Ask, queue: QueueName, scheduler_id: SchedulerId) -> WholeScheduler:
    """One scheduler

    With its next runs, its last ones, and what its jobs are made of.
    """
    if is_in_process():
        raise SchedulerNotFound(queue, scheduler_id)
    return await whole(await lookup.scheduler_detail(connection_of(request), queue, scheduler_id), request.grants)


@of_queue.put(ONE, response={200: Done, 201: Done}, operation_id="putScheduler")
async def put_scheduler(request: Ask, queue: QueueName, scheduler_id: SchedulerId, sent: NewScheduler) -> Status[Any]:
    """Store

    201 for a new one, 200 for one that is there (paused ones stay paused). All of its rule is replaced; how many jobs
    it has made counts on. Its data and options stay where they are absent.
    """
    request.grants.on(queue).require("scheduler.edit")
    _require_redis()
    connection = connection_of(request)
    stored = await _stored(connection, queue, scheduler_id)
    if stored is not None:
        if sent.has_template:
            request.grants.on(queue).require("job.payload")
        sent.require_whole(stored)
    schedule = sent.schedule(queue, scheduler_id, stored)
    if stored is None:
        request.grants.on(queue).require("scheduler.add")
        return Status(201, told(await acting.add_scheduler(request.grants.actor, connection, queue, schedule)))
    return Status(200, told(await acting.edit_scheduler(request.grants.actor, connection, queue, schedule)))


async def _stored(connection: str, queue: str, scheduler_id: str) -> lookup.SchedulerDetail | None:
    try:
        return await lookup.scheduler_detail(connection, queue, scheduler_id)
    except SchedulerNotFound:
        return None


@of_queue.delete(ONE, response=Done, operation_id="removeScheduler")
async def remove_scheduler(request: Ask, queue: QueueName, scheduler_id: SchedulerId) -> Done:
    """Remove

    It and its next job, unless that waits or runs already. For a day it can be put back.
    """
    return told(await acting.remove_scheduler(*_at(request, queue, scheduler_id, "scheduler.remove")))


@of_queue.post(f"{ONE}/restore", response=Done, operation_id="restoreScheduler")
async def restore_scheduler(request: Ask, queue: QueueName, scheduler_id: SchedulerId) -> Done:
    """Put back

    One that was removed within the last day.
    """
    return told(await acting.restore_scheduler(*_at(request, queue, scheduler_id, "scheduler.resume")))


@of_queue.post(f"{ONE}/pause", response=Done, operation_id="pauseScheduler")
async def pause_scheduler(
    request: Ask, queue: QueueName, scheduler_id: SchedulerId, sent: Suspend | None = None
) -> Done:
    """Pause

    It leaves BullMQ, and its definition is kept: no worker runs it, Node's or Toril's.
    """
    at, asked = _at(request, queue, scheduler_id, "scheduler.pause"), sent or Suspend()
    until = None if asked.until_ms is None else datetime.fromtimestamp(asked.until_ms / 1000, UTC)
    if until is not None and until <= datetime.now(UTC):
        raise InvalidInput(_("until_ms must lie ahead."))
    return told(await acting.pause_scheduler(*at, until, asked.stays))


@of_queue.post(f"{ONE}/resume", response=Done, operation_id="resumeScheduler")
async def resume_scheduler(request: Ask, queue: QueueName, scheduler_id: SchedulerId) -> Done:
    """Resume

    A paused one goes on as it was.
    """
    return told(await acting.resume_scheduler(*_at(request, queue, scheduler_id, "scheduler.resume")))


@of_queue.post(f"{ONE}/run", response={201: AddedJob}, operation_id="runScheduler", openapi_extra=may(422))
async def run_scheduler(
    request: Ask, queue: QueueName, scheduler_id: SchedulerId, idempotency_key: IdempotencyKey = None
) -> Status[Any] | HttpResponse:
    """Run now

    Adds a job as it makes them; its next run stays where it is.
    """
    at = _at(request, queue, scheduler_id, "scheduler.run")

    async def act(ids: Once) -> tuple[int, BaseModel]:
        job_id, done = await acting.run_scheduler(*at)
        return 201, AddedJob(queue=queue, id=job_id, is_new=True, message=done.message)

    return await once(request, act)


def _at(request: Ask, queue: str, scheduler_id: str, needed: str) -> At:
    request.grants.on(queue).require(needed)
    _require_redis()
    return request.grants.actor, connection_of(request), queue, scheduler_id


def _require_redis() -> None:
    if is_in_process():
        raise Refused(_("Jobs run in this process: schedulers need Redis."))
