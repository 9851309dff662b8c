"""A job by its id, whichever queue it is in."""

from __future__ import annotations

from collections.abc import Sequence

from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups import local
from queues.lookups.lists import jobs_by_id
from queues.models import Job
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION
from queues.protocol import reads
from queues.protocol.reads.anywhere import queues_with_job

LONGEST_ID, MOST = 300, 20


async def queues_holding(connection: str, names: Sequence[str], job_id: str) -> list[str]:
    """Those of these queues that hold a job of this id now, at most `MOST`; none where Redis does not answer."""
    if not job_id or len(job_id) > LONGEST_ID:
        return []
    if is_in_process():
        held = Job.objects.filter(connection=LOCAL_CONNECTION, job_id=job_id, removed_at__isnull=True)
        found = {name async for name in held.values_list("queue", flat=True)[:MOST]}
        return [name for name in names if name in found]
    try:
        return (await queues_with_job(connection, names, job_id))[:MOST]
    except (RedisUnavailable, RedisRefused):
        return []


async def jobs_holding(connection: str, names: Sequence[str], job_id: str) -> list[Job]:
    """Those jobs as a list shows them, each in the state it is in; none where Redis does not answer."""
    held = await queues_holding(connection, names, job_id)
    try:
        return [await _listed(connection, name, job_id) for name in held]
    except (RedisUnavailable, RedisRefused):
        return []


async def _listed(connection: str, queue: str, job_id: str) -> Job:
    if is_in_process():
        job = await local.whole_job(connection, queue, job_id)
        if job is not None:
            return job
    (state,) = await reads.job_states(connection, queue, [job_id])
    (job,) = await jobs_by_id(connection, queue, state, [job_id])
    return job
