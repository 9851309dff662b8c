"""How many jobs a bulk action would touch: exactly, or, where that would take too long, at least."""

from __future__ import annotations

from dataclasses import dataclass

from queues.actions import local
from queues.actions.walks import is_meant, places
from queues.models.local import is_in_process
from queues.protocol import selection
from queues.states import State

#: As many jobs are looked at one by one before a count says "at least".
MOST_LOOKED_AT, CHUNK = 10_000, 500


@dataclass(frozen=True, slots=True)
class Count:
    """`count` of the `total` jobs that are there now; `is_least` where not all could be looked at. `scheduled` are the
    coming runs of schedulers, which stay.
    """

    count: int
    total: int
    is_least: bool = False
    scheduled: int = 0

    def __add__(self, other: Count) -> Count:
        return Count(
            self.count + other.count,
            self.total + other.total,
            self.is_least or other.is_least,
            self.scheduled + other.scheduled,
        )


async def count(connection: str, queue: str, action: str, state: State, before_ms: int) -> Count:
    """Redis is asked for at most `MOST_LOOKED_AT` jobs per key, in chunks."""
    if is_in_process():
        return Count(*await local.count(queue, action, state, before_ms))
    if state.is_finished:
        total = await selection.key_length(connection, queue, state.value)
        return Count(await selection.count_finished(connection, queue, state, before_ms), total)
    counted = Count(0, 0)
    for suffix in places(action, state):
        counted += await _look(connection, queue, suffix, before_ms, must_exist=action == "promote-all")
    return counted


async def _look(connection: str, queue: str, suffix: str, before_ms: int, *, must_exist: bool) -> Count:
    total = await selection.key_length(connection, queue, suffix)
    found = scheduled = 0
    for start in range(0, min(total, MOST_LOOKED_AT), CHUNK):
        ids = await selection.placed_ids(connection, queue, suffix, start, CHUNK)
        jobs = await selection.candidates(connection, queue, suffix, ids)
        found += sum(is_meant(job, before_ms, must_exist=must_exist) for job in jobs)
        scheduled += sum(job.is_next_run for job in jobs)
    return Count(found, total, total > MOST_LOOKED_AT, scheduled)
