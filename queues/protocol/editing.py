"""What changes one job at a program's wish: its data, priority, delay, log."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from queues.errors import JobNotFound, JobStateChanged
from queues.protocol import codec
from queues.protocol.commands import call_script
from queues.protocol.connections import keys, wire
from queues.protocol.reads import job_states
from queues.protocol.writes import MISSING_JOB, NOT_IN_STATE


async def update_data(connection: str, queue: str, job_id: str, data: str) -> None:
    """Raises JobNotFound."""
    asked = call_script("updateData", (keys(connection, queue).job(job_id),), (data,), _found(queue, job_id))
    await wire(connection).call(asked)


async def add_log(connection: str, queue: str, job_id: str, line: str, keep: int | None) -> int:
    """How many lines there are now. Raises JobNotFound."""
    k = keys(connection, queue)
    given = (codec.raw(job_id), line, keep or "")
    asked = call_script("addLog", (k.job(job_id), k.logs(job_id)), given, _found(queue, job_id))
    return int(await wire(connection).call(asked))


async def change_priority(connection: str, queue: str, job_id: str, priority: int, lifo: bool) -> None:
    """Raises JobNotFound. Of a job that does not wait only the field changes."""
    k = keys(connection, queue)
    given = (priority, k.base, codec.raw(job_id), "1" if lifo else "0")
    names = k.many("wait paused meta prioritized active pc marker")
    await wire(connection).call(call_script("changePriority", names, given, _found(queue, job_id)))


async def change_delay(connection: str, queue: str, job_id: str, delay_ms: int, from_ms: int | None = None) -> None:
    """From now on, or from that moment. Raises JobNotFound or JobStateChanged."""
    k = keys(connection, queue)
    given = (delay_ms, from_ms or time.time_ns() // 1_000_000, codec.raw(job_id), k.job(job_id))
    asked = call_script("changeDelay", k.many("delayed meta marker events"), given, _found(queue, job_id))
    if await wire(connection).call(asked) == NOT_IN_STATE:
        state = (await job_states(connection, queue, [job_id]))[0]
        raise JobStateChanged(job_id, "put off", state.value)


def _found(queue: str, job_id: str) -> Callable[[Any], Any]:
    def read(reply: Any) -> Any:
        if reply == MISSING_JOB:
            raise JobNotFound(queue, job_id)
        return reply

    return read
