"""One job's past in its queue's event stream: a bounded look back, for the stream holds other jobs' megabytes too."""

from __future__ import annotations

from typing import Any

from queues.protocol.commands import command
from queues.protocol.connections import keys, wire
from queues.protocol.events import Event, entry_event

#: So many entries and bytes are looked at; what is older stays unknown.
MOST_EVENTS, MOST_BYTES = 4_000, 2 * 1024 * 1024
FIRST_CHUNK, LARGEST_CHUNK = 4, 400


async def past_events(connection: str, queue: str, job_id: str, since_ms: int) -> list[Event]:
    """Its events since then, oldest first. Chunks grow while entries are small: one may hold a result of any size."""
    on, stream = wire(connection), keys(connection, queue)("events")
    found: list[Event] = []
    until: bytes = b"+"
    chunk, seen, size = FIRST_CHUNK, 0, 0
    while seen < MOST_EVENTS and size < MOST_BYTES:
        entries = await on.call(command("XREVRANGE", stream, until, since_ms, "COUNT", chunk))
        events = [entry_event(queue, entry_id, flat) for entry_id, flat in entries]
        found += [event for event in events if event.job_id == job_id]
        if len(entries) < chunk:
            break
        weight = sum(map(_weight, events))
        seen, size, until = seen + len(entries), size + weight, b"(" + entries[-1][0]
        chunk = max(1, min(2 * chunk, LARGEST_CHUNK, int(MOST_BYTES / 8 * chunk / (weight or 1))))
    return found[::-1]


def _weight(event: Any) -> int:
    return sum(map(len, event.fields.values()))
