"""Where a search looks: the mirror's index; rows, for jobs that run in process; Redis, where no mirror ever ran."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence

from queues.lookups.mirror_state import mirror_state
from queues.lookups.search import indexed, live, rows
from queues.lookups.search.query import Query
from queues.lookups.search.seen import Key, Page, Place, Seen
from queues.models import Job, Queue
from queues.models.local import is_in_process

#: Incarnations of one id, and a page's size at most.
MOST_OF_ID, MOST_SIZE = 50, 500


async def page(query: Query, seen: Seen, after: str | None = None, size: int = 50) -> Page:
    """At most `size` jobs, newest first, without results and stacks; call again with its `after` for more.

    `after` is opaque; what is none begins anew. Raises RedisUnavailable only where Redis is what is searched.
    """
    size = min(size, MOST_SIZE)
    if is_in_process():
        return await rows.page(query, seen, after, size)
    state = await mirror_state()
    if not state.is_known:
        return await live.page(query, seen, size)
    return await indexed.page(query, seen, after, size, state)


async def matching(query: Query, seen: Seen) -> AsyncIterator[list[Key]]:
    """Every job that matches at one moment (the call's), in no order and none twice. Some hundreds are looked at each
    time, and none of them may fit: whoever is in a hurry looks at the clock. Memory: 8 bytes for each. Where no mirror
    ever ran: what a bounded look at Redis finds.
    """
    if is_in_process():
        found = rows.matching(query, seen)
    elif (await mirror_state()).is_known:
        found = indexed.matching(query, seen)
    else:
        found = live.matching(query, seen)
    async for keys in found:
        yield keys


async def with_id(job_id: str, seen: Seen) -> Sequence[Job]:
    """Every incarnation of this very id that is kept, whichever queue it is or was in; newest first."""
    if is_in_process():
        kept = Job.objects.filter(job_id=job_id).order_by("-timestamp_ms").defer(*rows.UNREAD)
        found = [rows.shown(job) async for job in kept[:MOST_OF_ID]]
    else:
        found = await indexed.with_id(job_id, seen, MOST_OF_ID)
    return [job for job in found if seen.sees(job.connection, job.queue)]


async def known_queues() -> list[Place]:
    """Every queue that there is a row of, live and past, by (connection, name)."""
    found = Queue.objects.order_by("connection", "name").values_list("connection", "name")
    return [(connection, name) async for connection, name in found]
