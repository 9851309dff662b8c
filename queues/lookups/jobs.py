"""One job for a page, whole; from Redis, or what the mirror kept of it.

Odd data gets a shape that shows what is wrong: nothing here raises because of what a job holds.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from queues.errors import JobNotFound, RedisRefused, RedisUnavailable
from queues.lookups import local, mirrored
from queues.lookups.attempts import attempt_runs
from queues.lookups.excerpt import LINE_SHOWN, SHOWN, excerpt, shortened_stacks
from queues.models import Job
from queues.models.local import is_in_process
from queues.protocol import reads
from queues.protocol.attempts import Run
from queues.protocol.codec import JobRecord
from queues.protocol.keys import RESERVED_IDS
from queues.protocol.reads import JobLogs, JobSight
from queues.protocol.reads.jobs import large_field
from queues.states import State

LOG_LINES = 200
#: A stack trace larger than this is not parsed only to be shown.
LARGEST_STACKTRACE = 2 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class JobDetail:
    """One job. `sizes` are the bytes of each payload field (BullMQ's names), `cut` those of which only a part is here.

    `logs` are the last `LOG_LINES` of `log_total`. Where `is_live` is False the job is the mirror's copy; `note` says
    why.
    """

    job: Job
    logs: list[str]
    log_total: int
    sizes: dict[str, int]
    cut: frozenset[str]
    is_live: bool
    note: str = ""
    #: When its attempts ran, as far as that is recorded, by number.
    runs: tuple[Run, ...] = ()


async def job_detail(
    connection: str, queue: str, job_id: str, *, is_again: bool = False, added_ms: int | None = None
) -> JobDetail:
    """The job as Redis has it, else as the mirror kept it; if neither does, raises JobNotFound (RedisUnavailable).

    `is_again`: whoever asks has the beginnings of its large fields; they are not read again. `added_ms`: the one that
    was added then, if the mirror kept it; another may have its id by now.
    """
    if is_in_process():
        return await _local(connection, queue, job_id)
    if added_ms is not None and (past := await mirrored.past_incarnation(connection, queue, job_id, added_ms)):
        return _copy(past, "Redis no longer has this job. This is the copy Toril kept.")
    try:
        sight, logs = await asyncio.gather(
            _sight(connection, queue, job_id, is_again),
            reads.job_logs(connection, queue, job_id, -LOG_LINES, LOG_LINES),
        )
    except RedisUnavailable as error:
        return await _kept(connection, queue, job_id, f"{error} This is the copy Toril kept.", error)
    if sight is None:
        note = "Redis no longer has this job. This is the copy Toril kept."
        return await _kept(connection, queue, job_id, note, JobNotFound(queue, job_id))
    return await _live(connection, queue, sight, logs)


async def _local(connection: str, queue: str, job_id: str) -> JobDetail:
    job = await local.whole_job(connection, queue, job_id)
    if job is None:
        raise JobNotFound(queue, job_id)
    lines, total = await local.log_lines(queue, job_id, LOG_LINES)
    sizes, cut = local.fitted(job)
    note = "" if job.removed_at is None else "This job was removed. This is the copy Toril kept."
    return JobDetail(job, lines, total, sizes, cut, is_live=job.removed_at is None, note=note)


async def _sight(connection: str, queue: str, job_id: str, is_again: bool) -> JobSight | None:
    """None where Redis has no such job: neither listed nor a hash that a job would have."""
    try:
        sight = await reads.job(connection, queue, job_id, SHOWN, with_beginnings=not is_again)
    except RedisRefused as error:
        (state,) = await reads.job_states(connection, queue, [job_id])
        sight = JobSight(JobRecord(job_id, exists=False, problems=(str(error),)), state)
    is_job = sight.record.exists and sight.record.timestamp_ms != 0
    is_listed = sight.state is not State.UNKNOWN and job_id not in RESERVED_IDS
    return sight if is_job or is_listed else None


async def _live(connection: str, queue: str, sight: JobSight, logs: JobLogs) -> JobDetail:
    job = Job.from_record(connection, queue, sight.state, sight.record, due_ms=sight.due_ms)
    job.is_locked = sight.is_locked
    if sight.state is State.UNKNOWN:
        job.problems = "\n".join([*job.problem_list, "no list of the queue holds it"])
    cut = frozenset(name for name, size in sight.sizes.items() if size > SHOWN)
    if "stacktrace" in cut and sight.sizes["stacktrace"] <= LARGEST_STACKTRACE:
        whole = await large_field(connection, queue, job.job_id, "stacktrace")
        job.stacktrace = shortened_stacks(whole or b"")
    lines = [excerpt(line, LINE_SHOWN) for line in logs.lines]
    runs = await attempt_runs(connection, job, sight.record.runs)
    return JobDetail(job, lines, logs.total, sight.sizes, cut, is_live=True, runs=runs)


async def _kept(connection: str, queue: str, job_id: str, note: str, error: Exception) -> JobDetail:
    job = await mirrored.last_incarnation(connection, queue, job_id)
    if job is None:
        raise error
    return _copy(job, note)


def _copy(job: Job, note: str) -> JobDetail:
    sizes = mirrored.sizes(job)
    cut = frozenset(name for name, size in sizes.items() if size > SHOWN)
    mirrored.cut(job, cut)
    return JobDetail(job, [], 0, sizes, cut, is_live=False, note=note)
