"""Which rows one job id should have: what is stored, what Redis holds and what events told, made one. Pure.

Told the same twice it changes nothing, and a job that ended never becomes unfinished by an older event.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from queues.mirror.fold import Life
from queues.mirror.told_runs import ToldRun, joined, read
from queues.models import Job
from queues.models.job import RECORD_FIELDS
from queues.protocol.attempts import CLOCKS_MS
from queues.protocol.codec import JobRecord
from queues.protocol.reads import JobSight
from queues.states import State

UNREAD = "removed before the mirror read it: only its events are known, not its data and options"
CUT = "the result is cut: events tell it in full, the mirror keeps its beginning"
OF_REDIS = (*RECORD_FIELDS, "state", "problems", "removed_at")
#: And what events told beside it.
COMPARED = (*OF_REDIS, "told_runs")
#: How far the clocks of producers may stand from Redis's before one life is taken for two.
ADDING_MS = 10_000


@dataclass(frozen=True, slots=True)
class Told:
    """Of one job id: its hash and place now (None: not looked up or gone), and its lives since the last look."""

    job_id: str
    sight: JobSight | None = None
    lives: Sequence[Life] = ()


def rows(connection: str, queue: str, known: Sequence[Job], told: Told, now: datetime) -> list[Job]:
    """The rows to write for one id. `known` are its rows, oldest first; they are changed in place."""
    live = _live(connection, queue, told)
    before = {job.timestamp_ms: _values(job) for job in known}
    family = {job.timestamp_ms: job for job in known}
    claimed: set[int] = set()
    past = _past(told.lives, live)
    for life in past:
        job = _match(life, {ms: job for ms, job in family.items() if ms not in claimed})
        if job is None and (life.added_ms or life.final) and not _is_behind(life, family.values()):
            job = _unread(connection, queue, told.job_id, life)
            while job.timestamp_ms in family:
                # Two lives within a millisecond: the key must still tell them apart.
                job.timestamp_ms += 1
        if job is not None:
            _hear(job, job, life.runs)
            _end(job, life, now)
            family[job.timestamp_ms] = job
            claimed.add(job.timestamp_ms)
    if live is not None:
        _hear(live, family.get(live.timestamp_ms), told.lives[-1].runs if len(past) < len(told.lives) else ())
        family[live.timestamp_ms] = live
    for job in family.values():
        if job.removed_at is None and job is not live:
            job.removed_at = now
    changed = [job for ms, job in family.items() if before.get(ms) != _values(job)]
    for job in changed:
        job.synced_at = now
    return changed


def _values(job: Job) -> tuple[object, ...]:
    return tuple(getattr(job, name) for name in COMPARED)


def _live(connection: str, queue: str, told: Told) -> Job | None:
    if told.sight is None or not told.sight.record.exists:
        return None
    return Job.from_record(connection, queue, told.sight.state, told.sight.record)


def _past(lives: Sequence[Life], live: Job | None) -> Sequence[Life]:
    """The lives that are over: all but the one whose hash was read."""
    if live is None or not lives:
        return lives
    last = lives[-1]
    came_back = last.ended_ms is not None and live.timestamp_ms >= last.ended_ms and live.state != last.final
    return lives if came_back or last.removed_ms else lives[:-1]


def _match(life: Life, family: Mapping[int, Job]) -> Job | None:
    """The stored row that this life continues or tells again; None for a life not stored yet."""
    if life.added_ms is not None and life.added_ms in family:
        return family[life.added_ms]
    latest = family[max(family)] if family else None
    if latest is None or latest.removed_at is None or _is_told_again(life, latest):
        return latest
    near = min(family.values(), key=lambda job: abs(job.timestamp_ms - (life.added_ms or 0)))
    return near if abs(near.timestamp_ms - (life.added_ms or 0)) <= CLOCKS_MS and _is_told_again(life, near) else None


def _is_behind(life: Life, known: Iterable[Job]) -> bool:
    """A later life was told by events, which come in order: this one was told then, too."""
    return any(UNREAD in job.problems and job.timestamp_ms > (life.added_ms or life.first_ms) for job in known)


def _is_told_again(life: Life, closed: Job) -> bool:
    """Events from before the mirror's look at the sets are read after it; and what was closed may have been retried."""
    if life.added_ms is None:
        # A new life begins with its `added`: without one these events go on with the last. How far the worker's clock
        # stood from Redis's when it finished (a busy machine: seconds) says nothing.
        return True
    ended = closed.finished_on_ms
    if ended is None:
        return abs(closed.timestamp_ms - life.added_ms) <= ADDING_MS
    # An id cannot be added again before it is gone.
    return life.added_ms <= ended


def _hear(job: Job, former: Job | None, runs: Sequence[ToldRun]) -> None:
    """Keep what was told of its runs before, and these."""
    stored = former.told_runs if former is not None else ""
    starts = {each.processed_on_ms for each in (former, job) if each is not None}
    put_back = () if former is None or job.state == State.FAILED else _failed_run(former)
    job.told_runs = joined(stored, [*runs, *put_back], starts)


def _failed_run(job: Job) -> Sequence[ToldRun]:
    """The run it failed with: where it is put back its hash forgets that."""
    if job.state != State.FAILED or job.processed_on_ms is None or job.finished_on_ms is None:
        return ()
    return (ToldRun(job.processed_on_ms, job.finished_on_ms, was_final=True),)


def _unread(connection: str, queue: str, job_id: str, life: Life) -> Job:
    """A row for a life whose hash was never read."""
    record = JobRecord(
        job_id,
        name=life.name,
        data="",
        opts="",
        timestamp_ms=life.added_ms or life.first_ms,
        problems=(UNREAD,),
    )
    return Job.from_record(connection, queue, life.state or State.UNKNOWN, record)


def _end(job: Job, life: Life, now: datetime) -> None:
    """Close the row with what the events told of its end."""
    was_open = job.removed_at is None
    if life.is_retry and job.finished_on_ms is not None and job.finished_on_ms <= life.first_ms:
        _hear(job, job, _failed_run(job))
        # BullMQ drops these when it puts the job back.
        job.processed_on_ms = job.finished_on_ms = None
        job.failed_reason = job.return_value = ""
    was_finished = job.finished_on_ms is not None and State(job.state).is_finished
    if life.final is not None and life.final_ms is not None:
        if not was_finished:
            _count_attempt(job)
        _finish(job, life.final, life.final_ms, life)
    elif life.state is not None and not was_finished:
        job.state = life.state.value
    if job.processed_on_ms is None:
        job.processed_on_ms = life.active_ms
    if life.attempts_made is not None:
        job.attempts_made = life.attempts_made
    if life.ended_ms is None:
        job.removed_at = job.removed_at or now
    elif was_open or life.is_retry or not was_finished:
        job.removed_at = datetime.fromtimestamp(life.ended_ms / 1000, UTC)


def _count_attempt(job: Job) -> None:
    """BullMQ counts an attempt as it ends, in the hash that goes with it."""
    before = len(read(job.told_runs)) if UNREAD in job.problems else job.attempts_made
    job.attempts_made = before + 1
    job.attempts_started = max(job.attempts_started, job.attempts_made)


def _finish(job: Job, final: State, final_ms: int, life: Life) -> None:
    # The hash told it by the worker's clock: keep that where it is the same moment.
    if job.finished_on_ms is None or abs(job.finished_on_ms - final_ms) > CLOCKS_MS:
        job.finished_on_ms = final_ms
    job.state = final.value
    if final is State.COMPLETED:
        job.return_value = life.result
    else:
        job.failed_reason = life.result
    if life.is_cut and CUT not in job.problems:
        job.problems = "\n".join(filter(None, (job.problems, CUT)))
