"""Why a job or a queue waits: facts, worst first. They are worded where they are shown."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum

from queues.lookups import metrics
from queues.lookups.serving import Serving, serving
from queues.models import Job, Queue
from queues.models.local import is_in_process
from queues.protocol.clock import now_ms
from queues.protocol.reads.standing import JobStanding, QueueStanding, job_standing, queue_standing
from queues.states import State


class Cause(StrEnum):
    """What holds a job up. Beside each: which facts of the Reason it comes with."""

    BROKEN = "broken"  # text: what Redis says of the key
    LISTLESS = "listless"
    LOST = "lost"
    FAILS = "fails"  # text: the reason that it will fail with
    CHILDREN = "children"  # count pending of `of`
    DUE = "due"  # at_ms
    OVERDUE = "overdue"  # at_ms
    BACKOFF = "backoff"  # at_ms; count: the next attempt, `of` those allowed
    PAUSED = "paused"  # text: who; at_ms: since when; both empty where it was paused from elsewhere
    NO_WORKER = "no_worker"  # ms: since when the last one is silent, 0 where there was none
    NO_PROCESSOR = "no_processor"
    RESTING = "resting"  # count: workers that take no new jobs
    UNKNOWN_NAME = "unknown_name"  # text: the job's name
    HELD = "held"  # ms
    LIMITED = "limited"  # ms; count started of `of` per period_ms
    CONCURRENCY = "concurrency"  # count active of `of`
    BUSY = "busy"  # count used of `of` slots
    UNSEEN = "unseen"
    BACKLOG = "backlog"  # count: ready jobs; ms: how long they take, 0 where that is not known
    BEHIND = "behind"  # count: jobs before it; ms as above
    NEXT = "next"


@dataclass(frozen=True, slots=True)
class Reason:
    cause: Cause
    count: int = 0
    of: int = 0
    ms: int = 0
    at_ms: int = 0
    period_ms: int = 0
    text: str = ""
    is_at_least: bool = False


@dataclass(frozen=True, slots=True)
class _Facts:
    """What is known of the queue, whichever job is asked about."""

    queue: Queue
    standing: QueueStanding
    serving: Serving = field(default_factory=Serving)
    per_s: float | None = None

    def takes_ms(self, jobs: int) -> int:
        return round(1000 * jobs / self.per_s) if self.per_s else 0


async def why_queue(queue: Queue) -> list[Reason]:
    """Why what is ready in this queue does not run, or not yet; empty where nothing waits to run.

    Raises RedisUnavailable, or RedisRefused.
    """
    if queue.broken:
        return [Reason(Cause.BROKEN, text=queue.broken)]
    facts = await _facts(queue)
    ready = facts.standing.ready
    if not ready:
        return [reason for reason in _held_up(facts, None) if reason.cause is Cause.PAUSED]
    held = list(_held_up(facts, facts.standing.next_name))
    stopped = any(reason.cause in _STANDSTILL for reason in held)
    return [*held, Reason(Cause.BACKLOG, ready, ms=0 if stopped else facts.takes_ms(ready))]


async def why_job(job: Job, queue: Queue) -> list[Reason]:
    """Why this job does not run now; empty where it runs, or has ended. Raises as `why_queue`."""
    state = job.state_enum
    if not job.exists or state in (State.COMPLETED, State.FAILED):
        return []
    if state is State.UNKNOWN:
        return [] if job.removed_at else [Reason(Cause.LISTLESS)]
    if state is State.ACTIVE:
        return [] if job.is_locked or job.is_local else [Reason(Cause.LOST)]
    if queue.broken:
        return [Reason(Cause.BROKEN, text=queue.broken)]
    facts, place = await asyncio.gather(_facts(queue), _place(job, state))
    will_fail = [Reason(Cause.FAILS, text=job.deferred_failure)] if job.deferred_failure else []
    if state is State.WAITING_CHILDREN:
        return [Reason(Cause.CHILDREN, place.pending, place.children), *will_fail]
    held = list(_held_up(facts, None if will_fail else job.name))
    if state is State.DELAYED:
        # What holds the queue up now holds this one up only when it is due.
        return [_due(job), *will_fail, *(reason for reason in held if reason.cause in _STANDSTILL)]
    return [*will_fail, *held, *_turn(facts, held, place)]


#: While one of these holds, nothing of the queue is started.
_STANDSTILL = {Cause.PAUSED, Cause.NO_WORKER, Cause.NO_PROCESSOR, Cause.RESTING, Cause.UNKNOWN_NAME}


def _held_up(facts: _Facts, job_name: str | None) -> Iterator[Reason]:
    """What keeps the queue's next job from being started, worst first."""
    if facts.standing.is_paused:
        pauser = facts.queue.pauser
        yield Reason(Cause.PAUSED, text=pauser.name if pauser else "", at_ms=pauser.at_ms if pauser else 0)
    yield from _unserved(facts, job_name)
    yield from _throttled(facts.standing)
    if facts.serving.are_all_busy:
        yield Reason(Cause.BUSY, facts.serving.used, facts.serving.slots)


def _unserved(facts: _Facts, job_name: str | None) -> Iterator[Reason]:
    if facts.queue.is_local:
        if facts.queue.workers == 0:
            yield Reason(Cause.NO_PROCESSOR)
        return
    found = facts.serving
    if found.lacks(job_name):
        yield Reason(Cause.UNKNOWN_NAME, text=job_name or "")
    if found.running or found.others:
        return
    if found.resting:
        yield Reason(Cause.RESTING, found.resting)
    elif found.others is None:
        yield Reason(Cause.UNSEEN)
    else:
        yield Reason(Cause.NO_WORKER, ms=round((found.silent_s or 0) * 1000))


def _throttled(standing: QueueStanding) -> Iterator[Reason]:
    limit, window = standing.limit_max, standing.window_ms
    if window and standing.is_held_by_hand:
        yield Reason(Cause.HELD, ms=window)
    elif window and limit and standing.started >= limit:
        yield Reason(Cause.LIMITED, standing.started, limit, window, period_ms=standing.limit_ms)
    if 0 < standing.concurrency <= standing.active:
        yield Reason(Cause.CONCURRENCY, standing.active, standing.concurrency)


def _turn(facts: _Facts, held: list[Reason], place: JobStanding) -> Iterator[Reason]:
    """Where it stands in the line."""
    if place.ahead is None:
        return
    if place.ahead:
        stopped = any(reason.cause in _STANDSTILL for reason in held)
        takes_ms = 0 if stopped else facts.takes_ms(place.ahead)
        yield Reason(Cause.BEHIND, place.ahead, ms=takes_ms, is_at_least=place.is_at_least)
    else:
        yield Reason(Cause.NEXT)


def _due(job: Job) -> Reason:
    due_ms = job.due_ms or 0
    if due_ms <= now_ms():
        return Reason(Cause.OVERDUE, at_ms=due_ms)
    if job.attempts_made:
        return Reason(Cause.BACKOFF, job.attempts_made + 1, job.attempts, at_ms=due_ms)
    return Reason(Cause.DUE, at_ms=due_ms)


async def _facts(queue: Queue) -> _Facts:
    pulse = (await metrics.pulses(queue.connection)).get(queue.name)
    per_s = pulse.per_s if pulse else None
    if is_in_process():
        standing = QueueStanding(queue.is_paused, queue.waiting, queue.prioritized, queue.active)
        return _Facts(queue, standing, per_s=per_s)
    standing, served = await asyncio.gather(
        queue_standing(queue.connection, queue.name), serving(queue.connection, queue.name)
    )
    limits = {(share.limit_max, share.limit_ms) for share in served.running if share.limit_max}
    return _Facts(queue, _limited_by_workers(standing, limits), served, per_s)


def _limited_by_workers(standing: QueueStanding, limits: set[tuple[int, int]]) -> QueueStanding:
    """A queue without a limit of its own has that of its workers, where they agree on one."""
    if standing.limit_max or len(limits) != 1:
        return standing
    ((most, per_ms),) = limits
    return replace(standing, limit_max=most, limit_ms=per_ms)


async def _place(job: Job, state: State) -> JobStanding:
    if job.is_local:
        return JobStanding()
    return await job_standing(job.connection, job.queue, job.job_id, state)
