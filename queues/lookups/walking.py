"""A state's jobs in their order, page by page: what comes or goes meanwhile neither repeats nor skips what stays."""

from __future__ import annotations

from dataclasses import dataclass

from queues.errors import RedisRefused
from queues.lookups import local
from queues.lookups.lists import jobs_by_id
from queues.models import Job
from queues.models.local import is_in_process
from queues.protocol.diagnosis import broken_key
from queues.protocol.reads import scan as redis_scan
from queues.protocol.reads.scan import MOST_SEEN, Place, Walk
from queues.states import State

__all__ = ["MOST_SEEN", "Place", "Walked", "walked"]


@dataclass(frozen=True, slots=True)
class Walked:
    """Jobs without their payloads, of `total` in the state; `after` leads to what follows, None at the end."""

    jobs: list[Job]
    total: int
    after: Place | None


async def walked(
    connection: str, queue: str, state: State, after: Place | None, size: int, is_reversed: bool = False
) -> Walked:
    """Next to run first, finished: newest first; or the reverse. Raises RedisUnavailable, or RedisRefused with what is
    wrong with the queue's keys.
    """
    walk = _walk(connection, queue, state, after, is_reversed)
    ids: list[str] = []
    try:
        total = await _total(connection, queue, state)
        while len(ids) < size and (found := await walk.step(size - len(ids))):
            ids += [job_id for job_id in found if job_id not in ids]
        jobs = await jobs_by_id(connection, queue, state, ids)
    except RedisRefused:
        if broken := await broken_key(connection, queue):
            raise RedisRefused(broken) from None
        raise
    place = walk.place if len(ids) == size else None
    is_last = place is not None and place.source == 0 and place.position + 1 >= total
    return Walked(jobs, total, None if is_last else place)


def _walk(connection: str, queue: str, state: State, after: Place | None, is_reversed: bool) -> Walk | local.LocalWalk:
    if is_in_process():
        return local.LocalWalk(queue, state, is_reversed, after)
    return Walk(connection, queue, state, is_reversed, after)


async def _total(connection: str, queue: str, state: State) -> int:
    if is_in_process():
        return await local.total(queue, state)
    return await redis_scan.state_total(connection, queue, state)
