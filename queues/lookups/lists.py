"""A state's jobs as a list for a page. Odd data gets a shape that shows what is wrong: nothing here raises for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from queues.errors import JobNotFound, RedisRefused
from queues.lookups import local
from queues.models import Job
from queues.models.local import is_in_process
from queues.protocol import reads
from queues.protocol.diagnosis import broken_key
from queues.protocol.keys import RESERVED_IDS
from queues.states import LISTED, State, parse_state

MOST_PER_PAGE = 300
#: Beyond this no page can lie; a start that Redis cannot count is never sent.
LAST_PAGE = 10**12


@dataclass(frozen=True, slots=True)
class JobList:
    """One page of a state: next to run first, finished: newest first; or the reverse. Payloads are not read.

    `note` says what was asked for and is not there; `broken` that a key of the queue is not what it should be.
    """

    jobs: list[Job]
    total: int
    page: int
    pages: int
    per_page: int
    state: State
    note: str = ""
    broken: str = ""


async def job_list(
    connection: str,
    queue: str,
    state: State | str,
    page: int = 1,
    per_page: int = 25,
    is_reversed: bool = False,
) -> JobList:
    """A page of jobs; a page or state that is not there becomes the nearest that is, and `note` says so.

    Raises RedisUnavailable, or RedisRefused where it may not be read.
    """
    known = parse_state(state)
    notes = [] if known else [f"There is no state “{state}”: these are the waiting jobs."]
    known = known or State.WAITING
    per_page = min(max(per_page, 1), MOST_PER_PAGE)
    wanted = min(max(page, 1), LAST_PAGE)
    try:
        jobs, total = await _page(connection, queue, known, wanted, per_page, is_reversed)
        pages = max(1, -(-total // per_page))
        if wanted > pages:
            wanted = pages
            jobs, total = await _page(connection, queue, known, pages, per_page, is_reversed)
    except RedisRefused:
        if broken := await broken_key(connection, queue):
            return JobList([], 0, 1, 1, per_page, known, " ".join(notes), broken)
        raise
    if wanted != page:
        notes.append(f"There is no page {page}: this is the {'last' if page > 1 else 'first'} one.")
    return JobList(jobs, total, wanted, pages, per_page, known, " ".join(notes))


async def _page(
    connection: str, queue: str, state: State, page: int, per_page: int, is_reversed: bool
) -> tuple[list[Job], int]:
    start = (page - 1) * per_page
    if is_in_process():
        return await local.job_page(connection, queue, state, start, per_page, is_reversed)
    found = await reads.job_page(connection, queue, state, start, per_page, is_reversed)
    jobs = [Job.from_record(connection, queue, state, row.record, due_ms=row.due_ms) for row in found.rows]
    return jobs, found.total


async def latest(connection: str, queue: str, per_page: int) -> list[Job]:
    """The first few of every state, as its own list begins, by what happened to them last; at most `per_page`."""
    each = max(1, per_page // len(LISTED))
    if is_in_process():
        pages = [await local.job_page(connection, queue, state, 0, each) for state in local.ORDERS]
        jobs = [job for page, _ in pages for job in page]
    else:
        found = await reads.first_of_each(connection, queue, each)
        jobs = [Job.from_record(connection, queue, state, row.record, due_ms=row.due_ms) for state, row in found]
    return sorted(jobs, key=touched_ms, reverse=True)


def touched_ms(job: Job) -> int:
    """When something happened to the job last, as far as it is recorded."""
    return job.finished_on_ms or job.processed_on_ms or job.timestamp_ms


async def jobs_by_id(connection: str, queue: str, state: State, job_ids: Sequence[str]) -> list[Job]:
    """These jobs as a list shows them, in this order; one that is gone by now says so."""
    if is_in_process():
        return await local.jobs_by_id(connection, queue, state, job_ids)
    records = await reads.summaries(connection, queue, job_ids)
    dues = await reads.due_times(connection, queue, job_ids) if state is State.DELAYED else [None] * len(job_ids)
    return [
        Job.from_record(connection, queue, state, record, due_ms=due) for record, due in zip(records, dues, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class Glimpse:
    """A job with as much as a list unfolds. `sizes` are the bytes of its large fields, `too_large` those not read."""

    job: Job
    sizes: dict[str, int]
    too_large: frozenset[str] = frozenset()


#: A field of more bytes is not read for a glimpse: its beginning costs Redis as much as the whole.
LARGEST_GLIMPSED = 128 * 1024


async def glimpse(connection: str, queue: str, state: State, job_id: str) -> Glimpse:
    """Raises JobNotFound where there is no such job now."""
    if is_in_process():
        job = await local.whole_job(connection, queue, job_id)
        if job is None or job.removed_at is not None:
            raise JobNotFound(queue, job_id)
        sizes, cut = local.fitted(job)
        return Glimpse(job, sizes, cut)
    record, sizes = await reads.glimpse(connection, queue, job_id, LARGEST_GLIMPSED)
    if not record.exists or job_id in RESERVED_IDS or not record.timestamp_ms:
        raise JobNotFound(queue, job_id)
    too_large = frozenset(name for name, size in sizes.items() if size > LARGEST_GLIMPSED)
    return Glimpse(Job.from_record(connection, queue, state, record), sizes, too_large)
