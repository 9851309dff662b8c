"""Everything that a job's page draws."""

from __future__ import annotations

from typing import Any

from dashboard.live.viewer import seen
from dashboard.moments import now_ms
from dashboard.pages import payloads, why
from dashboard.pages.timeline import timeline
from queues.lookups.jobs import JobDetail, job_payload
from queues.models import Job
from queues.options import get_options


async def shown(detail: JobDetail, show: str = "") -> dict[str, Any]:
    """Everything job/job.html draws; `show` names a field to be shown whole."""
    job = detail.job
    whole = await job_payload(job.connection, job.queue, job.job_id, show) if payloads.loadable(detail, show) else None
    return {
        "job": job,
        "detail": detail,
        "moments": timeline(job, now_ms()),
        "cards": payloads.cards(detail, show, whole),
        "seen": seen(job),
        "parent": parent_of(job),
        "why": await why.of_job(job),
    }


def parent_of(job: Job) -> Job | None:
    """The parent, where its key lies under this connection's prefix and can be told apart."""
    prefix, _, rest = job.parent_key.partition(get_options().connection(job.connection).prefix)
    queue, _, job_id = rest.removeprefix(":").partition(":")
    return None if prefix or not (queue and job_id) else Job(connection=job.connection, queue=queue, job_id=job_id)
