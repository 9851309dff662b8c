"""A retry's longer ways: later instead of now, and back again."""

from __future__ import annotations

import time
from dataclasses import dataclass

from queues.actions import undo
from queues.actions.audit import Offer
from queues.protocol import moving, reads, undoing
from queues.protocol.moving import Mark
from queues.states import State

#: A larger result or reason is not kept only to put it back.
MOST_KEPT = 256 * 1024
_NAMES = ("finishedOn", "processedOn", "atm", "ats", "parentKey")


@dataclass(frozen=True, slots=True)
class Former:
    """What a retry takes away. `fields` None: more than is kept, or more than one job's own."""

    known: Mark
    ended_ms: str
    fields: dict[str, bytes] | None


def outcome_field(state: State) -> str:
    return "failedReason" if state is State.FAILED else "returnvalue"


async def former(connection: str, queue: str, job_id: str, state: State) -> Former:
    known = await moving.mark(connection, queue, job_id)
    (found,) = await reads.job_fields(connection, queue, [job_id], _NAMES)
    size = await undoing.field_size(connection, queue, job_id, outcome_field(state))
    ended = found.get(b"finishedOn", b"0").decode("ascii", "replace")
    # A child that is retried is waited for again: its parent's books are not kept.
    if size > MOST_KEPT or found.get(b"parentKey"):
        return Former(known, ended, None)
    fields = {name.decode(): value for name, value in found.items()}
    if size:
        fields[outcome_field(state)] = await reads.job_field(connection, queue, job_id, outcome_field(state)) or b""
    return Former(known, ended, fields)


async def retry_later(
    connection: str, queue: str, job_id: str, state: State, known: Mark, delay_ms: int, reset_attempts: bool
) -> None:
    due_ms = time.time_ns() // 1_000_000 + delay_ms
    gone = ("finishedOn", "processedOn", outcome_field(state), *(("atm", "ats") if reset_attempts else ()))
    await moving.move(
        connection,
        queue,
        job_id,
        "retried",
        taken_from=(state,),
        to=State.DELAYED,
        at_ms=due_ms,
        known=known,
        fields={"delay": delay_ms},
        without=gone,
    )


async def offer_back(
    connection: str, queue: str, job_id: str, state: State, was: Former, reset_attempts: bool
) -> Offer | None:
    if was.fields is None:
        return None
    # As the retry left it: no worker has started it since.
    started = "-" if reset_attempts else was.known.started
    way = {
        "from": ["waiting", "prioritized", "delayed"],
        "to": state.value,
        "at": was.ended_ms,
        "known": [was.known.timestamp, started],
        "fields": was.fields | {"delay": b"0"},
    }
    return await undo.offer(connection, "job.retry", queue, job_id, "move", **way)
