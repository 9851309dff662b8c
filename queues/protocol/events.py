"""A queue's event stream (PROTOCOL.md §3) as typed events. Trimmed after about 2,500 jobs: hints, never the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.keys import Keys
from queues.protocol.wire import Wire

#: How much longer than its block an answer may take before the connection counts as half-open.
MARGIN_S = 2.0
#: The names of BullMQ's own events; any other is somebody's own.
BULLMQ = frozenset(
    "added waiting active delayed progress completed failed retries-exhausted stalled waiting-children removed"
    " duplicated deduplicated debounced drained paused resumed cleaned".split()
)
#: In an event of our own: which of its fields hold JSON, separated by commas; the others hold text.
JSON_FIELDS = "toril:json"


@dataclass(frozen=True, slots=True)
class Event:
    """One entry. `type` is BullMQ's word (`completed`, `waiting`, …); `job_id` is empty for queue-wide ones."""

    queue: str
    id: str
    type: str
    job_id: str
    fields: Mapping[bytes, bytes]


async def read_events(
    wire: Wire, prefix: str, cursors: Mapping[str, str], count: int, block_ms: int | None = None
) -> list[Event]:
    """At most `count` events per queue after each cursor (`0-0` for the oldest), oldest first.

    Blocks up to `block_ms` for the first; give it a wire of its own then. Empty cursors answer at once.
    """
    return _events(await _xread(wire, prefix, cursors, count, block_ms))


async def changed(wire: Wire, prefix: str, cursors: Mapping[str, str], block_ms: int | None = None) -> set[str]:
    """The queues of which something is newer than their cursor; empty when `block_ms` passed quietly."""
    return {queue for queue, _ in await _xread(wire, prefix, cursors, 1, block_ms)}


async def readable(wire: Wire, prefix: str, queues: Sequence[str]) -> list[str]:
    """Those whose `events` key is a stream or not there yet; one of another type fails every XREAD that names it."""
    kinds = await wire.run([command("TYPE", Keys(prefix, queue)("events")) for queue in queues])
    return [queue for queue, kind in zip(queues, kinds, strict=True) if kind in (b"stream", b"none", "stream", "none")]


def now_command(earlier_ms: int = 0) -> Command[str]:
    """Redis's own clock as a stream position, minus 1 ms: nothing written after this reply is before it."""
    return command("TIME", read=lambda reply: f"{int(reply[0]) * 1000 + int(reply[1]) // 1000 - 1 - earlier_ms}-0")


async def server_now(wire: Wire, earlier_ms: int = 0) -> str:
    return await wire.call(now_command(earlier_ms))


async def _xread(
    wire: Wire, prefix: str, cursors: Mapping[str, str], count: int, block_ms: int | None
) -> list[tuple[str, Any]]:
    if not cursors:
        return []
    streams = {Keys(prefix, queue)("events"): queue for queue in cursors}
    block = () if block_ms is None else ("BLOCK", block_ms)
    asked = command("XREAD", "COUNT", count, *block, "STREAMS", *streams, *cursors.values())
    reply = await wire.call(asked, None if block_ms is None else block_ms / 1000 + MARGIN_S)
    return [(streams[key], entries) for key, entries in reply or ()]


def _events(streams: list[tuple[str, Any]]) -> list[Event]:
    return [entry_event(queue, entry_id, flat) for queue, entries in streams for entry_id, flat in entries]


def entry_event(queue: str, entry_id: bytes, flat: Any) -> Event:
    """One entry as Redis tells it: its id, and its fields and values in turns."""
    fields = codec.pairs(flat)
    kind, job_id = fields.get(b"event", b""), fields.get(b"jobId", b"")
    return Event(queue, entry_id.decode(), codec.text(kind), codec.text(job_id), fields)


def position(event_id: str) -> tuple[int, int]:
    """An event's id as something that can be compared."""
    ms, _, n = event_id.partition("-")
    return int(ms), int(n or 0)
