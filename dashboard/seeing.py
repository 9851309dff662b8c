"""Which queues, and the payloads of which, a search may look into: somebody’s grants as the engine asks for them."""

from __future__ import annotations

from contextlib import suppress

from dashboard.grants import Grants
from queues.errors import TorilError
from queues.lookups import search
from queues.lookups.search import Seen
from queues.lookups.snapshot import snapshot
from queues.models.local import is_in_process
from queues.options import get_options


async def seen_by(grants: Grants) -> Seen:
    """Over all connections. For those who see and read everything nothing is asked."""
    reads_all = grants.sees_all and "view_payload" in grants.abilities
    if reads_all:
        return Seen()
    known = await places()
    seen = frozenset(place for place in known if grants.sees(place[1], place[0]))
    read = frozenset(place for place in seen if grants.on(place[1], place[0]).may("job.payload"))
    return Seen(None if grants.sees_all else seen, read)


async def hidden_names(grants: Grants) -> set[str]:
    """The names of queues that this person sees on no connection; nothing is asked for those who see all."""
    known = set() if grants.sees_all else await places()
    seen = {queue for connection, queue in known if grants.sees(queue, connection)}
    return {queue for _connection, queue in known} - seen


async def places() -> set[tuple[str, str]]:
    """Every queue that there is or was: of what the mirror keeps, and of what Redis holds now."""
    found = set(await search.known_queues())
    if not is_in_process():
        for connection in get_options().connections:
            with suppress(TorilError):
                found |= {(connection, queue.name) for queue in (await snapshot(connection)).queues}
    return found
