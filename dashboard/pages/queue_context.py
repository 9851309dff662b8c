"""Everything that a queue's page draws."""

from __future__ import annotations

from typing import Any

from dashboard.pages import why
from dashboard.pages.columns import Columns
from dashboard.pages.frame import frame
from dashboard.pages.listing import Listing, pager
from queues.errors import QueueNotFound, RedisRefused, RedisUnavailable
from queues.lookups.audit import paused_by
from queues.lookups.lists import JobList, job_list
from queues.lookups.snapshot import Snapshot, refresh, snapshot
from queues.models import AuditEntry, Queue
from queues.states import BULK_ACTIONS


async def look_up(connection: str, name: str) -> tuple[Snapshot, Queue]:
    """The shared figures and this queue's among them. Raises QueueNotFound."""
    found = await snapshot(connection)
    if found.queue(name) is None:
        found = await refresh(connection, [name])
    queue = found.queue(name)
    if queue is None:
        raise QueueNotFound(name)
    return found, queue


async def shown(found: Snapshot, queue: Queue, asked: Listing) -> dict[str, Any]:
    """Everything queue/page.html draws. A list that cannot be read is a sentence, not an error page."""
    listed, trouble = await _jobs(found, queue, asked)
    complaints = [*asked.complaints, *([listed.note] if listed and listed.note else [])]
    return frame(
        found,
        here=queue.name,
        queue=queue,
        status=asked.status,
        list=listed,
        unreadable=trouble,
        complaints=complaints,
        columns=Columns.of(asked.status),
        pager=pager(queue, asked, listed) if listed else None,
        retriable=BULK_ACTIONS["retry-all"],
        back=asked.back,
        paused_by=await _pauser(queue),
        why=await why.of_queue(queue),
    )


async def _pauser(queue: Queue) -> AuditEntry | None:
    return (await paused_by(queue.connection, [queue.name])).get(queue.name) if queue.is_paused else None


async def _jobs(found: Snapshot, queue: Queue, asked: Listing) -> tuple[JobList | None, str]:
    if found.error:
        # Asking again would make the page wait once more for what has just not answered.
        return None, found.error
    try:
        listed = await job_list(queue.connection, queue.name, asked.status, asked.page, asked.per_page)
    except (RedisUnavailable, RedisRefused) as error:
        return None, str(error)
    return (None, listed.broken) if listed.broken else (listed, "")
