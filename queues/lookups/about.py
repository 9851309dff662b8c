"""Who works on a queue, as Redis knows its connections; asked only where somebody wants to see it."""

from __future__ import annotations

from dataclasses import dataclass

from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups.heard import heard
from queues.protocol import reads


@dataclass(frozen=True, slots=True)
class Worker:
    """A worker's connection: its own name ("" for none) and from where."""

    name: str
    address: str


async def workers_of(connection: str, queue: str) -> list[Worker] | None:
    """A few seconds old at most; None where Redis does not tell who is connected. Raises RedisUnavailable."""
    found = (await heard(connection)).listeners
    if found is None:
        return None
    return sorted((Worker(one.name, one.address) for one in found if one.queue == queue), key=lambda one: one.name)


async def scheduler_count(connection: str, queue: str) -> int | None:
    """None where Redis does not tell."""
    try:
        return await reads.scheduler_count(connection, queue)
    except (RedisRefused, RedisUnavailable):
        return None
