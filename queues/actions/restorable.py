"""A few jobs removed together, copied whole first, so that it can be undone as a single removal can."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from queues.actions import undo
from queues.actions.audit import Offer
from queues.protocol import selection, taking
from queues.protocol.copying import Copy
from queues.protocol.keys import STATE_KEYS
from queues.states import State

#: So many jobs, together so large: more is an operation's, which keeps what it removes in SQL.
MOST_JOBS, MOST_BYTES = 50, 4 * 1024 * 1024


async def remove(
    connection: str, queue: str, state: State, job_ids: Sequence[str]
) -> tuple[dict[str, str | None], dict[str, Copy]]:
    """Remove jobs that are in this state: per id None where it is gone now, else why it stayed; and the copies of those
    that are gone. A job that cannot be copied is removed without.
    """
    copies = {i: copy for i, copy in (await taking.copies(connection, queue, state, job_ids)).items() if copy}
    answers: dict[str, str | None] = {}
    if copies:
        taken = await taking.take(connection, queue, list(copies), copies)
        answers |= dict(zip(copies, taken, strict=True))
    if bare := [job_id for job_id in job_ids if job_id not in copies]:
        _left, stayed = await selection.remove_placed(connection, queue, STATE_KEYS[state][0], bare)
        answers |= {job_id: stayed.get(job_id) for job_id in bare}
    kept = {job_id: copy for job_id, copy in copies.items() if answers[job_id] is None}
    # It is removed all the same; what was copied is as it was a moment before.
    answers |= {job_id: None for job_id, answer in answers.items() if answer == taking.CHANGED}
    return answers, kept


async def offer(connection: str, queue: str, copies: Mapping[str, Copy], removed: int) -> Offer | None:
    """The way back for all that were removed; None where not all of them, or too much, would have to be kept."""
    if not removed or len(copies) < removed or sum(map(_size, copies.values())) > MOST_BYTES:
        return None
    return await undo.offer(connection, "job.remove", queue, "", "taken", copies=list(copies.values()))


def _size(copy: Copy) -> int:
    return sum(map(len, copy["hash"].values())) + sum(map(len, copy["logs"]))
