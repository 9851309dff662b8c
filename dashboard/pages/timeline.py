"""What happened to a job, in order, as far as Redis remembers: it keeps one start, not one per attempt."""

from __future__ import annotations

from dataclasses import dataclass

from dashboard.moments import span
from dashboard.pages.attempts import failures
from queues.models import Job
from queues.states import State

#: So many attempts before the last one are told singly.
MOST_ATTEMPTS = 5


@dataclass(frozen=True, slots=True)
class Moment:
    """`at_ms` None: the moment is not recorded. `state` gives the colour, "" none. `note`: what followed, or why."""

    label: str
    at_ms: int | None = None
    note: str = ""
    state: str = ""


def timeline(job: Job, now_ms: int) -> list[Moment]:
    """From `added` to where the job is now; a delayed job's due time stands last, in the future."""
    return [*_added(job), *_earlier_attempts(job), *_last_attempt(job, now_ms), *_now(job)]


def waited_ms(job: Job) -> int | None:
    """From added (or due) to its first start; None where later attempts have overwritten that start."""
    if job.processed_on_ms is None or job.attempts_started > 1 or not job.timestamp_ms:
        return None
    return max(job.processed_on_ms - job.timestamp_ms - job.delay_ms, 0)


def ran_ms(job: Job) -> int | None:
    """How long the last attempt ran, where it has ended."""
    if job.processed_on_ms is None or job.finished_on_ms is None:
        return None
    return max(job.finished_on_ms - job.processed_on_ms, 0)


def _added(job: Job) -> list[Moment]:
    if not job.timestamp_ms:
        return []
    notes = [
        f"by scheduler “{job.scheduler_id}”" if job.scheduler_id else "",
        f"with priority {job.priority:,}" if job.priority else "",
        f"to run after {span(job.delay_ms)}" if job.delay_ms else "",
        f"waited {span(waited)}" if (waited := waited_ms(job)) is not None else "",
    ]
    return [Moment("Added", job.timestamp_ms, ", ".join(note for note in notes if note))]


def _ended_attempts(job: Job) -> int:
    """Attempts before the one that `processed_on_ms` tells of."""
    is_told = job.processed_on_ms is not None
    if job.state == State.ACTIVE:
        return job.attempts_made
    return max(job.attempts_made - 1, 0) if is_told else job.attempts_made


def _earlier_attempts(job: Job) -> list[Moment]:
    """One line each with its error; of many only the last few, where their stacks are."""
    ended = _ended_attempts(job)
    told = {failure.number: failure.headline for failure in failures(job)}
    first = max(ended - MOST_ATTEMPTS, 0) + 1
    earlier = [Moment(f"{first - 1:,} earlier attempts failed", None, "", "failed")] if first > 1 else []
    return earlier + [
        Moment(f"Attempt {number:,} failed", None, told.get(number, "")[:120], "failed")
        for number in range(first, ended + 1)
    ]


def _last_attempt(job: Job, now_ms: int) -> list[Moment]:
    if job.processed_on_ms is None:
        return []
    number = _ended_attempts(job) + 1
    on = f" on {job.processed_by}" if job.processed_by else ""
    ran, notes = ran_ms(job), []
    if ran is not None:
        notes.append(f"ran {span(ran)}")
    elif job.state == State.ACTIVE:
        notes.append(f"running for {span(now_ms - job.processed_on_ms)}")
    elif job.attempts_made:
        notes.append("failed")
    if job.stalled_count:
        notes.append("stalled once" if job.stalled_count == 1 else f"stalled {job.stalled_count:,} times")
    state = "active" if job.state == State.ACTIVE else "failed" if ran is None and job.attempts_made else ""
    return [Moment(f"Attempt {number:,} started{on}", job.processed_on_ms, ", ".join(notes), state)]


def _now(job: Job) -> list[Moment]:
    waits = "Waiting to be run" if job.is_local else "Waiting for a worker"
    ends = {
        State.COMPLETED: lambda: Moment("Completed", job.finished_on_ms, "", "completed"),
        State.FAILED: lambda: Moment("Failed for good", job.finished_on_ms, "", "failed"),
        State.DELAYED: lambda: Moment(
            "Due again" if job.attempts_made else "Due",
            job.due_ms,
            "backing off" if job.attempts_made else "",
            "delayed",
        ),
        State.WAITING: lambda: Moment(waits, None, "", "waiting"),
        State.PRIORITIZED: lambda: Moment(waits, None, f"priority {job.priority:,}", "prioritized"),
        State.WAITING_CHILDREN: lambda: Moment("Waiting for its children", None, "", "waiting-children"),
    }
    moments = [ends[job.state_enum]()] if job.state_enum in ends else []
    if job.removed_at is not None:
        moments.append(
            Moment("Removed" if job.is_local else "No longer in Redis", int(job.removed_at.timestamp() * 1000))
        )
    return moments
