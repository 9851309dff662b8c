"""What a job's row tells of its attempts, and how that joins what is known of them already. Pure.

Told the same twice it changes nothing; what was known is never forgotten for what is told later and says less.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from queues.lookups.attempts import ended_attempts
from queues.mirror import told_runs
from queues.models import Attempt, Job
from queues.protocol.attempts import CLOCKS_MS, read_runs
from queues.stacks import headline
from queues.states import State

#: Of one job so many are kept, the newest.
MOST = 100
LONGEST_ERROR = 500
#: A larger stack is not parsed for the line that names its error.
LARGEST_STACKS = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Told:
    """One attempt. None and "" for what nobody told."""

    number: int
    started_ms: int | None = None
    ended_ms: int | None = None
    worker: str = ""
    outcome: str = ""
    error: str = ""


def has_attempts(job: Job) -> bool:
    """Whether there is more to keep than the job's own row says: it failed, or was put back, at least once."""
    return bool(job.runs or job.told_runs or job.state == State.FAILED or ended_attempts(job))


def told_by(job: Job) -> list[Told]:
    """By number, each once; the job's own fields tell the last, our workers' notes and events those before."""
    known: dict[int, Told] = {}
    for one in (*_noted(job), *_heard(job), *_last(job)):
        known[one.number] = _both(known[one.number], one) if one.number in known else one
    for number, error in _errors(job):
        known[number] = replace(known.get(number, Told(number, outcome="failed")), error=error)
    return [known[number] for number in sorted(known) if number > 0]


def joined(known: Sequence[Attempt], told: Sequence[Told], row_id: int) -> list[Attempt]:
    """The rows to write, new or changed. `known` are the job's."""
    written = []
    for one in told:
        row = next((row for row in reversed(_in_order(known)) if _is_same(row, one)), None)
        values = _both(_of(row), one) if row is not None else one
        if row is None:
            row = Attempt(row_id=row_id, number=one.number)
        elif _of(row) == values:
            continue
        row.started_ms, row.ended_ms, row.worker = values.started_ms, values.ended_ms, values.worker
        row.outcome, row.error = values.outcome, values.error
        written.append(row)
    return written


def _in_order(rows: Sequence[Attempt]) -> list[Attempt]:
    return sorted(rows, key=lambda row: (row.started_ms or row.ended_ms or 0, row.pk or 0))


def _is_same(row: Attempt, told: Told) -> bool:
    """Numbers begin anew where a person put the job back so; then the moments differ."""
    if row.number != told.number:
        return False
    if row.started_ms is not None and told.started_ms is not None:
        return abs(row.started_ms - told.started_ms) <= CLOCKS_MS
    if row.ended_ms is not None and told.ended_ms is not None:
        return abs(row.ended_ms - told.ended_ms) <= CLOCKS_MS
    return True


def _both(known: Told, told: Told) -> Told:
    return Told(
        known.number,
        known.started_ms if known.started_ms is not None else told.started_ms,
        known.ended_ms if known.ended_ms is not None else told.ended_ms,
        known.worker or told.worker,
        told.outcome or known.outcome,
        told.error or known.error,
    )


def _of(row: Attempt) -> Told:
    return Told(row.number, row.started_ms, row.ended_ms, row.worker, row.outcome, row.error)


def _noted(job: Job) -> Iterator[Told]:
    for run in read_runs(job.runs):
        if run.number <= max(job.attempts_made, 1):
            yield Told(run.number, run.started_ms, run.ended_ms, run.worker, "failed")


def _heard(job: Job) -> Iterator[Told]:
    """Only where every start was an attempt can it be said which: a stalled one, or one put off, counts as none."""
    if job.attempts_started != job.attempts_made + (job.state == State.ACTIVE):
        return
    runs = told_runs.read(job.told_runs)
    last = job.attempts_made - job.state_enum.is_finished
    for number, run in enumerate(runs, last - len(runs) + 1):
        yield Told(number, run.started_ms, run.ended_ms, "", "failed")


def _last(job: Job) -> Iterator[Told]:
    if job.processed_on_ms is None:
        return
    number = ended_attempts(job) + 1
    is_active, is_over = job.state == State.ACTIVE, job.state_enum.is_finished
    if not is_active and not is_over and job.attempts_made < number:
        # It was put back and counts as none: it stalled, or was put off.
        return
    outcome = "" if is_active else "completed" if job.state == State.COMPLETED else "failed"
    ended = job.finished_on_ms if is_over else None
    yield Told(number, job.processed_on_ms, ended, job.processed_by, outcome)


def _errors(job: Job) -> Iterator[tuple[int, str]]:
    """The error's line of each failed attempt of which a stack is left."""
    failed = max(job.attempts_made - 1, 0) if job.state == State.COMPLETED else job.attempts_made
    stacks = job.stacks[-failed:] if failed and len(job.stacktrace) <= LARGEST_STACKS else []
    # One per failure: where the count began anew, the newest are of the attempts that it counts.
    for number, stack in enumerate(stacks, failed - len(stacks) + 1):
        if stack.strip() not in ("", "NoneType: None"):
            yield number, headline(stack)[:LONGEST_ERROR]
    if not stacks and job.state == State.FAILED and failed and job.failed_reason:
        yield failed, job.first_error_line[:LONGEST_ERROR]
