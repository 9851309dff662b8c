"""In which queues a job of an id is: one round trip, whatever their number."""

from __future__ import annotations

from collections.abc import Sequence

from asgiref.sync import sync_to_async

from queues.models import Job
from queues.models.local import is_in_process
from queues.options.values import LOCAL_CONNECTION
from queues.protocol.reads.jobs import queues_of_job


async def queues_with_job(connection: str, queues: Sequence[str], job_id: str) -> list[str]:
    """Those of these queues, in their order. Raises RedisUnavailable, RedisRefused."""
    if is_in_process():
        return await _local(queues, job_id)
    return await queues_of_job(connection, queues, job_id)


@sync_to_async
def _local(queues: Sequence[str], job_id: str) -> list[str]:
    rows = Job.objects.filter(connection=LOCAL_CONNECTION, queue__in=list(queues), job_id=job_id, removed_at=None)
    found = set(rows.values_list("queue", flat=True))
    return [queue for queue in queues if queue in found]
