"""Failed jobs as the mirror keeps them, with errors as Node and Python write them; and who groups them."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from asgiref.sync import sync_to_async

from queues.mirror.failures import Failures
from queues.mirror.leader import Leader
from queues.models import FailureCause, FailureCount, FailureGroup, FailureSpot, Job
from queues.models.failure import STEPS

_changes = iter(range(1, 10**9))


def python_stack(kind: str, message: str, function: str = "send") -> str:
    return (
        "Traceback (most recent call last):\n"
        f'  File "/srv/releases/20261123/app/mail/jobs.py", line 12, in {function}\n    client.post(job.data)\n'
        '  File "/srv/venv/lib/python3.12/site-packages/httpx/_client.py", line 1144, in post\n    raise error\n'
        f"{kind}: {message}\n"
    )


def node_stack(kind: str, message: str, function: str = "send") -> str:
    return (
        f"{kind}: {message}\n    at Client.post (/srv/app/node_modules/undici/index.js:1:2)\n"
        f"    at async {function} (/srv/app/dist/mail.js:10:5)\n    at node:internal/process/task_queues:95:5"
    )


def failed_job(
    job_id: object,
    reason: str,
    *,
    queue: str = "mails",
    name: str = "send",
    kind: str = "Error",
    stack: str = "",
    at_ms: int | None = None,
    **more: Any,
) -> Job:
    """Unsaved; a failed row as the mirror writes it, with the next number of a change."""
    at = int(time.time() * 1000) if at_ms is None else at_ms
    fields: dict[str, Any] = {"state": "failed", "timestamp_ms": 1, "data": "{}", "opts": "{}", "attempts_made": 1}
    fields |= {"finished_on_ms": at, "processed_on_ms": at - 50, "failed_reason": reason, "change": next(_changes)}
    fields["stacktrace"] = json.dumps([stack or node_stack(kind, reason)])
    return Job(queue=queue, job_id=str(job_id), name=name, **(fields | more))


def written_again(job: Job, **changed: Any) -> None:
    """As the mirror writes a row whose job has changed."""
    Job.objects.filter(pk=job.pk).update(change=next(_changes), **changed)


@asynccontextmanager
async def follower() -> AsyncIterator[Failures]:
    """The duty of the one who leads, to be turned by hand."""
    leader = Leader()
    duty = Failures(leader)
    await duty.database.call(leader.try_take)
    try:
        yield duty
    finally:
        await duty.database.call(leader.give_back)
        await duty.database.close()


async def grouped(*jobs: Job) -> list[Job]:
    """Keep the rows and let them be grouped; as they are then, in the order of their keys."""
    await Job.objects.abulk_create(jobs)
    await regrouped()
    return [job async for job in Job.objects.order_by("pk")]


async def regrouped() -> None:
    """Turn the follower until it has nothing to do."""
    async with follower() as duty:
        while await duty.turn() < 0.1:
            pass


in_database = sync_to_async


def plant_group(number: int, queue: str, total: int = 3, **cause: Any) -> FailureGroup:
    """A group of one cause that failed just now in one queue."""
    now = int(time.time() * 1000)
    group = FailureGroup.objects.create(pk=number, connection="default", last_ms=now)
    told = FailureCause.objects.create(group=group, connection="default", digest=f"{number:032x}", **cause)
    FailureSpot.objects.create(cause=told, queue=queue, total=total, first_ms=now - 60_000, last_ms=now)
    for step_s in STEPS:
        at = now // 1000 // step_s * step_s
        FailureCount.objects.create(cause=told, queue=queue, step_s=step_s, at=at, failed=total)
    return group
