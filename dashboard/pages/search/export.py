"""All that a search found, as a file: streamed, secrets masked, what a job carries only where it may be read."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from typing import Any

from django.http import StreamingHttpResponse

from dashboard.grants import Grants
from dashboard.pages.shell import exports
from dashboard.request import Request
from queues.lookups.keyed import jobs_of
from queues.lookups.search import Key, Query, Seen, matching
from queues.masking import mask_json, mask_text
from queues.models import Job
from queues.moments import exact

#: Read, masked and written at once.
CHUNK = 100
#: Characters of one cell: what a spreadsheet takes.
LONGEST = 32_000
COLUMNS = (
    "connection", "queue", "id", "name", "state", "added", "started", "ended", "removed", "attempts", "worker",
    "error", "data", "result",
)  # fmt: skip


def export(request: Request, query: Query, seen: Seen, form: str) -> StreamingHttpResponse:
    return export_keys(request, matching(query, seen), form)


def export_keys(
    request: Request, found: AsyncIterator[list[Key]], form: str, name: str = "jobs"
) -> StreamingHttpResponse:
    """The jobs of these keys, all of which this person sees."""
    return exports.attached(_pieces(request.grants, found, form), name, form, request.grants.actor.user_id)


async def _pieces(grants: Grants, found: AsyncIterator[list[Key]], form: str) -> AsyncGenerator[bytes, None]:
    yield exports.head(COLUMNS, form)
    async for keys in found:
        for start in range(0, len(keys), CHUNK):
            jobs = await jobs_of(keys[start : start + CHUNK])
            # Masking takes a processor: others are served meanwhile.
            yield await asyncio.to_thread(_written, jobs, grants, form)


def _written(jobs: Sequence[Job], grants: Grants, form: str) -> bytes:
    return exports.written((_values(job, grants) for job in jobs), COLUMNS, form)


def _values(job: Job, grants: Grants) -> dict[str, Any]:
    may_read = grants.on(job.queue, job.connection).may("job.payload")
    return {
        "connection": job.connection,
        "queue": job.queue,
        "id": job.job_id,
        "name": job.name,
        "state": job.state,
        "added": _moment(job.timestamp_ms),
        "started": _moment(job.processed_on_ms),
        "ended": _moment(job.finished_on_ms),
        "removed": job.removed_at.isoformat() if job.removed_at else "",
        "attempts": job.attempts_made,
        "worker": job.processed_by,
        "error": mask_text(job.failed_reason)[:LONGEST] if may_read else "",
        "data": mask_json(job.data)[:LONGEST] if may_read else "",
        "result": mask_json(job.return_value)[:LONGEST] if may_read else "",
    }


def _moment(ms: int | None) -> str:
    at = exact(ms) if ms else None
    return at.isoformat(timespec="milliseconds") if at else ""
