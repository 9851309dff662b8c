"""What a person may do to one job. Each is recorded; BullMQ's script decides, the state table only advises buttons."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from queues.actions import local
from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, of_done, record
from queues.errors import JobNotFound, JobStateChanged, RedisRefused, RedisUnavailable, Refused
from queues.models.local import is_in_process
from queues.protocol import reads, writes
from queues.protocol.codec import text
from queues.protocol.keys import RESERVED_IDS
from queues.states import JOB_ACTIONS, State


async def retry_job(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Put a failed or completed job back to wait: its attempts count on, its priority stays.

    Raises JobNotFound, or JobStateChanged with where the job is by now.
    """

    async def act() -> Done:
        if is_in_process():
            return await local.retry_job(queue, job_id)
        state = await _checked(connection, queue, job_id, "retry", "retried")
        await writes.retry_job(connection, queue, job_id, state)
        return await _moved(connection, queue, job_id, "was put back to run again")

    return await _record(actor, "job.retry", connection, queue, job_id, act)


async def promote_job(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Let a delayed job run now. Raises JobNotFound or JobStateChanged."""

    async def act() -> Done:
        if is_in_process():
            return await local.promote_job(queue, job_id)
        await _checked(connection, queue, job_id, "promote", "promoted")
        await writes.promote_job(connection, queue, job_id)
        return await _moved(connection, queue, job_id, "was promoted")

    return await _record(actor, "job.promote", connection, queue, job_id, act)


async def remove_job(actor: Actor, connection: str, queue: str, job_id: str) -> Done:
    """Remove a job, its logs and its children. Raises JobNotFound, JobLocked (it or a child is being run), or Refused
    where it is a scheduler's coming run.
    """

    async def act() -> Done:
        if is_in_process():
            return await local.remove_job(queue, job_id)
        await _look(connection, queue, job_id)
        try:
            await writes.remove_job(connection, queue, job_id)
        except Refused as error:
            if scheduler := await _scheduler(connection, queue, job_id):
                raise Refused(
                    f"Job “{job_id}” was not removed: it is the next run of scheduler “{scheduler}”, which would stop "
                    "without it. Remove the scheduler instead."
                ) from error
            raise
        return Done(f"Job “{job_id}” was removed.")

    return await _record(actor, "job.remove", connection, queue, job_id, act)


async def _record(
    actor: Actor, action: str, connection: str, queue: str, job_id: str, act: Callable[[], Awaitable[Done]]
) -> Done:
    return await record(Deed(actor, action, connection, queue, job_id), act, of_done)


async def _look(connection: str, queue: str, job_id: str) -> tuple[State, bool]:
    """Where the job is, and whether its hash is there. Raises JobNotFound where there is none.

    A name in the queue's keyspace that is no job must never reach a script: removing “meta” would take the queue away.
    """
    (state,), (fields,) = await asyncio.gather(
        reads.job_states(connection, queue, [job_id]),
        reads.job_fields(connection, queue, [job_id], ["timestamp", "name"]),
    )
    is_listed = state is not State.UNKNOWN and job_id not in RESERVED_IDS
    if not is_listed and b"timestamp" not in fields:
        raise JobNotFound(queue, job_id)
    return state, bool(fields)


async def _checked(connection: str, queue: str, job_id: str, action: str, verb: str) -> State:
    """The state the job is in, where the action makes sense in it."""
    state, has_hash = await _look(connection, queue, job_id)
    if not has_hash:
        # The scripts would bring an empty job back to life.
        raise Refused(f"Job “{job_id}” was not {verb}: its hash is gone, only its id is left. It can be removed.")
    if state is State.UNKNOWN:
        raise Refused(f"Job “{job_id}” was not {verb}: no list of the queue holds it.")
    if state not in JOB_ACTIONS[action]:
        raise JobStateChanged(job_id, verb, state.value)
    return state


async def _moved(connection: str, queue: str, job_id: str, what: str) -> Done:
    try:
        (state,) = await reads.job_states(connection, queue, [job_id])
    except (RedisUnavailable, RedisRefused):
        return Done(f"Job “{job_id}” {what}.")
    if state is State.UNKNOWN:
        return Done(f"Job “{job_id}” {what}; it has run already and was not kept.")
    return Done(f"Job “{job_id}” {what}: it is {state.label.lower()} now.", state)


async def _scheduler(connection: str, queue: str, job_id: str) -> str:
    try:
        return text(await reads.job_field(connection, queue, job_id, "rjk") or b"")
    except RedisRefused:
        return ""
