"""A queue's event stream (PROTOCOL.md §3) as typed events. Trimmed after about 2,500 jobs: hints, never the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from queues.errors import RedisRefused
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.keys import Keys
from queues.protocol.wire import Wire

#: How much longer than its block an answer may take before the connection counts as half-open.
MARGIN_S = 2.0


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


@dataclass(frozen=True, slots=True)
class Extent:
    """Of a stream: entries ever `added` (None before Redis 7), how many are left, and the oldest ("" for none)."""

    added: int | None = 0
    length: int = 0
    first: str = ""

    @property
    def trimmed(self) -> int | None:
        return None if self.added is None else self.added - self.length


async def extents(wire: Wire, prefix: str, queues: Sequence[str]) -> tuple[str, dict[str, Extent]]:
    """Redis's own clock as a stream position, and how far each queue's stream reached at that moment."""
    *_, (now, *told) = await wire.run([command("MULTI"), command("TIME"), *_looks(prefix, queues), command("EXEC")])
    return now_command().read(now), _extents(queues, told)


async def read_with_extents(
    wire: Wire, prefix: str, cursors: Mapping[str, str], count: int
) -> tuple[list[Event], dict[str, Extent]]:
    """As `read_events`, without waiting, and how far each stream reached at that moment: so its reader knows what was
    trimmed before. Raises RedisRefused.
    """
    keys = {Keys(prefix, queue)("events"): queue for queue in cursors}
    asked = command("XREAD", "COUNT", count, "STREAMS", *keys, *cursors.values())
    # At once: between a look and a reading a busy queue may trim what it adds.
    told = await wire.run([command("MULTI"), asked, *_looks(prefix, list(cursors)), command("EXEC")])
    read, *looks = told[-1]
    if isinstance(read, Exception):
        raise RedisRefused(f"Redis refused: {read}.")
    return _events([(keys[key], entries) for key, entries in read or ()]), _extents(list(cursors), looks)


def _looks(prefix: str, queues: Sequence[str]) -> list[Command[Any]]:
    return [command("XINFO", "STREAM", Keys(prefix, queue)("events")) for queue in queues]


def _extents(queues: Sequence[str], told: Sequence[Any]) -> dict[str, Extent]:
    return {queue: _extent(one) for queue, one in zip(queues, told, strict=True)}


def _extent(told: Any) -> Extent:
    if isinstance(told, Exception):
        return Extent()
    facts: dict[bytes, Any] = codec.pairs(told)
    first = facts.get(b"first-entry")
    return Extent(facts.get(b"entries-added"), facts.get(b"length", 0), first[0].decode() if first else "")


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
    return [_event(queue, entry_id, codec.pairs(flat)) for queue, entries in streams for entry_id, flat in entries]


def _event(queue: str, entry_id: bytes, fields: dict[bytes, bytes]) -> Event:
    return Event(
        queue,
        entry_id.decode(),
        codec.text(fields.get(b"event", b"")),
        codec.text(fields.get(b"jobId", b"")),
        fields,
    )
