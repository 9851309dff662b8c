"""A job by its id, whichever queue it is in."""

from __future__ import annotations

from collections.abc import Sequence

from queues.errors import RedisRefused, RedisUnavailable
from queues.models import Job
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION
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
