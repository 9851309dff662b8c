"""Where the events of a connection come from: its queues' streams in Redis, or this process's own jobs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import suppress
from typing import Protocol

from channels.db import database_sync_to_async

from dashboard.live.facts import Address
from queues.errors import RedisRefused
from queues.inprocess.stream import stream
from queues.lookups import snapshot as snapshots
from queues.models.local import jobs
from queues.options import get_options
from queues.protocol import connections, events
from queues.protocol.codec import raw
from queues.protocol.events import position
from queues.protocol.keys import Keys
from queues.protocol.reads.carried import Carried, carried
from queues.protocol.tailing import Place, begin
from queues.protocol.together import START, Batch, Mark, event_id, mark_of, read_together
from queues.protocol.wire import Wire

#: So long a read waits for news; Redis's silence is noticed after a little more.
BLOCK_MS = 1_500
#: Events of each queue at once: few while they are large.
LEAST_EVENTS, MOST_EVENTS = 16, 1_000
MOST_BYTES = 8 * 1024 * 1024


class Source(Protocol):
    async def names(self) -> frozenset[str]:
        """All queues there are."""

    async def now(self) -> Mark:
        """What happens after this call is later."""

    async def follow(self, queues: Mapping[str, Mark | None]) -> dict[str, Mark]:
        """Read these and no others from now on: new ones after this place, or from their end. Where each now stands."""

    async def wait(self) -> Mark | None:
        """None: there is news. Else there was none for a while, and nothing is left to be told up to this place."""

    async def read(self) -> Batch: ...

    def history(self, queues: Collection[str], since: Mark, until: Mark) -> AsyncIterator[Batch]:
        """What came after `since`, up to `until`."""

    async def carried(self, jobs: Sequence[Address]) -> list[Carried | None]: ...

    async def close(self) -> None: ...


class Streams:
    """A connection's queues. Whatever Redis does not answer is raised; the places stay."""

    def __init__(self, connection: str) -> None:
        self.connection, self._prefix = connection, connections.prefix(connection)
        self._places: dict[str, Place] = {}
        self._ear: Wire | None = None
        self._most = LEAST_EVENTS
        self._changed: set[str] = set()

    async def names(self) -> frozenset[str]:
        # A queue of the settings is listened to before its first job makes it.
        return await snapshots.names(self.connection) | get_options().queues.keys()

    async def now(self) -> Mark:
        return Mark(position(await events.server_now(connections.wire(self.connection))))

    async def follow(self, queues: Mapping[str, Mark | None]) -> dict[str, Mark]:
        for gone in self._places.keys() - queues.keys():
            del self._places[gone]
        new = await self._readable([queue for queue in queues if queue not in self._places])
        on = connections.wire(self.connection)
        after = {queue: event_id(since.of(queue)) if (since := queues[queue]) else None for queue in new}
        begun = await asyncio.gather(*(begin(on, Keys(self._prefix, queue)("events"), after[queue]) for queue in new))
        self._places |= dict(zip(new, begun, strict=True))
        if new:
            # A read that blocks on the others would not hear of these.
            await self.close()
        return {queue: Mark(position(place.cursor), queue) for queue, place in self._places.items()}

    async def _readable(self, queues: Sequence[str]) -> list[str]:
        return await events.readable(connections.wire(self.connection), self._prefix, queues) if queues else []

    async def wait(self) -> Mark | None:
        if self._changed:
            return None
        if not self._places:
            await asyncio.sleep(BLOCK_MS / 1000)
            return Mark(START)
        try:
            return await self._listen()
        except RedisRefused:
            # Somebody wrote something else under the name of a stream: the others are read on.
            still = set(await self._readable(list(self._places)))
            if still == self._places.keys():
                raise
            self._places = {queue: place for queue, place in self._places.items() if queue in still}
            return Mark(START)
        except asyncio.CancelledError:
            # Whoever waits next would wait for the end of this.
            await self.close()
            raise

    async def _listen(self) -> Mark | None:
        if self._ear is None:
            self._ear = connections.open_wire(self.connection, name="toril-events")
        # Leaves in one write with what blocks, and before it: what is later is told by the next.
        now = self._ear.submit(events.now_command())
        now.add_done_callback(lambda done: done.cancelled() or done.exception())
        cursors = {queue: place.cursor for queue, place in self._places.items()}
        self._changed = await events.changed(self._ear, self._prefix, cursors, BLOCK_MS)
        return None if self._changed else Mark(position(await now))

    async def read(self) -> Batch:
        if not self._places:
            return Batch()
        on, changed = connections.wire(self.connection), self._changed
        batch = await read_together(on, self._prefix, self._places, self._most, changed)
        self._most = _fitting(batch, self._most)
        # Where there is more, whatever is followed may have some of it.
        self._changed = set(self._places) if batch.is_cut else set()
        return batch

    async def history(self, queues: Collection[str], since: Mark, until: Mark) -> AsyncIterator[Batch]:
        places = {queue: Place(event_id(since.of(queue)), None) for queue in await self._readable(list(queues))}
        most = most_of_all = max(LEAST_EVENTS, MOST_EVENTS // max(1, len(places)))
        while places:
            batch = await read_together(connections.wire(self.connection), self._prefix, places, most)
            most = min(_fitting(batch, most), most_of_all)
            yield batch
            if not batch.is_cut or batch.mark.position > until.position:
                return

    async def carried(self, jobs: Sequence[Address]) -> list[Carried | None]:
        return await carried(self.connection, jobs)

    async def close(self) -> None:
        """Callable twice; the next wait connects anew."""
        ear, self._ear = self._ear, None
        if ear is not None:
            await ear.close()


def _fitting(batch: Batch, most: int) -> int:
    """XREAD counts events, not bytes."""
    size = batch.bytes / max(1, len(batch.events))
    return max(LEAST_EVENTS, min(MOST_EVENTS, 2 * most, int(MOST_BYTES / max(1.0, size))))


class InProcess:
    """What this process's own jobs do: rows in SQL, events in memory."""

    def __init__(self) -> None:
        self._loop, self._news = asyncio.get_running_loop(), asyncio.Event()
        self._at = START

    def _hear(self) -> None:
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(self._news.set)

    async def names(self) -> frozenset[str]:
        return stream.queues | get_options().queues.keys()

    async def now(self) -> Mark:
        return Mark(stream.position)

    async def follow(self, queues: Mapping[str, Mark | None]) -> dict[str, Mark]:
        stream.listen(self._hear)
        if self._at == START:
            self._at = stream.position
        return dict.fromkeys(queues, Mark(self._at))

    async def wait(self) -> Mark | None:
        before = stream.position
        try:
            async with asyncio.timeout(BLOCK_MS / 1000):
                await self._news.wait()
        except TimeoutError:
            return Mark(before)
        return None

    async def read(self) -> Batch:
        self._news.clear()
        # Of queues that nobody knew before, too: reading them costs nothing.
        batch = self._after(self._at, None)
        self._at = batch.mark.position
        if batch.is_cut:
            self._news.set()
        return batch

    async def history(self, queues: Collection[str], since: Mark, until: Mark) -> AsyncIterator[Batch]:
        at = since.position
        while True:
            batch = self._after(at, frozenset(queues))
            yield batch
            if not batch.is_cut or batch.mark.position > until.position:
                return
            at = batch.mark.position

    def _after(self, at: tuple[int, int], queues: Collection[str] | None) -> Batch:
        now = stream.position
        is_lost, found = stream.after(at, MOST_EVENTS)
        is_cut = len(found) == MOST_EVENTS
        mark = Mark(position(found[-1].id)) if is_cut else Mark(max(now, *(mark_of(e).position for e in found), at))
        wanted = stream.queues if queues is None else queues
        told = [event for event in found if event.queue in wanted and get_options().live.follows(event.queue)]
        return Batch(told, dict.fromkeys(wanted, 0) if is_lost else {}, mark, is_cut)

    async def carried(self, jobs: Sequence[Address]) -> list[Carried | None]:
        found: Mapping[Address, Carried] = await database_sync_to_async(_rows)(jobs)
        return [found.get(job) for job in jobs]

    async def close(self) -> None:
        """Callable twice; who follows again goes on where it was."""
        stream.unlisten(self._hear)


def _rows(wanted: Sequence[Address]) -> dict[Address, Carried]:
    found: dict[Address, Carried] = {}
    for queue in {queue for queue, _ in wanted}:
        ids = [job_id for of, job_id in wanted if of == queue]
        for job in jobs(queue).filter(job_id__in=ids[:500]).only("job_id", "name", "data", "timestamp_ms"):
            found[queue, job.job_id] = Carried(job.name, raw(job.data), job.timestamp_ms)
    return found
