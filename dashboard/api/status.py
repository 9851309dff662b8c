"""`GET /api/queue/status`: the counts of a queue, or with `?jobId=` how one of its jobs stands."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, JsonResponse

from dashboard.api.counts import counts
from dashboard.api.methods import takes
from dashboard.api.seen import figures_seen
from dashboard.api.v1.values import masked_value
from dashboard.pages.shell.frame import known_connection
from dashboard.request import Request
from queues.lookups.jobs import JobDetail, job_detail
from queues.lookups.payloads import job_payload
from queues.masking import mask_text
from queues.models import Job
from queues.protocol.codec import text

#: Whose scans these are; `?queue=` names another.
QUEUE = "scan"
#: A result that is larger is not in the answer; the API below /api/v1 has it.
LARGEST_RESULT = 1024 * 1024


@takes("GET")
async def status(request: Request) -> HttpResponse:
    """`{"stats": {…}}`, or `{"job": {…}}`: 404 for a job that there is not, or a queue that is not seen."""
    connection, name = known_connection(request), request.GET.get("queue") or QUEUE
    if job_id := request.GET.get("jobId"):
        body = {"job": await _job(request, connection, name, job_id)}
    else:
        body = {"stats": counts(await figures_seen(request, connection, name))}
    return JsonResponse(body, headers={"Cache-Control": "no-store"})


async def _job(request: Request, connection: str, queue: str, job_id: str) -> dict[str, Any]:
    request.grants.require_sight(queue)
    found = await job_detail(connection, queue, job_id)
    told = _facts(found.job)
    if request.grants.on(queue).may("job.payload"):
        told |= {
            "progress": await masked_value(found.job.progress or "0"),
            "result": await _result(connection, found),
            "failedReason": mask_text(found.job.failed_reason) or None,
        }
    return told


def _facts(job: Job) -> dict[str, Any]:
    """What may be told to whoever sees the queue. Nobody says what is null: that takes the right to read payloads."""
    return {
        "id": job.job_id,
        "name": job.name,
        "queue": job.queue,
        "state": job.state,
        "progress": None,
        "result": None,
        "failedReason": None,
        "attemptsMade": job.attempts_made,
        "attempts": job.attempts,
        "timestamp": job.timestamp_ms,
        "processedOn": job.processed_on_ms,
        "finishedOn": job.finished_on_ms,
    }


async def _result(connection: str, found: JobDetail) -> Any:
    job, stored = found.job, found.job.return_value
    if "returnvalue" in found.cut:
        if found.sizes.get("returnvalue", 0) > LARGEST_RESULT:
            return None
        stored = text(await job_payload(connection, job.queue, job.job_id, "returnvalue") or b"")
    return await masked_value(stored)
