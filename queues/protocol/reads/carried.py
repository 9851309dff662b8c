"""What jobs carry, for whoever tells of them: names and data of many, in two round trips; nothing of megabytes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queues.protocol import codec
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire

#: Larger data is not read …
LARGEST = 1024 * 1024
#: … and of all jobs together no more than this at once.
MOST_BYTES = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Carried:
    """`data` is None where it is too large to be looked into."""

    name: str
    data: bytes | None
    timestamp_ms: int


async def carried(connection: str, jobs: Sequence[tuple[str, str]]) -> list[Carried | None]:
    """For each (queue, id); None where there is no such job. Raises RedisUnavailable."""
    found: list[Carried | None] = []
    sizes = await _run(connection, [("HSTRLEN", job, "data") for job in jobs])
    at = 0
    while at < len(jobs):
        end, held = at, 0
        while end < len(jobs) and (end == at or held + _fitting(sizes[end]) <= MOST_BYTES):
            held += _fitting(sizes[end])
            end += 1
        found += await _read(connection, jobs[at:end], sizes[at:end])
        at = end
    return found


async def _read(connection: str, jobs: Sequence[tuple[str, str]], sizes: Sequence[Any]) -> list[Carried | None]:
    asked = [
        ("HMGET", job, "name", "timestamp", *(("data",) if _fits(size) else ()))
        for job, size in zip(jobs, sizes, strict=True)
    ]
    return [_carried(reply) for reply in await _run(connection, asked)]


def _carried(reply: Any) -> Carried | None:
    if not isinstance(reply, list) or reply[0] is None:
        return None
    name, timestamp, *data = reply
    return Carried(codec.text(name), data[0] if data else None, codec.integer("", timestamp or b"")[0])


def _fits(size: Any) -> bool:
    return isinstance(size, int) and size <= LARGEST


def _fitting(size: Any) -> int:
    return size if _fits(size) else 0


async def _run(connection: str, asked: Sequence[tuple[Any, ...]]) -> list[Any]:
    commands = [command(name, keys(connection, job[0]).job(job[1]), *rest) for name, job, *rest in asked]
    return await wire(connection).run(commands, return_errors=True)
