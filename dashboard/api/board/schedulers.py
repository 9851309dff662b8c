"""Job schedulers: all that are registered, run one now, change its rule, remove it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any
from urllib.parse import unquote

from django.utils.translation import gettext as _

from dashboard.api.board import asked
from dashboard.api.board.fresh import changed
from dashboard.api.board.job_shape import app_jobs, options_of
from dashboard.api.board.refusals import Said, invalid
from dashboard.api.board.route import Call
from dashboard.api.board.written import as_stored
from queues.actions import schedulers as acting
from queues.errors import InvalidInput, JobNotFound, NotFound
from queues.lookups.registered import Registered, registered
from queues.lookups.wholes import Whole, whole_job
from queues.masking import mask_json, mask_text
from queues.models import Job
from queues.models.local import is_in_process
from queues.producer.scheduler import new_schedule
from queues.protocol import suspending
from queues.protocol.clock import now_ms
from queues.protocol.codec import parse_json
from queues.protocol.scheduling import NewSchedule, Schedule


async def schedulers(call: Call) -> dict[str, Any]:
    """Of one queue where `queueName` names it. One that is paused here is none that BullMQ knows of."""
    named = asked.parameter(call.request, "queueName")
    names = [queue.name for queue in (await call.around()).queues if queue.schedulers]
    if named:
        names = [name for name in (unquote(named), named) if name in names][:1]
    return {"schedulers": [_told(call, one) for one in await registered(call.connection, names)]}


def _told(call: Call, one: Registered) -> dict[str, Any]:
    rule = one.schedule
    told: dict[str, Any] = {"id": rule.id, "queueName": one.queue, "name": rule.name, "next": rule.next_ms}
    told |= _set(pattern=rule.pattern, every=rule.every_ms, tz=rule.tz, limit=rule.limit)
    told |= _set(startDate=rule.start_ms, endDate=rule.end_ms, iterationCount=rule.iterations)
    told |= _set(nextRunJobId=one.next_job_id, lastRun=one.last_run_ms, lastRunJobId=one.last_job_id)
    if (one.data or one.opts) and call.grants.on(one.queue).may("job.payload"):
        told["template"] = _template(one)
    return told


def _template(one: Registered) -> dict[str, Any]:
    told: dict[str, Any] = {}
    if one.data:
        told["data"] = as_stored(mask_json(one.data)) or mask_text(one.data)
    if one.opts:
        told["opts"] = {name: value for name, value in options_of(one.opts).items() if name != "attempts" or value}
    return told


def _set(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


async def remove(call: Call, queue: str, scheduler_id: str) -> None:
    call.grants.on(queue).require("scheduler.remove")
    _require_redis()
    try:
        await acting.remove_scheduler(*call.at(queue), scheduler_id)
    except NotFound as error:
        raise _not_found(error) from None
    await changed(call.connection, queue)


async def run(call: Call, queue: str, scheduler_id: str) -> dict[str, Any]:
    """A job as it makes them, now; its next run stays where it is."""
    call.grants.on(queue).require("scheduler.run")
    _require_redis()
    try:
        job_id, _done = await acting.run_scheduler(*call.at(queue), scheduler_id)
    except NotFound as error:
        raise _not_found(error) from None
    await changed(call.connection, queue)
    try:
        whole = await whole_job(call.connection, queue, job_id)
    except JobNotFound:
        gone = Job(connection=call.connection, queue=queue, job_id=job_id, state="unknown", timestamp_ms=now_ms())
        whole = Whole(gone)
    (shown,) = await app_jobs([whole], call.grants.on(queue))
    return {"job": shown}


def _not_found(error: NotFound) -> Said:
    return Said(404, "JOB_SCHEDULER_NOT_FOUND", str(error))


def _require_redis() -> None:
    if is_in_process():
        raise Said(404, "JOB_SCHEDULER_NOT_FOUND", _("Jobs run in this process: schedulers need Redis."))


# --- another rule


async def update(call: Call, queue: str, scheduler_id: str) -> None:
    """The rule alone: name, data and options of its jobs stay, and so does its start."""
    call.grants.on(queue).require("scheduler.edit")
    sent = _checked(asked.body(call.request))
    _require_redis()
    found = await suspending.definition(call.connection, queue, scheduler_id)
    if found is None:
        raise Said(404, "JOB_SCHEDULER_NOT_FOUND")
    if sent["limit"] is not None and sent["limit"] < found.count:
        raise invalid("INVALID_SCHEDULER_LIMIT", _("It has made more jobs already."))
    try:
        await acting.edit_scheduler(*call.at(queue), _schedule(queue, found.schedule, sent))
    except InvalidInput as error:
        raise Said(400, "INVALID_SCHEDULER_PATTERN", str(error)) from None
    await changed(call.connection, queue)


def _checked(sent: Mapping[str, Any]) -> dict[str, Any]:
    """Raises Said where a part is none that can be meant."""
    for name in ("pattern", "tz"):
        if name in sent and not isinstance(sent[name], str):
            raise invalid("INVALID_REQUEST_BODY", field=name)
    pattern, every = sent.get("pattern", "").strip(), sent.get("every")
    if every is not None:
        every = asked.number_in(sent, "every", "INVALID_SCHEDULER_INTERVAL")
        if every < 1 or not every.is_integer():
            raise invalid("INVALID_SCHEDULER_INTERVAL")
    limit, end = sent.get("limit"), sent.get("endDate")
    if limit is not None:
        limit = asked.whole_in(sent, "limit", "INVALID_SCHEDULER_LIMIT", 1)
    if end is not None and not now_ms() < (end := asked.number_in(sent, "endDate", "INVALID_SCHEDULER_END_DATE")):
        raise invalid("INVALID_SCHEDULER_END_DATE")
    if bool(pattern) is (every is not None):
        raise invalid("INVALID_SCHEDULER_SCHEDULE")
    return {"pattern": pattern, "every": every, "tz": sent.get("tz", "").strip(), "limit": limit, "end": end}


def _schedule(queue: str, stored: Schedule, sent: Mapping[str, Any]) -> NewSchedule:
    """Raises InvalidInput for a pattern or a zone that nobody can reckon with."""
    pattern, every = sent["pattern"], sent["every"]
    rule = new_schedule(
        queue,
        stored.id,
        every_ms=None if every is None else int(every),
        pattern=pattern or None,
        tz=(sent["tz"] or None) if pattern else None,
        offset_ms=None,
        limit=sent["limit"],
        start=None,
        end=None if sent["end"] is None else _moment(sent["end"]),
        immediately=False,
        name=stored.name or None,
        data={},
        options={},
    )
    options = parse_json(stored.opts) if stored.opts else {}
    kept = options if isinstance(options, dict) else {}
    return replace(rule, data=stored.data or "{}", stored_options=kept, start_ms=stored.start_ms)


def _moment(ms: float) -> datetime:
    try:
        return datetime.fromtimestamp(ms / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        raise invalid("INVALID_SCHEDULER_END_DATE") from None
