"""The two sides of one mirrored connection: Redis, which is read, and the tables, which are written."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from queues.mirror.fold import Life
from queues.mirror.followed import Followed
from queues.mirror.incarnations import Told
from queues.mirror.leader import Leader
from queues.mirror.store import Change, Store
from queues.mirror.thread import DatabaseThread
from queues.protocol import connections
from queues.protocol.keys import Keys
from queues.protocol.reads import bulk
from queues.protocol.reads.pulses import Pulse

T = TypeVar("T")
log = logging.getLogger(__name__)

#: What is kept of one field.
LIMIT_BYTES = 64 * 1024
#: Jobs per round trip to Redis.
CHUNK = 250
#: SQLite has one writer: after each commit the others get this share of the time it took.
REST = 0.5
LEAST_REST_S = 0.002
#: Longer than a page's patience: nobody waits for the mirror, and a large field takes its time.
ANSWER_S = 10.0


class Sides:
    """Opened and closed with each session of a follower."""

    def __init__(self, connection: str, leader: Leader, database: DatabaseThread) -> None:
        self.connection = connection
        self.prefix = connections.prefix(connection)
        self.store = Store(connection, leader)
        self.on = connections.open_wire(connection, timeout_s=ANSWER_S)
        #: The wire that blocks on the streams, and does nothing else: it has no time limit of its own.
        self.ear = connections.open_wire(connection)
        self._database = database

    def keys(self, queue: str) -> Keys:
        return Keys(self.prefix, queue)

    async def ask(self, function: Callable[..., T], *args: object) -> T:
        """Call one of the store's functions where the database is spoken to."""
        return await self._database.call(function, *args)

    async def look(self, queue: str, lives: Mapping[str, Sequence[Life]]) -> list[Told]:
        """What Redis holds now of these ids, with what events told of each."""
        ids = list(lives)
        told: list[Told] = []
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            sights = await bulk.job_sights(self.on, self.keys(queue), part, LIMIT_BYTES)
            told += [Told(job_id, sight, lives[job_id]) for job_id, sight in zip(part, sights, strict=True)]
        return told

    async def compare(self, queue: str, job_ids: Sequence[str]) -> int:
        """Bring the rows of these ids in step. Returns how many changed."""
        told = await self.look(queue, dict.fromkeys(job_ids, ()))
        return await self.write([Change(queue, told)])

    async def write(self, changes: Sequence[Change]) -> int:
        """One commit, then a rest."""
        began = time.monotonic()
        changed = await self.ask(self.store.commit, changes)
        await asyncio.sleep(max(LEAST_REST_S, (time.monotonic() - began) * REST))
        return changed

    async def lose(self, queue: Followed, pulse: Pulse, why: str) -> None:
        """Events of this queue were missed. Written down at once, so that a crash does not forget it."""
        if not queue.is_lost:
            log.warning("queue %s: %s; its sets are read instead", queue.name, why)
        queue.lose(pulse)
        await self.ask(self.store.set_cursor, queue.name, queue.stored(queue.cursor))

    async def close(self) -> None:
        await self.on.close()
        await self.ear.close()
