"""One job from one resting place to another, one field of it, its recovery: our own scripts, each looked at and done in
one step (`own/` says why). What a person asks for meets a job that moves on its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from queues.errors import JobNotFound, JobStateChanged, Refused
from queues.protocol import codec
from queues.protocol.commands import call_script, command
from queues.protocol.connections import keys, wire
from queues.protocol.reads import job_states
from queues.protocol.writes import MISSING_JOB, NOT_IN_STATE
from queues.states import State

_STARTED, _CHANGED, _LOCKED = -2, -4, -6
#: State → the place's name in the script, which is its key's suffix.
PLACES = {
    State.WAITING: "wait",
    State.PRIORITIZED: "prioritized",
    State.DELAYED: "delayed",
    State.COMPLETED: "completed",
    State.FAILED: "failed",
}
READY = (State.WAITING, State.PRIORITIZED)


class Changed(Refused):
    """What was looked at is another value by now; nothing was overwritten."""

    code = "changed"


class Running(Refused):
    """A worker runs the job; what was asked is for jobs at rest."""

    code = "running"
    state = State.ACTIVE.value


@dataclass(frozen=True, slots=True)
class Mark:
    """By what a job is known again: when it was added, how often it was started (“-”: never)."""

    timestamp: str
    started: str


async def mark(connection: str, queue: str, job_id: str) -> Mark:
    """Raises JobNotFound."""
    asked = command("HMGET", keys(connection, queue).job(job_id), "timestamp", "ats")
    timestamp, started = await wire(connection).call(asked)
    if timestamp is None:
        raise JobNotFound(queue, job_id)
    return Mark(codec.text(timestamp), "-" if started is None else codec.text(started))


async def move(
    connection: str,
    queue: str,
    job_id: str,
    verb: str,
    *,
    taken_from: tuple[State, ...],
    to: State,
    at_ms: int | str,
    known: Mark,
    fields: Mapping[str, Any],
    without: tuple[str, ...] = (),
) -> None:
    """`at_ms` is when it is due, or ended. Raises JobNotFound, JobStateChanged, or Running."""
    k = keys(connection, queue)
    places = ",".join(PLACES[state] for state in taken_from)
    flat = [part for name, value in fields.items() for part in (name, value)]
    given = (codec.raw(job_id), places, PLACES[to], at_ms, known.timestamp, known.started, len(fields), *flat, *without)
    names = k.many("wait prioritized delayed completed failed events meta marker active stalled")
    answer: int = await wire(connection).call(call_script("moveJob", (k.job(job_id), k.lock(job_id), *names), given))
    if answer == _STARTED:
        raise Refused(f"Job “{job_id}” was not {verb}: a worker has started it since.")
    await _settled(connection, queue, job_id, verb, answer)


def seal(stored: bytes | None) -> str:
    """By what a stored value is known again; “-” where there is none."""
    return "-" if stored is None else hashlib.sha1(stored, usedforsecurity=False).hexdigest()


async def change_field(
    connection: str,
    queue: str,
    job_id: str,
    field: str,
    value: bytes | None,
    sealed: str,
    *,
    timestamp: str = "*",
    also_ended: bool = True,
    verb: str = "changed",
) -> None:
    """Write the field (None: remove it) where its value still is the one that `sealed` was made of.

    Raises JobNotFound, Changed, Running, or JobStateChanged where it has ended and `also_ended` is not given.
    """
    k = keys(connection, queue)
    names = (k.job(job_id), k.lock(job_id), *k.many("active completed failed"))
    what = ("remove", "") if value is None else ("set", value)
    given = (codec.raw(job_id), field, sealed, *what, "1" if also_ended else "0", timestamp)
    answer: int = await wire(connection).call(call_script("changeField", names, given))
    if answer in (_CHANGED, _STARTED):
        raise Changed(f"Job “{job_id}” was not {verb}: it was changed since you looked. Nothing was overwritten.")
    await _settled(connection, queue, job_id, verb, answer)


async def recover(connection: str, queue: str, job_id: str, most_stalls: int) -> bool:
    """Put back an active job that no worker holds; whether it will run (else the next worker fails it).

    Raises JobNotFound, JobStateChanged, or Running where its lock is held.
    """
    k = keys(connection, queue)
    names = (k.job(job_id), k.lock(job_id), *k.many("active wait stalled meta marker events repeat"))
    given = (codec.raw(job_id), most_stalls)
    answer: int = await wire(connection).call(call_script("recoverJob", names, given))
    if answer == 2:
        return False
    await _settled(connection, queue, job_id, "recovered", answer)
    return True


async def _settled(connection: str, queue: str, job_id: str, verb: str, answer: int) -> None:
    if answer == MISSING_JOB:
        raise JobNotFound(queue, job_id)
    if answer == _LOCKED:
        raise Running(f"Job “{job_id}” was not {verb}: a worker is running it.")
    if answer == NOT_IN_STATE:
        (state,) = await job_states(connection, queue, [job_id])
        raise JobStateChanged(job_id, verb, None if state is State.UNKNOWN else state.value)
