"""Everything that a queue's page draws."""

from __future__ import annotations

import asyncio
from typing import Any

from dashboard.pages.job import why
from dashboard.pages.listing.columns import Columns
from dashboard.pages.listing.searching import Searched, searched_list
from dashboard.pages.listing.state import Listing
from dashboard.pages.queue.small_chart import small_chart
from dashboard.pages.shell.frame import frame
from dashboard.pages.shell.pager import pager
from queues.errors import QueueNotFound, RedisRefused, RedisUnavailable
from queues.lookups.about import scheduler_count
from queues.lookups.lists import JobList, job_list, latest
from queues.lookups.snapshot import Snapshot, refresh, snapshot
from queues.models import Queue
from queues.options import get_options
from queues.states import BULK_ACTIONS, LISTED


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
    (listed, searched, trouble), schedulers = await asyncio.gather(
        _jobs(found, queue, asked), _schedulers(found, queue)
    )
    complaints = [*asked.complaints, *([listed.note] if listed and listed.note else [])]
    return frame(
        found,
        here=queue.name,
        queue=queue,
        title=get_options().dashboard.title_of(queue.name),
        status=asked.status,
        tab=asked.tab,
        asked=asked,
        list=listed,
        searched=searched,
        schedulers=schedulers,
        unreadable=trouble,
        complaints=complaints,
        columns=asked.columns or Columns.of(asked.status),
        pager=pager(queue, asked, listed) if listed else None,
        retriable=BULK_ACTIONS["retry-all"],
        back=asked.back,
        why=await why.of_queue(queue),
        small=await small_chart(queue),
    )


async def _schedulers(found: Snapshot, queue: Queue) -> int | None:
    return None if found.error or queue.is_local else await scheduler_count(queue.connection, queue.name)


async def _jobs(found: Snapshot, queue: Queue, asked: Listing) -> tuple[JobList | None, Searched | None, str]:
    if found.error:
        # Asking again would make the page wait once more for what has just not answered.
        return None, None, found.error
    try:
        listed, searched = await _listed(queue, asked)
    except (RedisUnavailable, RedisRefused) as error:
        return None, None, str(error)
    return (None, None, listed.broken) if listed.broken else (listed, searched, "")


async def _listed(queue: Queue, asked: Listing) -> tuple[JobList, Searched | None]:
    if asked.is_latest:
        jobs = await latest(queue.connection, queue.name, max(asked.per_page, len(LISTED)))
        return JobList(jobs, len(jobs), 1, 1, max(len(jobs), 1), asked.status), None
    if asked.is_scanned:
        return await searched_list(queue, asked)
    where = queue.connection, queue.name, asked.status
    return await job_list(*where, asked.page, asked.per_page, asked.is_reversed), None
