"""The events of many queues in one order, as a program is told them: nothing twice, nothing left out, gaps said."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from queues.protocol.commands import Command, command
from queues.protocol.events import Event, entry_event, now_command, position
from queues.protocol.keys import Keys
from queues.protocol.refusals import refusal
from queues.protocol.tailing import ANSWER_S, Place, Stream, missed_before, move, stream_of
from queues.protocol.wire import Wire

Position = tuple[int, int]
START: Position = (0, 0)
LATEST = 2**63


class Mark(NamedTuple):
    """How far somebody has been told: up to this event of this queue; without a queue, all of them up to here."""

    position: Position
    queue: str = ""

    def of(self, queue: str) -> Position:
        """After which position this queue goes on. Streams know no order among each other but their clock's: what
        others wrote in the same millisecond is told again.
        """
        is_exact = self.queue in ("", queue)
        return self.position if is_exact else (max(0, self.position[0] - 1), LATEST)


@dataclass(frozen=True, slots=True)
class Batch:
    """`missed`: events lost before these, by queue; 0 for an unknown number. `mark`: how far it leads, all queues."""

    events: list[Event] = field(default_factory=list)
    missed: Mapping[str, int] = field(default_factory=dict)
    mark: Mark = field(default=Mark(START))
    #: There is more to be read at once.
    is_cut: bool = False
    bytes: int = 0
    #: Of the queues that were looked at.
    streams: Mapping[str, Stream] = field(default_factory=dict)


def mark_of(event: Event) -> Mark:
    return Mark(position(event.id), event.queue)


def event_id(at: Position) -> str:
    return f"{at[0]}-{at[1]}"


async def read_together(
    wire: Wire, prefix: str, places: Mapping[str, Place], most: int, looked_at: Collection[str] | None = None
) -> Batch:
    """At most `most` events of each queue after its place, which moves on. Does not wait. Raises RedisUnavailable,
    TimeoutError, RedisRefused.

    Gaps are looked for in those queues alone that are to be looked at (None: in all); elsewhere nothing was new a
    moment ago. Where one queue has more, the others are read no further than it was: whoever goes on from the last
    event that it was told misses nothing of any queue.
    """
    names = list(places)
    looked = set(names if looked_at is None else looked_at)
    apart = await wire.apart([Keys(prefix, name)("events") for name in names])
    async with asyncio.timeout(ANSWER_S):
        told = await asyncio.gather(
            *(_read(wire, prefix, places, most, [names[at] for at in some], looked) for some in apart)
        )
    found = {name: events for _, read, _ in told for name, events in read.items()}
    streams = {name: stream for _, _, lying in told for name, stream in lying.items()}
    return _batch(places, streams, found, min((now for now, _, _ in told), key=position), most, is_apart=len(told) > 1)


async def _read(
    wire: Wire, prefix: str, places: Mapping[str, Place], most: int, names: Sequence[str], looked: Collection[str]
) -> tuple[str, dict[str, list[Event]], dict[str, Stream]]:
    """Of these queues, in one moment: when that was, their events and how their streams lie."""
    here, looks = {name: places[name] for name in names}, [name for name in names if name in looked]
    *_, told = await wire.run(_questions(prefix, here, most, looks))
    for answer in told:
        if isinstance(answer, Exception) and "no such key" not in str(answer):
            raise refusal(str(answer))
    now, *lying, read = told
    streams = {name: stream_of(look) for name, look in zip(looks, lying, strict=True)}
    return now_command().read(now), _entries(prefix, here, read), streams


def _questions(prefix: str, places: Mapping[str, Place], most: int, looked: Collection[str]) -> list[Command[Any]]:
    # In one transaction: between two looks a busy queue trims what it adds, and the clock goes on.
    names = [Keys(prefix, queue)("events") for queue in places]
    reading = command("XREAD", "COUNT", most, "STREAMS", *names, *(place.cursor for place in places.values()))
    looks = [command("XINFO", "STREAM", Keys(prefix, queue)("events")) for queue in looked]
    return [command("MULTI"), command("TIME"), *looks, reading, command("EXEC")]


def _entries(prefix: str, places: Mapping[str, Place], read: Any) -> dict[str, list[Event]]:
    by_key = {Keys(prefix, queue)("events"): queue for queue in places}
    return {by_key[key]: [entry_event(by_key[key], *entry) for entry in entries] for key, entries in read or ()}


def _batch(
    places: Mapping[str, Place],
    streams: Mapping[str, Stream],
    found: Mapping[str, list[Event]],
    now: str,
    most: int,
    *,
    is_apart: bool,
) -> Batch:
    cut = [mark_of(events[-1]) for events in found.values() if len(events) >= most]
    # Where queues were not read in one moment, what came after the first of them waits for the next reading: else
    # whoever goes on from there would miss what came to others in between.
    bounds = [*cut, Mark(position(now))] if is_apart else cut
    horizon = min(bounds, default=Mark(position(now)))
    missed: dict[str, int] = {}
    kept: list[Event] = []
    for name in found.keys() | streams.keys():
        place, stream, read = places[name], streams.get(name), found.get(name, [])
        if stream is not None and (lost := missed_before(place, stream)) is not None:
            missed[name] = lost
            place.index = stream.trimmed if place.index is None else place.index + lost
        events = [event for event in read if not bounds or mark_of(event) <= horizon]
        move(place, stream, events, is_all=len(events) == len(read))
        kept += events
    size = sum(len(value) for events in found.values() for event in events for value in event.fields.values())
    # What was written after the clock was read is not after it.
    last = max((mark_of(event) for event in kept), default=horizon)
    mark = horizon if bounds else max(horizon, last)
    return Batch(sorted(kept, key=mark_of), missed, mark, bool(cut), size, streams)
