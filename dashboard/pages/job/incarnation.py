"""Which of the jobs that had one id an address means: `added`, the moment at which it was added."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import HttpRequest

from queues.models import Job


def added_ms(request: HttpRequest) -> int | None:
    """None where the address means the one that has the id now, or had it last."""
    told = request.GET.get("added", "")
    return int(told) if told.isascii() and told.isdecimal() and len(told) < 16 else None


def named(request: HttpRequest, connection: str, queue: str, job_id: str) -> Job:
    """A job to make addresses of: they mean the same incarnation as this request's."""
    added = added_ms(request)
    job = Job(connection=connection, queue=queue, job_id=job_id, timestamp_ms=added or 0)
    if added is not None:
        job.removed_at = datetime.now(UTC)
    return job
