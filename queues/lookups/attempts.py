"""When a job's attempts ran: what our workers noted on it, and for others a bounded look into the queue's events."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from queues.errors import RedisRefused
from queues.models import Job
from queues.protocol.attempts import Run, read_runs
from queues.protocol.events import Event
from queues.protocol.reads.past import past_events
from queues.states import State

#: BullMQ's events that end an attempt.
_ENDS = ("delayed", "waiting", "completed", "failed", "waiting-children", "prioritized")
#: As many answers of the event stream are kept: a page that is told anew each second must not read it anew.
MOST_KEPT = 200
_kept: dict[tuple[str, str, str, int, int], tuple[Run, ...]] = {}


async def attempt_runs(connection: str, job: Job, noted: str) -> tuple[Run, ...]:
    """By number; only those of which something is known. The last attempt is told by the job's own fields."""
    runs = {run.number: run for run in read_runs(noted) if run.number <= max(job.attempts_made, 1)}
    ended = ended_attempts(job)
    if any(number not in runs for number in range(max(1, ended - 10), ended + 1)):
        for run in await _from_events(connection, job):
            runs.setdefault(run.number, run)
    return tuple(runs[number] for number in sorted(runs))


def ended_attempts(job: Job) -> int:
    """How many attempts ended before the one that `processed_on_ms` tells of."""
    if job.state == State.ACTIVE or job.processed_on_ms is None:
        return job.attempts_made
    return max(job.attempts_made - 1, 0)


async def _from_events(connection: str, job: Job) -> tuple[Run, ...]:
    place = (connection, job.queue, job.job_id, job.timestamp_ms, job.attempts_started * 1_000 + job.attempts_made)
    if place not in _kept:
        told: list[Event] = []
        with suppress(RedisRefused):
            told = await past_events(connection, job.queue, job.job_id, job.timestamp_ms)
        if len(_kept) >= MOST_KEPT:
            _kept.pop(next(iter(_kept)))
        _kept[place] = tuple(_numbered(_runs(told), job))
    return _kept[place]


def _runs(events: list[Event]) -> list[Run]:
    """Starts with their ends, oldest first; a start that no end followed was lost with its worker."""
    runs: list[Run] = []
    for event in events:
        at_ms = int(event.id.partition("-")[0])
        if event.type == "active":
            runs.append(Run(0, at_ms))
        elif event.type in _ENDS and runs and runs[-1].ended_ms is None:
            runs[-1] = replace(runs[-1], ended_ms=at_ms)
    return runs


def _numbered(runs: list[Run], job: Job) -> list[Run]:
    """Only where every start was an attempt can it be said which: a stalled one, or one put off, counts as none."""
    ended = [run for run in runs if run.ended_ms is not None]
    if job.attempts_started != job.attempts_made + (job.state == State.ACTIVE):
        return []
    first = job.attempts_made - len(ended) + 1
    return [replace(run, number=first + at) for at, run in enumerate(ended) if first + at > 0]
