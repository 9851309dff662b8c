"""Jobs with what they carry, for programs: a page of a state, or one. What is too large is left out and told."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from asgiref.sync import sync_to_async

from queues.errors import JobNotFound
from queues.lookups import local, mirrored
from queues.models import Job
from queues.models.local import is_in_process
from queues.protocol import reads
from queues.protocol.keys import RESERVED_IDS
from queues.protocol.reads import wholes as reading
from queues.states import State

#: Bytes of one field in a list, and of one job's alone; and of all that one answer carries.
IN_LIST, ALONE, BUDGET = 64 * 1024, 4 * 1024 * 1024, 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Whole:
    """`too_large`: fields that were not read, under BullMQ's names, with their bytes."""

    job: Job
    too_large: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """About how much it carries."""
        return sum(len(getattr(self.job, column)) for column in mirrored.COLUMNS.values())


async def whole_job(connection: str, queue: str, job_id: str) -> Whole:
    """The job as it is now, its `state` unknown where no list holds it. Raises JobNotFound."""
    if is_in_process():
        job = await local.whole_job(connection, queue, job_id)
        if job is None or job.removed_at is not None:
            raise JobNotFound(queue, job_id)
        return _fitted(job, ALONE)
    if job_id in RESERVED_IDS:
        raise JobNotFound(queue, job_id)
    ((record, too_large),), (state,) = await asyncio.gather(
        reading.wholes(connection, queue, [job_id], ALONE, BUDGET), reads.job_states(connection, queue, [job_id])
    )
    if not record.exists or not record.timestamp_ms:
        raise JobNotFound(queue, job_id)
    return Whole(Job.from_record(connection, queue, state, record), too_large)


async def whole_page(
    connection: str, queue: str, states: Sequence[State], start: int, count: int, is_newest_first: bool = True
) -> list[Whole]:
    """`count` jobs of each state from position `start`, state after state; those whose hash is gone are left out.

    Newest first is the reverse of the order in which they run, but for those that have ended.
    """
    if is_in_process():
        return await _local(connection, queue, states, start, count, is_newest_first)
    lists = await asyncio.gather(
        *[
            reads.state_ids(connection, queue, state, start, count, is_newest_first and not state.is_finished)
            for state in states
        ]
    )
    places = [(job_id, state) for state, ids in zip(states, lists, strict=True) for job_id in ids]
    found = await reading.wholes(connection, queue, [job_id for job_id, _ in places], IN_LIST, BUDGET)
    return [
        Whole(Job.from_record(connection, queue, state, record), too_large)
        for (_, state), (record, too_large) in zip(places, found, strict=True)
        if record.exists
    ]


@sync_to_async
def _local(
    connection: str, queue: str, states: Sequence[State], start: int, count: int, is_newest_first: bool
) -> list[Whole]:
    found: list[Job] = []
    for state in states:
        # Those that run are listed newest first already.
        turns = is_newest_first and not state.is_finished and state is not State.ACTIVE
        found += local.ordered(queue, state, turns)[start : start + count]
    for job in found:
        job.connection, job.is_local = connection, True
    return [_fitted(job, IN_LIST) for job in found]


def _fitted(job: Job, largest: int) -> Whole:
    too_large = {name: size for name, size in mirrored.sizes(job).items() if size > largest}
    for name in too_large:
        setattr(job, mirrored.COLUMNS[name], "")
    return Whole(job, too_large)
