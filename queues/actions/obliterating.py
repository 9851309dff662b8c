"""Removing a queue with all that is in it, in bounded steps: paused first, so that nothing starts meanwhile."""

from __future__ import annotations

import time
from dataclasses import dataclass

from asgiref.sync import sync_to_async

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Ending, record
from queues.actions.pace import Pace
from queues.errors import QueueNotFound, Refused, TorilError
from queues.models import Outcome, moves
from queues.models.local import is_in_process, jobs, queues
from queues.protocol import reads, selection, steering, writes
from queues.states import LISTED, State

#: One call works so long; what is left then is said, and asked for again.
BUDGET_S = 5.0


@dataclass(frozen=True, slots=True)
class Ruin:
    """What obliterating would take: jobs by state, whether it runs, how many jobs workers hold now."""

    total: int
    active: int
    is_paused: bool


@dataclass(frozen=True, slots=True)
class Obliterated:
    """How far it came. `error` is what stopped it."""

    queue: str
    removed: int
    left: int
    error: str = ""

    @property
    def finished(self) -> bool:
        return not self.left and not self.error

    @property
    def sentence(self) -> str:
        if self.finished:
            return f"Queue “{self.queue}” is gone, with {_jobs(self.removed)}. This cannot be undone."
        said = f"{_jobs(self.removed)} of queue “{self.queue}” removed, {self.left:,} left; it stays paused meanwhile."
        return f"{said} {self.error}".rstrip()


async def ruin(connection: str, queue: str) -> Ruin:
    """Raises QueueNotFound."""
    if is_in_process():
        found = await queues().filter(name=queue).afirst()
        if found is None:
            raise QueueNotFound(queue)
        active = await jobs(queue, State.ACTIVE).acount()
        return Ruin(await jobs(queue).acount(), active, found.is_paused)
    if not all(await selection.queues_exist(connection, [queue])):
        raise QueueNotFound(queue)
    (facts,) = await reads.queue_facts(connection, [queue])
    return Ruin(sum(facts.counts.values()), facts.counts.get(State.ACTIVE.value, 0), facts.is_paused)


async def obliterate(
    actor: Actor, connection: str, queue: str, *, force: bool, budget_s: float = BUDGET_S
) -> Obliterated:
    """Pause the queue, remove all its jobs, then the queue. Raises Refused where jobs are active, unless `force`: what
    runs then runs on, and its outcome is refused.
    """
    deed = Deed(actor, "queue.obliterate", connection, queue, parameters={"force": force})

    async def act() -> Obliterated:
        before = await ruin(connection, queue)
        deed.parameters["before"] = {"jobs": before.total, "active": before.active, "paused": before.is_paused}
        if before.active and not force:
            raise Refused(
                f"Nothing was removed: {before.active:,} job{'s are' if before.active > 1 else ' is'} being run. "
                "Wait for the end, or remove them by force."
            )
        if is_in_process():
            await sync_to_async(moves.obliterate)(queue)
            return Obliterated(queue, before.total, 0)
        return await _remove(deed, before, force, time.monotonic() + budget_s)

    return await record(deed, act, _ending)


async def _remove(deed: Deed, before: Ruin, force: bool, deadline: float) -> Obliterated:
    connection, queue, pace = deed.connection, deed.queue, Pace(0.0)
    await writes.pause(connection, queue)
    error = ""
    try:
        while not await steering.obliterate_some(connection, queue, force):
            if deed.is_unwanted or time.monotonic() >= deadline:
                break
            await pace.rest()
        else:
            return Obliterated(queue, before.total, 0)
    except TorilError as failed:
        error = str(failed)
    (facts,) = await reads.queue_facts(connection, [queue])
    left = sum(facts.counts.get(state.value, 0) for state in LISTED)
    return Obliterated(queue, max(before.total - left, 0), left, error)


def _ending(done: Obliterated) -> Ending:
    return Ending(Outcome.FAILED if done.error else Outcome.DONE, done.sentence, done.removed)


def _jobs(count: int) -> str:
    return f"{count:,} job" if count == 1 else f"{count:,} jobs"
