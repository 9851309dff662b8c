"""What the mirror kept of a job that Redis no longer has, or cannot be asked for."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from django.db import DatabaseError

from queues.lookups.excerpt import SHOWN, excerpt, shortened_stacks
from queues.models import Job
from queues.protocol.codec import raw

log = logging.getLogger(__name__)

#: BullMQ's name of a payload field → the model's.
COLUMNS = {
    "data": "data",
    "opts": "opts",
    "returnvalue": "return_value",
    "progress": "progress",
    "failedReason": "failed_reason",
    "stacktrace": "stacktrace",
}


async def last_incarnation(connection: str, queue: str, job_id: str) -> Job | None:
    """The newest job that had this id; None too where the database does not answer, for the page has more to say."""
    kept = Job.objects.filter(connection=connection, queue=queue, job_id=job_id).order_by("-timestamp_ms")
    try:
        return await kept.afirst()
    except DatabaseError:
        log.exception("The mirror could not be asked for a job.")
        return None


async def past_incarnation(connection: str, queue: str, job_id: str, added_ms: int) -> Job | None:
    """The very job that was added then, where Redis has it no more; None too where the database does not answer."""
    key = {"connection": connection, "queue": queue, "job_id": job_id, "timestamp_ms": added_ms}
    try:
        return await Job.objects.filter(**key, removed_at__isnull=False).afirst()
    except DatabaseError:
        log.exception("The mirror could not be asked for a job.")
        return None


async def incarnations(connection: str, queue: str, job_id: str, most: int = 10) -> list[Job]:
    """Those that had this id, newest first, without what they hold; none where the database does not answer."""
    kept = Job.objects.filter(connection=connection, queue=queue, job_id=job_id).order_by("-timestamp_ms")
    facts = kept.only("connection", "queue", "job_id", "timestamp_ms", "state", "removed_at")
    try:
        return [job async for job in facts[:most]]
    except DatabaseError:
        log.exception("The mirror could not be asked for a job.")
        return []


def payload(job: Job, field: str) -> bytes | None:
    value = getattr(job, COLUMNS[field]) if field in COLUMNS else ""
    return raw(value) if value else None


def sizes(job: Job) -> dict[str, int]:
    measured = {field: len(payload(job, field) or b"") for field in COLUMNS}
    return {field: size for field, size in measured.items() if size}


def cut(job: Job, fields: Iterable[str]) -> None:
    for field in fields:
        value = getattr(job, COLUMNS[field])
        short = shortened_stacks(raw(value)) if field == "stacktrace" else excerpt(value, SHOWN)
        setattr(job, COLUMNS[field], short)
