"""Jobs of a queue that somebody may begin a new one with: the newest of each name, without what they carry."""

from __future__ import annotations

from dataclasses import dataclass

from queues.errors import TorilError
from queues.lookups.lists import job_list
from queues.states import State

MOST, LOOKED_AT = 6, 25


@dataclass(frozen=True, slots=True)
class Example:
    name: str
    job_id: str
    state: State


async def examples(connection: str, queue: str) -> list[Example]:
    """The newest finished first, then those that wait; none where the queue cannot be read."""
    found: dict[str, Example] = {}
    for state in (State.COMPLETED, State.FAILED, State.WAITING, State.DELAYED):
        if len(found) >= MOST:
            break
        try:
            jobs = (await job_list(connection, queue, state, 1, LOOKED_AT)).jobs
        except TorilError:
            break
        for job in jobs:
            if job.exists and len(found) < MOST:
                found.setdefault(job.name, Example(job.name, job.job_id, state))
    return list(found.values())
