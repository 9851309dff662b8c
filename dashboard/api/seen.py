"""The queues as a program sees them: those of which it may know, as they are now. No program is told old figures."""

from __future__ import annotations

from dashboard.pages.shell.frame import visible
from dashboard.request import Request
from queues.errors import QueueNotFound, RedisUnavailable
from queues.lookups.snapshot import Snapshot, refresh, snapshot
from queues.models import Queue
from queues.options import get_options

#: Of who looks at counts often enough: programs that ask within it ask Redis once.
FRESH_S = 1.0


async def queues_seen(request: Request, connection: str) -> Snapshot:
    """FRESH_S old at most. Raises RedisUnavailable."""
    return current(request, await snapshot(connection, FRESH_S))


async def queue_seen(request: Request, connection: str, name: str) -> Queue:
    """Raises QueueNotFound, for one that is not seen too, and RedisUnavailable."""
    request.grants.require_sight(name, connection)
    found = (await queues_seen(request, connection)).queue(name)
    if found is None:
        # Made a moment ago, it is in no walk yet.
        found = current(request, await refresh(connection, [name])).queue(name)
    if found is None:
        raise QueueNotFound(name)
    return found


async def figures_seen(request: Request, connection: str, name: str) -> Queue:
    """As `queue_seen`; one of the settings that no job has made yet is there, and empty."""
    try:
        return await queue_seen(request, connection, name)
    except QueueNotFound:
        request.grants.require_sight(name, connection)
        if name not in get_options().queues:
            raise
    return Queue(connection=connection, name=name)


def current(request: Request, found: Snapshot) -> Snapshot:
    """What of it the caller sees. Raises RedisUnavailable where it is only what was known before."""
    if found.error:
        raise RedisUnavailable(found.error)
    return visible(request, found)
