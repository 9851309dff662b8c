"""What is done to one job. Bull Board's words for what cannot be; that the job has moved on is an answer, no error."""

from __future__ import annotations

from typing import Any

from django.utils.translation import gettext as _

from dashboard.api.board import asked
from dashboard.api.board.fresh import changed
from dashboard.api.board.jobs import json_of
from dashboard.api.board.refusals import Said, invalid
from dashboard.api.board.route import Call
from dashboard.api.board.unmasking import Misplaced, unmasked
from dashboard.difference import as_text, difference
from dashboard.json_text import laid_out
from queues.actions import altering, jobs
from queues.actions.looking import scheduler_of
from queues.errors import JobLocked, JobStateChanged, Refused
from queues.lookups.editable import editable, require_fit
from queues.lookups.flows import family
from queues.lookups.wholes import whole_job
from queues.masking import mask_json
from queues.models.local import is_in_process
from queues.protocol.clock import now_ms
from queues.protocol.codec import raw
from queues.states import State


async def retry(call: Call, queue: str, job_id: str) -> None:
    here = call.grants.on(queue)
    here.require("job.retry")
    try:
        await jobs.retry_job(*call.at(queue), job_id, refusal_of_completed=here.refusal("job.retry-completed"))
    except JobStateChanged as error:
        raise Said(400, "JOB_NOT_RETRIABLE", str(error), options={"state": error.state or "unknown"}) from None
    await changed(call.connection, queue)


async def promote(call: Call, queue: str, job_id: str) -> None:
    call.grants.on(queue).require("job.promote")
    try:
        await jobs.promote_job(*call.at(queue), job_id)
    except JobStateChanged as error:
        raise _not_delayed(error) from None
    await changed(call.connection, queue)


def _not_delayed(error: JobStateChanged) -> Said:
    return Said(400, "JOB_NOT_DELAYED", str(error), options={"status": error.state or "unknown"})


async def clean(call: Call, queue: str, job_id: str) -> None:
    """Remove it with its logs and children."""
    call.grants.on(queue).require("job.remove")
    try:
        await jobs.remove_job(*call.at(queue), job_id)
    except JobLocked:
        details = {"key": "ERRORS.JOB_IS_ACTIVE_DETAILS", "options": {"jobId": job_id}}
        raise Said(409, "JOB_IS_ACTIVE", message=details) from None
    except Refused as error:
        raise await _of_scheduler(call, queue, job_id) or error from None
    await changed(call.connection, queue)


async def _of_scheduler(call: Call, queue: str, job_id: str) -> Said | None:
    """The coming run of a scheduler, which would stop without it."""
    scheduler = "" if is_in_process() else await scheduler_of(call.connection, queue, job_id)
    if not scheduler:
        return None
    code = "JOB_BELONGS_TO_JOB_SCHEDULER"
    options = {"jobId": job_id, "jobSchedulerId": scheduler}
    details = {"key": f"ERRORS.{code}_DETAILS", "options": options}
    return Said(400, code, message=details, code=code, jobSchedulerId=scheduler)


async def update_data(call: Call, queue: str, job_id: str) -> dict[str, Any]:
    """Where a mask stands as it was sent out, what is stored there stays. Nothing is overwritten that somebody else
    changes meanwhile.
    """
    here = call.grants.on(queue)
    here.require("job.edit")
    here.require("job.payload")
    sent = asked.body(call.request, is_needed=True)
    if "jobData" not in sent:
        raise invalid("INVALID_REQUEST_BODY", field="jobData")
    found = await editable(call.connection, queue, job_id)
    require_fit(found)
    json_of(sent["jobData"])
    try:
        data = json_of(unmasked(sent["jobData"], found.data))
    except Misplaced:
        told = _("A masked value (•••) was moved or changed in part: leave it as it was, or write all of it anew.")
        raise invalid("INVALID_REQUEST_BODY", told, field="jobData") from None
    try:
        await altering.edit_data(*call.at(queue), job_id, raw(data), found.seal, _difference(found.data, data))
    except JobStateChanged as error:
        raise Said(409, "JOB_IS_ACTIVE", str(error)) from None
    await changed(call.connection, queue)
    return {}


def _difference(before: str, after: str) -> str:
    """What the record keeps, masked."""
    return as_text(difference(mask_json(laid_out(before)), mask_json(laid_out(after))))


async def delay(call: Call, queue: str, job_id: str) -> dict[str, Any]:
    """A moment that has passed is now."""
    call.grants.on(queue).require("job.reschedule")
    sent = asked.body(call.request)
    value = sent.get("runAt")
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= asked.LARGEST:
        raise invalid("INVALID_RUN_AT")
    due_ms = max(int(value), now_ms())
    if due_ms > altering.LAST_MS:
        raise invalid("INVALID_RUN_AT")
    try:
        await altering.reschedule_job(*call.at(queue), job_id, due_ms)
    except JobStateChanged as error:
        raise _not_delayed(error) from None
    await changed(call.connection, queue)
    return {}


async def priority(call: Call, queue: str, job_id: str) -> dict[str, Any]:
    call.grants.on(queue).require("job.reprioritize")
    most = altering.MAX_PRIORITY
    value = asked.whole_in(asked.body(call.request), "priority", "INVALID_PRIORITY", 0, most, max=most)
    try:
        await altering.reprioritize_job(*call.at(queue), job_id, value)
    except JobStateChanged as error:
        raise Said(400, "JOB_EDIT_NOT_SUPPORTED", str(error), options={"status": error.state or "unknown"}) from None
    await changed(call.connection, queue)
    return {}


async def remove_unprocessed_children(call: Call, queue: str, job_id: str) -> dict[str, Any]:
    call.grants.on(queue).require("job.remove-children")
    whole = await whole_job(call.connection, queue, job_id)
    none = Said(400, "JOB_HAS_NO_UNPROCESSED_CHILDREN")
    if is_in_process() or whole.job.state != State.WAITING_CHILDREN:
        raise none
    if not (await family(call.connection, queue, job_id)).tally.pending:
        raise none
    try:
        done = await jobs.remove_children(*call.at(queue), job_id)
    except JobStateChanged:
        raise none from None
    await changed(call.connection, queue)
    return {"removed": done.affected}
