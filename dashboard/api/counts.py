"""How many jobs of a queue are where, as the older paths tell it: few states, which add up to their total."""

from __future__ import annotations

from dataclasses import replace

from dashboard.pages.frame import visible
from dashboard.request import Request
from queues.errors import QueueNotFound, RedisUnavailable
from queues.lookups.snapshot import Snapshot, refresh, snapshot
from queues.models import Queue

#: Of who looks at counts often enough: two programs that ask within it ask Redis once.
FRESH_S = 1.0


def counts(queue: Queue) -> dict[str, int]:
    """`waiting` is everything that waits for its turn: by priority, and for children, too."""
    told = {
        "waiting": queue.waiting + queue.prioritized + queue.waiting_children,
        "active": queue.active,
        "completed": queue.completed,
        "failed": queue.failed,
        "delayed": queue.delayed,
    }
    return told | {"total": sum(told.values())}


async def queues_seen(request: Request, connection: str) -> Snapshot:
    """What the asker sees, a second old at most. Raises RedisUnavailable: old counts are no counts for a program."""
    return _fresh(request, await snapshot(connection, FRESH_S))


async def queue_seen(request: Request, connection: str, name: str) -> Queue:
    """Raises QueueNotFound, for one that is not seen too, and RedisUnavailable."""
    request.grants.require_sight(name)
    found = (await queues_seen(request, connection)).queue(name)
    if found is None:
        # Made a moment ago, it is in no walk yet.
        found = _fresh(request, await refresh(connection, [name])).queue(name)
    if found is None:
        raise QueueNotFound(name)
    return found


def _fresh(request: Request, seen: Snapshot) -> Snapshot:
    if seen.error:
        raise RedisUnavailable(seen.error)
    return visible(request, replace(seen))
