"""What changes Redis at a person's wish: BullMQ's own scripts, one round trip each. Many at once go one call per job,
pipelined, so that no single call halts the workers.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from typing import Any

from django.utils.translation import gettext as _

from queues.errors import JobLocked, JobNotFound, JobStateChanged, RedisUnavailable, Refused, TorilError
from queues.protocol import codec
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import Keys
from queues.protocol.reads import job_states
from queues.protocol.taken import JobOptions, job_options
from queues.states import State

# What BullMQ's scripts answer (bullmq/error_code.py of the locked version).
DONE = 1
MISSING_JOB = -1
NOT_IN_STATE = -3
SCHEDULED_JOB = -8


def now_ms() -> int:
    return time.time_ns() // 1_000_000


async def pause(connection: str, queue: str) -> None:
    """Workers start nothing more; what runs, runs on."""
    k = keys(connection, queue)
    await wire(connection).call(
        call_script("pause", k.many("wait paused meta prioritized events delayed marker"), ["paused"])
    )


async def resume(connection: str, queue: str) -> int:
    """Returns how many jobs an older BullMQ's `paused` list still holds: call again until 0 (7,000 move per call)."""
    k = keys(connection, queue)
    left: int = await wire(connection).call(
        call_script("pause", k.many("paused wait meta prioritized events delayed marker"), ["resumed"])
    )
    return left


async def retry_job(connection: str, queue: str, job_id: str, state: State, reset_attempts: bool = False) -> None:
    """Put a failed or completed job back to wait; its priority stays, lifo goes to the head, and its attempts count on
    unless `reset_attempts`.

    Raises JobNotFound, or JobStateChanged where it is no longer in `state`.
    """
    k = keys(connection, queue)
    options = await wire(connection).call(command("HGET", k.job(job_id), "opts", read=_options))
    await _one(connection, queue, job_id, "retried", retry(k, job_id, state, options.is_lifo, reset_attempts))


async def promote_job(connection: str, queue: str, job_id: str) -> None:
    """Run a delayed job next. Raises JobNotFound or JobStateChanged."""
    await _one(connection, queue, job_id, "promoted", promote(keys(connection, queue), job_id))


async def remove_job(connection: str, queue: str, job_id: str, remove_children: bool = True) -> None:
    """Remove a job from wherever it is, with its logs and, if asked, its children.

    Raises JobNotFound, JobLocked, or Refused where a scheduler owns it. A hash that is gone but listed is unlisted.
    """
    k = keys(connection, queue)
    state = (await job_states(connection, queue, [job_id]))[0]
    exists = await wire(connection).call(command("EXISTS", k.job(job_id)))
    if not exists and state is State.UNKNOWN:
        raise JobNotFound(queue, job_id)
    answer = await wire(connection).call(_remove(k, job_id, remove_children))
    if answer == SCHEDULED_JOB:
        raise Refused(
            _("Job “%(job)s” is the next run of a scheduler: remove the scheduler instead.") % {"job": job_id}
        )
    if answer != DONE:
        raise JobLocked(job_id)


async def retry_jobs(connection: str, queue: str, state: State, job_ids: Sequence[str]) -> list[str | None]:
    """Per id: None where it was put back, else why not. One round trip; as with Node's, lifo is no matter."""
    k = keys(connection, queue)
    return await _many(connection, [retry(k, job_id, state) for job_id in job_ids])


async def promote_jobs(connection: str, queue: str, job_ids: Sequence[str]) -> list[str | None]:
    """Per id: None where it was promoted, else why not. One round trip."""
    k = keys(connection, queue)
    return await _many(connection, [promote(k, job_id) for job_id in job_ids])


def _options(stored: bytes | None) -> JobOptions:
    return job_options(stored or b"{}")


def retry(k: Keys, job_id: str, state: State, is_lifo: bool = False, reset_attempts: bool = False) -> Command[int]:
    given = (k.job(job_id), k("events"), k.state(state), *k.many("wait meta active marker prioritized pc"))
    outcome = "failedReason" if state is State.FAILED else "returnvalue"
    push = "RPUSH" if is_lifo else "LPUSH"
    reset = "1" if reset_attempts else "0"
    return call_script("reprocessJob", given, [codec.raw(job_id), push, outcome, state.value, reset, reset])


def promote(k: Keys, job_id: str) -> Command[int]:
    given = k.many("delayed wait paused meta prioritized active pc events marker")
    return call_script("promote", given, [k.base, codec.raw(job_id)], read=lambda answer: answer or DONE)


def _remove(k: Keys, job_id: str, remove_children: bool) -> Command[int]:
    return call_script(
        "removeJob",
        (k.job(job_id), k("repeat")),
        [codec.raw(job_id), "1" if remove_children else "0", k.base],
    )


async def _one(connection: str, queue: str, job_id: str, verb: str, asked: Command[int]) -> None:
    answer = await wire(connection).call(asked)
    if answer == DONE:
        return
    state = (await job_states(connection, queue, [job_id]))[0]
    if state is State.UNKNOWN:
        exists = await wire(connection).call(command("EXISTS", keys(connection, queue).job(job_id)))
        if not exists:
            raise JobNotFound(queue, job_id)
    raise JobStateChanged(job_id, verb, None if state is State.UNKNOWN else state.value)


REASONS = {
    MISSING_JOB: "it is gone",
    NOT_IN_STATE: "it is in another state now",
}


#: Per id, where the connection broke: it may have been done or not.
UNANSWERED = "Redis did not answer"


async def _many(connection: str, asked: list[Command[int]]) -> list[str | None]:
    # Not `run`: where the connection breaks midway, what was answered before must not be lost.
    on = wire(connection)
    answers = await asyncio.gather(*[on.submit(one) for one in asked], return_exceptions=True)
    return [_reason(answer) for answer in answers]


def _reason(answer: Any) -> str | None:
    if isinstance(answer, RedisUnavailable):
        return UNANSWERED
    if isinstance(answer, TorilError):
        return str(answer)
    if answer == DONE:
        return None
    return REASONS.get(answer, f"BullMQ answered {answer}")
