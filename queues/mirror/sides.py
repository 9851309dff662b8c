"""The two sides of one mirrored connection: Redis, which is read, and the tables, which are written."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

import django.db
from django.utils import timezone

from queues.errors import TorilError
from queues.mirror.fold import Life
from queues.mirror.followed import Followed
from queues.mirror.incarnations import Told
from queues.mirror.leader import Leader
from queues.mirror.policy import intake
from queues.mirror.store import Change, Store
from queues.mirror.thread import DatabaseThread
from queues.protocol import connections
from queues.protocol.keys import Keys
from queues.protocol.reads import bulk
from queues.protocol.reads.pulses import Pulse

T = TypeVar("T")
log = logging.getLogger(__name__)

#: Jobs per round trip to Redis.
CHUNK = 250
#: SQLite has one writer: after each commit the others get this share of the time it took.
REST = 0.5
LEAST_REST_S = 0.002
#: Longer than a page's patience: nobody waits for the mirror, and a large field takes its time.
ANSWER_S = 10.0


@dataclass(frozen=True, slots=True)
class Lost:
    """The last time that events were given up: of which queue, why, and how often that came to pass so far."""

    queue: str
    why: str
    count: int
    at: datetime = field(default_factory=timezone.now)


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
        self._writing: asyncio.Task[None] | None = None
        #: Others wait while one writes: they get their turn.
        self._has_one_writer = django.db.connection.vendor == "sqlite"
        self.lost: Lost | None = None
        #: Rows changed so far.
        self.written = 0

    def keys(self, queue: str) -> Keys:
        return Keys(self.prefix, queue)

    async def ask(self, function: Callable[..., T], *args: object) -> T:
        """Call one of the store's functions where the database is spoken to."""
        return await self._database.call(function, *args)

    async def look(self, queue: str, lives: Mapping[str, Sequence[Life]]) -> list[Told]:
        """What Redis holds now of these ids, with what events told of each, as far as rows should hold it."""
        kept, ids = intake(queue), list(lives)
        if kept.keeps_none:
            return [Told(job_id, None, lives[job_id]) for job_id in ids]
        told: list[Told] = []
        for start in range(0, len(ids), CHUNK):
            part = ids[start : start + CHUNK]
            sights = await bulk.job_sights(self.on, self.keys(queue), part, kept.limit_bytes)
            told += [Told(job_id, kept.sight(sight), lives[job_id]) for job_id, sight in zip(part, sights, strict=True)]
        return told

    async def compare(self, queue: str, job_ids: Sequence[str]) -> None:
        """Bring the rows of these ids in step."""
        told = await self.look(queue, dict.fromkeys(job_ids, ()))
        await self.write([Change(queue, told)])

    async def write(self, changes: Sequence[Change]) -> None:
        """Commit these, in the order of the calls. Returns while that goes on, so that Redis can be read meanwhile:
        what fails is raised by the next call, or by `settle`.
        """
        await self.settle()
        self._writing = asyncio.create_task(self._commit(changes), name="mirror commit")
        # It takes its place in the database's thread before anything else is asked there.
        await asyncio.sleep(0)

    async def settle(self) -> None:
        """Wait until all is committed, and others had their turn. Raises what the database raised."""
        if self._writing is not None:
            writing, self._writing = self._writing, None
            await writing

    async def _commit(self, changes: Sequence[Change]) -> None:
        began = time.monotonic()
        self.written += await self.ask(self.store.commit, changes)
        if self._has_one_writer:
            await asyncio.sleep(max(LEAST_REST_S, (time.monotonic() - began) * REST))

    async def lose(self, queue: Followed, pulse: Pulse, why: str) -> None:
        """Events of this queue were missed. Written down at once, so that a crash does not forget it."""
        missed_s = queue.missed_s(pulse)
        if not queue.is_lost:
            log.warning("queue %s: %s; its sets are read instead (%.1f s of events)", queue.name, why, missed_s)
        self.lost = Lost(queue.name, f"{why}, {missed_s:.1f} s of events", (self.lost.count if self.lost else 0) + 1)
        queue.lose(pulse)
        await self.ask(self.store.set_cursor, queue.name, queue.stored(queue.cursor))

    async def close(self) -> None:
        """What is being committed ends first, as well as it may."""
        with contextlib.suppress(TorilError):
            await self.settle()
        await self.on.close()
        await self.ear.close()
