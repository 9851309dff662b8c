"""The look and the small steps of an undo that no script of BullMQ's has."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.moving import READY, Mark, move
from queues.states import State

#: So long nobody takes a job that is about to be removed.
AWAY_MS = 3_600_000
DELAY_BITS = 4096


async def due_ms(connection: str, queue: str, job_id: str) -> int | None:
    """When a delayed job is due; None where it is not delayed."""
    score = await wire(connection).call(command("ZSCORE", keys(connection, queue)("delayed"), codec.raw(job_id)))
    return None if score is None else int(float(score)) // DELAY_BITS


async def take_away(connection: str, queue: str, job_id: str, known: Mark) -> None:
    """Let no worker take it. Raises Refused where one has, JobStateChanged, JobNotFound."""
    at_ms = time.time_ns() // 1_000_000 + AWAY_MS
    sources = (*READY, State.DELAYED)
    verb = "removed again"
    await move(
        connection, queue, job_id, verb, taken_from=sources, to=State.DELAYED, at_ms=at_ms, known=known, fields={}
    )


async def take_logs(connection: str, queue: str, job_id: str, most: int) -> list[bytes] | None:
    """Remove its log; the lines, or None where there are more than `most` (they are gone all the same)."""
    key = keys(connection, queue).logs(job_id)
    asked: list[Command[Any]] = [
        command("MULTI"),
        command("LRANGE", key, 0, most),
        command("DEL", key),
        command("EXEC"),
    ]
    *_, (lines, _gone) = await wire(connection).run(asked)
    return lines if len(lines) <= most else None


async def bring_logs_back(connection: str, queue: str, job_id: str, lines: Sequence[bytes]) -> None:
    """Before what it has logged since."""
    await wire(connection).call(command("LPUSH", keys(connection, queue).logs(job_id), *reversed(lines)))


async def pending_children(connection: str, queue: str, job_id: str) -> int:
    key = keys(connection, queue).dependencies(job_id)
    return int(await wire(connection).call(command("SCARD", key)))


async def field_size(connection: str, queue: str, job_id: str, field: str) -> int:
    return int(await wire(connection).call(command("HSTRLEN", keys(connection, queue).job(job_id), field)))
