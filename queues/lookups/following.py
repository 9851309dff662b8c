"""Queues' events as they come, for whoever reads each of them; what was lost before it was read is told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.utils.translation import gettext as _

from queues.errors import QueueNotFound, RedisUnavailable, Refused
from queues.options import get_options
from queues.protocol import selection
from queues.protocol.connections import keys, open_wire, prefix, wire
from queues.protocol.events import Event, changed, readable
from queues.protocol.tailing import OLDEST, Place, begin, read_on
from queues.protocol.wire import Wire

BLOCK_MS = 2_000
PAUSE_S = 0.5
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

    def __init__(self, connection: str, places: Mapping[str, Place]) -> None:
        self._connection, self._places = connection, places
        self._ear: Wire | None = None
        self._is_away = False

    @classmethod
    async def of(cls, connection: str, queues: Sequence[str], *, from_start: bool = False) -> Follower:
        """From now on, or from the oldest event that is kept. Raises QueueNotFound, or Refused where there is no
        stream to follow.
        """
        if not get_options().use_job_queue:
            raise Refused(NO_STREAMS)
        for queue, exists in zip(queues, await selection.queues_exist(connection, queues), strict=True):
            if not exists:
                raise QueueNotFound(queue)
        on = wire(connection)
        if odd := sorted(set(queues) - set(await readable(on, prefix(connection), queues))):
            raise Refused(_("Queue “%(what)s” cannot be followed: its key “events” is no stream.") % {"what": odd[0]})
        after = OLDEST if from_start else None
        return cls(connection, {queue: await begin(on, keys(connection, queue)("events"), after) for queue in queues})

    @property
    def queues(self) -> list[str]:
        return list(self._places)

    async def read(self) -> list[Event | Gap]:
        """Raises RedisRefused where a stream may not be read."""
        try:
            found = await self._read()
        except (RedisUnavailable, TimeoutError) as error:
            was_away, self._is_away = self._is_away, True
            await asyncio.sleep(PAUSE_S)
            return [] if was_away else [Gap(queue, f"{error} Waiting for it.".lstrip()) for queue in self._places]
        self._is_away = False
        return found

    async def close(self) -> None:
        """Callable twice."""
        if self._ear is not None:
            await self._ear.close()

    async def _read(self) -> list[Event | Gap]:
        if self._ear is None:
            self._ear = open_wire(self._connection, timeout_s=None)
        cursors = {queue: place.cursor for queue, place in self._places.items()}
        gaps: list[Gap] = []
        events: list[Event] = []
        for queue in sorted(await changed(self._ear, prefix(self._connection), cursors, BLOCK_MS)):
            stream = keys(self._connection, queue)("events")
            missed, found = await read_on(wire(self._connection), queue, stream, self._places[queue])
            events += found
            if missed is not None:
                gaps.append(
                    Gap(queue, f"{f'{missed:,}' if missed else 'Some'} events were lost before they were read.")
                )
        return [*gaps, *sorted(events, key=_place)]


def _place(event: Event) -> tuple[int, ...]:
    return tuple(map(int, event.id.split("-")))
