"""Queues' events as they come, for whoever reads each of them; what the streams lost before it was read is told."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from queues.errors import QueueNotFound, RedisUnavailable, Refused
from queues.options import get_options
from queues.protocol import selection
from queues.protocol.connections import open_wire, prefix, wire
from queues.protocol.events import Event, Extent, changed, extents, read_with_extents, readable
from queues.protocol.wire import Wire

BLOCK_MS = 2_000
MOST_EVENTS = 500
PAUSE_S = 0.5
OLDEST = "0-0"
ANEW = "Its event stream began anew."
NO_STREAMS = "Jobs run in the process that adds them (USE_JOB_QUEUE is false): there are no event streams."


@dataclass(frozen=True, slots=True)
class Gap:
    """Of this queue something was missed here; or Redis is away, and something may be."""

    queue: str
    message: str


class Follower:
    """`read` again and again: each call gives what came, oldest first, and waits at most two seconds for it.

    A Redis that is away is announced as a gap, once, and waited for.
    """

    def __init__(self, connection: str, cursors: dict[str, str], passed: dict[str, int]) -> None:
        self._connection, self._prefix, self._cursors = connection, prefix(connection), cursors
        #: Of the entries ever added to each stream, how many stand before the cursor or at it.
        self._passed = passed
        self._ear: Wire | None = None
        self._is_away = False

    @classmethod
    async def of(cls, connection: str, queues: Sequence[str], *, from_start: bool = False) -> Follower:
        """Raises QueueNotFound, or Refused where there is no stream to follow."""
        if not get_options().use_job_queue:
            raise Refused(NO_STREAMS)
        for queue, exists in zip(queues, await selection.queues_exist(connection, queues), strict=True):
            if not exists:
                raise QueueNotFound(queue)
        on = wire(connection)
        if odd := sorted(set(queues) - set(await readable(on, prefix(connection), queues))):
            raise Refused(f"Queue “{odd[0]}” cannot be followed: its key “events” is no stream.")
        now, found = await extents(on, prefix(connection), queues)
        passed = {queue: (one.trimmed if from_start else one.added) or 0 for queue, one in found.items()}
        return cls(connection, dict.fromkeys(queues, OLDEST if from_start else now), passed)

    @property
    def queues(self) -> list[str]:
        return list(self._cursors)

    async def read(self) -> list[Event | Gap]:
        """Raises RedisRefused where a stream may not be read."""
        try:
            found = await self._read()
        except RedisUnavailable as error:
            was_away, self._is_away = self._is_away, True
            await asyncio.sleep(PAUSE_S)
            return [] if was_away else [Gap(queue, f"{error} Waiting for it.") for queue in self._cursors]
        self._is_away = False
        return found

    async def close(self) -> None:
        """Callable twice."""
        if self._ear is not None:
            await self._ear.close()

    async def _read(self) -> list[Event | Gap]:
        if self._ear is None:
            self._ear = open_wire(self._connection, timeout_s=None)
        if not await changed(self._ear, self._prefix, self._cursors, BLOCK_MS):
            return []
        events, found = await read_with_extents(wire(self._connection), self._prefix, self._cursors, MOST_EVENTS)
        told: list[Event | Gap] = [
            Gap(queue, why) for queue, extent in found.items() if (why := self._missed(queue, extent))
        ]
        for event in events:
            self._cursors[event.queue] = event.id
            self._passed[event.queue] += 1
        return told + sorted(events, key=lambda event: _place(event.id))

    def _missed(self, queue: str, extent: Extent) -> str:
        """Why something is missing before what was just read; empty where nothing is."""
        passed, cursor = self._passed[queue], self._cursors[queue]
        if extent.added is None:
            # Redis before 7 does not count; its oldest entry must do.
            is_lost = extent.first and cursor != OLDEST and passed and _place(extent.first) > _place(cursor)
            return "Some events were trimmed before they could be read." if is_lost else ""
        if extent.added < passed:
            self._passed[queue] = extent.added - extent.length
            return ANEW
        trimmed = extent.added - extent.length
        self._passed[queue] = max(passed, trimmed)
        return f"{trimmed - passed:,} events were trimmed before they could be read." if trimmed > passed else ""


def _place(event_id: str) -> tuple[int, ...]:
    return tuple(map(int, event_id.split("-")))
