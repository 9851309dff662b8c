"""Every event of one queue, in order, for a program that follows it; what was trimmed unread is told as a gap."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from queues.errors import RedisUnavailable
from queues.protocol import codec
from queues.protocol.commands import command
from queues.protocol.connections import open_wire, prefix
from queues.protocol.events import Event, changed, entry_event, position
from queues.protocol.fleet import client_name
from queues.protocol.keys import Keys
from queues.protocol.refusals import refusal
from queues.protocol.wire import Wire

BLOCK_MS = 2_000
MOST_EVENTS = 500
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.1, 1.0
#: How long Redis may take to answer what does not block.
ANSWER_S = 2.0
#: The type of the event that stands for those that were missed; its fields hold `count` where it is known.
GAP = "gap"
OLDEST = "0-0"


@dataclass(slots=True)
class Place:
    """Where the reader stands: after `cursor`, which was the stream's `index`-th event ever, if that is known."""

    cursor: str
    index: int | None


@dataclass(frozen=True, slots=True)
class Stream:
    """What XINFO says: `added` events were ever written, of which the oldest were `trimmed`; Redis before 7 counts
    neither.
    """

    added: int | None = 0
    trimmed: int | None = 0
    first: str = OLDEST
    last: str = OLDEST

    def is_younger(self, event_id: str) -> bool:
        """Than an event of this queue: the stream that had it was deleted, or Redis has lost it."""
        has_begun_later = self.trimmed == 0 and position(self.first) > position(event_id)
        return has_begun_later or position(self.last) < position(event_id)


async def tail(connection: str, queue: str, after: str | None) -> AsyncGenerator[Event, None]:
    """From now on, or after an event's id. Raises RedisUnavailable at the start alone: later outages are waited out."""
    under, stream = prefix(connection), Keys(prefix(connection), queue)("events")
    # As Node's QueueEvents names its connection (PROTOCOL.md §4).
    ear = open_wire(connection, name=client_name(under, queue, "qe"))
    try:
        place = await begin(ear, stream, after)
        pause_s = FIRST_PAUSE_S
        while True:
            try:
                before = place.cursor
                await changed(ear, under, {queue: place.cursor}, BLOCK_MS)
                missed, events = await read_on(ear, queue, stream, place)
            except (RedisUnavailable, TimeoutError):
                await asyncio.sleep(pause_s)
                pause_s = min(2 * pause_s, LONGEST_PAUSE_S)
                continue
            pause_s = FIRST_PAUSE_S
            if missed is not None:
                yield _gap(queue, before, missed)
            for event in events:
                yield event
    finally:
        await ear.close()


async def begin(ear: Wire, stream: bytes, after: str | None) -> Place:
    """After an event's id, or with None where the stream ends now."""
    now = await _look(ear, stream)
    if after is None:
        return Place(now.last, now.added)
    return Place(after, 0 if after == OLDEST else None)


async def read_on(ear: Wire, queue: str, stream: bytes, place: Place) -> tuple[int | None, list[Event]]:
    """What came after the place, which moves on, and how many events were missed before these: None for none, 0 for an
    unknown number. Does not wait.
    """
    look, events = await _look_and_read(ear, queue, stream, place.cursor)
    missed = missed_before(place, look)
    if missed is not None and place.index is not None:
        place.index += missed
    move(place, look, events)
    return missed, events


def missed_before(place: Place, now: Stream) -> int | None:
    """How many events were lost between a place and what is left: None for none, 0 for an unknown number."""
    if place.index is None or now.added is None or now.trimmed is None:
        may_be_missing = now.trimmed != 0 and place.cursor != OLDEST
        # Of an empty stream all is gone.
        left = now.last if now.first == OLDEST else now.first
        return 0 if may_be_missing and position(left) > position(place.cursor) else None
    has_own = now.trimmed < place.index
    if now.added < place.index or (has_own and position(now.first) > position(place.cursor)):
        # What was read last should still be there: the stream was deleted and begun anew.
        place.index = None
        return 0
    return now.trimmed - place.index if now.trimmed > place.index else None


def move(place: Place, now: Stream | None, events: list[Event], *, is_all: bool = True) -> None:
    """Behind these events: all that there were after it, or (`is_all` false) the first of them. Where it stands among
    all events ever is found again where the stream, if it was looked at, tells.
    """
    if place.index is not None:
        place.index += len(events)
    elif now is None:
        pass
    elif is_all and (not events or events[-1].id == now.last):
        place.index = now.added
    elif events and events[0].id == now.first and now.trimmed is not None:
        place.index = now.trimmed + len(events)
    if events:
        place.cursor = events[-1].id


async def _look_and_read(ear: Wire, queue: str, stream: bytes, cursor: str) -> tuple[Stream, list[Event]]:
    # In one transaction: between a look and a reading a busy queue trims what it adds.
    look = command("XINFO", "STREAM", stream)
    reading = command("XREAD", "COUNT", MOST_EVENTS, "STREAMS", stream, cursor)
    async with asyncio.timeout(ANSWER_S):
        *_, (told, read) = await ear.run([command("MULTI"), look, reading, command("EXEC")])
    if isinstance(read, Exception):
        raise refusal(str(read))
    return stream_of(told), [entry_event(queue, *entry) for _, entries in read or () for entry in entries]


async def _look(ear: Wire, stream: bytes) -> Stream:
    (told,) = await ear.run([command("XINFO", "STREAM", stream)], return_errors=True)
    return stream_of(told)


def stream_of(told: Any) -> Stream:
    if not isinstance(told, list | Mapping):
        return Stream()
    found: dict[bytes, Any] = dict(codec.pairs(told))
    first, added = found.get(b"first-entry"), found.get(b"entries-added")
    trimmed = None if added is None else added - found[b"length"]
    return Stream(added, trimmed, first[0].decode() if first else OLDEST, found[b"last-generated-id"].decode())


def _gap(queue: str, cursor: str, missed: int) -> Event:
    return Event(queue, cursor, GAP, "", {b"count": str(missed).encode()} if missed else {})
