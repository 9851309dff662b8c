"""What programs do to one job: retry, promote, change, remove, cancel."""

from __future__ import annotations

from typing import Annotated, Any

from django.utils.translation import gettext as _
from ninja import Header
from pydantic import Field

from dashboard.api.v1.asking import Ask, Done, Sent, connection_of, told
from dashboard.api.v1.declared import may
from dashboard.api.v1.etags import etag, matches
from dashboard.api.v1.job_shapes import JobId, whole
from dashboard.api.v1.jobs import router
from dashboard.api.v1.queues import QueueName
from dashboard.api.v1.rendering import written
from queues.actions import altering, jobs, workers
from queues.actions.actor import Actor
from queues.errors import InvalidInput, TorilError
from queues.lookups.editable import editable
from queues.lookups.jobs import job_detail
from queues.masking import MASK
from queues.producer.checks import data_json
from queues.protocol.codec import raw

JOB = "/{segment:queue}/jobs/{segment:job_id}"
IfMatch = Annotated[
    str | None,
    Header(alias="If-Match", max_length=1000, description="The `ETag` of the job as you saw it: else 412, unchanged."),
]


class NotAsSeen(TorilError):
    """The job is no longer as it was seen; nothing was changed."""

    code = "precondition_failed"
    status = 412


class Retry(Sent):
    reset_attempts: bool = Field(default=False, description="Count its attempts anew.")
    delay_ms: int = Field(default=0, ge=0, le=366 * 86_400_000, description="Not now, but so much later.")


class Cancel(Sent):
    reason: str = Field(default="", max_length=1000, description="What it fails with.")
    retry: bool = Field(default=False, description="Let it be tried again, if attempts are left.")


class Change(Sent):
    """What is absent stays. At least one."""

    data: Any = Field(default=None, description="All of its new data; masked values are refused.")
    priority: int | None = Field(default=None, ge=0, le=2_097_151)
    lifo: bool = Field(default=False, description="With `priority`: first among its equals.")
    due_ms: int | None = Field(default=None, ge=0, le=2**41 - 1, description="When a delayed job runs (ms since 1970).")


async def _job(request: Ask, queue: str, job_id: str, needed: str) -> tuple[Actor, str, str, str]:
    request.grants.on(queue).require(needed)
    return request.grants.actor, connection_of(request), queue, job_id


@router.post(f"{JOB}/retry", response=Done, operation_id="retryJob")
async def retry_job(request: Ask, queue: QueueName, job_id: JobId, sent: Retry | None = None) -> Done:
    """Retry

    Of a job that has failed or completed: it waits again, or runs later.
    """
    at, asked = await _job(request, queue, job_id, "job.retry"), sent or Retry()
    closed = request.grants.on(queue).refusal("job.retry-completed")
    return told(
        await jobs.retry_job(
            *at, reset_attempts=asked.reset_attempts, delay_ms=asked.delay_ms, refusal_of_completed=closed
        )
    )


@router.post(f"{JOB}/promote", response=Done, operation_id="promoteJob")
async def promote_job(request: Ask, queue: QueueName, job_id: JobId) -> Done:
    """Promote

    Let a delayed job run now.
    """
    return told(await jobs.promote_job(*await _job(request, queue, job_id, "job.promote")))


@router.post(f"{JOB}/cancel", response=Done, operation_id="cancelJob", openapi_extra=may(504))
async def cancel_job(request: Ask, queue: QueueName, job_id: JobId, sent: Cancel | None = None) -> Done:
    """Cancel

    End a job that runs in a worker of Toril: it fails with the reason. One that has not begun is removed instead.
    """
    at, asked = await _job(request, queue, job_id, "job.cancel"), sent or Cancel()
    return told(await workers.cancel_job(*at, asked.reason, asked.retry))


@router.delete(JOB, response=Done, operation_id="removeJob", openapi_extra=may(412))
async def remove_job(request: Ask, queue: QueueName, job_id: JobId, if_match: IfMatch = None) -> Done:
    """Remove

    The job, its log and its children; not one that runs.
    """
    at = await _job(request, queue, job_id, "job.remove")
    await require_as_seen(request, queue, job_id, if_match)
    return told(await jobs.remove_job(*at))


@router.patch(JOB, response=Done, operation_id="changeJob", openapi_extra=may(412))
async def change_job(request: Ask, queue: QueueName, job_id: JobId, sent: Change, if_match: IfMatch = None) -> Done:
    """Change

    Its data, its priority, or when it is due. Where several are given they are changed in this order, and what was
    changed stays where a later one is refused.
    """
    changes = [
        act for name, act in CHANGES if name in sent.model_fields_set and (name == "data" or _is_set(sent, name))
    ]
    if not changes:
        raise InvalidInput(_("Say what to change: data, priority or due_ms."))
    done = await changes[0](request, queue, job_id, sent, if_match)
    for change in changes[1:]:
        done = await change(request, queue, job_id, sent, None)
    return done


def _is_set(sent: Change, name: str) -> bool:
    return getattr(sent, name) is not None


async def _data(request: Ask, queue: str, job_id: str, sent: Change, if_match: str | None) -> Done:
    at = await _job(request, queue, job_id, "job.edit")
    request.grants.on(queue).require("job.payload")
    stored = data_json(sent.data)
    if MASK in stored:
        raise InvalidInput(_("The data holds masked values (%(mask)s): send what they stand for.") % {"mask": MASK})
    # In this order: what changes in between is noticed by the seal.
    seal = (await editable(at[1], queue, job_id)).seal
    await require_as_seen(request, queue, job_id, if_match)
    return told(await altering.edit_data(*at, raw(stored), seal))


async def _priority(request: Ask, queue: str, job_id: str, sent: Change, if_match: str | None) -> Done:
    at = await _job(request, queue, job_id, "job.reprioritize")
    await require_as_seen(request, queue, job_id, if_match)
    return told(await altering.reprioritize_job(*at, sent.priority or 0, lifo=sent.lifo))


async def _due(request: Ask, queue: str, job_id: str, sent: Change, if_match: str | None) -> Done:
    at = await _job(request, queue, job_id, "job.reschedule")
    await require_as_seen(request, queue, job_id, if_match)
    return told(await altering.reschedule_job(*at, sent.due_ms or 0))


CHANGES = (("data", _data), ("priority", _priority), ("due_ms", _due))


async def require_as_seen(request: Ask, queue: str, job_id: str, if_match: str | None) -> None:
    """Raises NotAsSeen where the job is told by another tag now, JobNotFound."""
    if if_match is None:
        return
    connection = connection_of(request)
    now = await whole(await job_detail(connection, queue, job_id), request.grants, connection)
    if not matches(if_match, etag(written(now.model_dump()).encode())):
        raise NotAsSeen(_("Job “%(job)s” is no longer as you saw it; nothing was changed.") % {"job": job_id})
