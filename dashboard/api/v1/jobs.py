"""Jobs of a queue for programs: the list, one of them, its log."""

from __future__ import annotations

from dataclasses import replace
from typing import Annotated, Literal

from ninja import Query, Router
from pydantic import BaseModel

from dashboard.api.v1.asking import Ask, connection_of
from dashboard.api.v1.job_shapes import Job, JobId, Jobs, line, whole
from dashboard.api.v1.paging import USUAL, Cursor, Limit, Page, opened, sealed, strange
from dashboard.api.v1.queues import QueueName
from dashboard.api.v1.searching import searched
from dashboard.api.v1.values import masked_texts
from queues.lookups.jobs import job_detail
from queues.lookups.logs import log_from
from queues.lookups.walking import MOST_SEEN, Place, walked
from queues.states import State

router = Router(tags=["jobs"])
Listed = Literal["waiting", "active", "prioritized", "delayed", "failed", "completed", "waiting-children"]


class LogLine(BaseModel):
    """`number` counts from 1, the oldest line that Redis still has."""

    number: int
    text: str


@router.get("/{segment:queue}/jobs", response=Jobs, operation_id="listJobs")
async def list_jobs(
    request: Ask,
    queue: QueueName,
    state: Annotated[
        Listed, Query(description="Only jobs in this state; with `search`, of any if it is not given.")
    ] = ("waiting"),
    search: Annotated[str, Query(max_length=1000, description="Only jobs that fit: the language of the search.")] = "",
    order: Annotated[
        Literal["first", "last"], Query(description="Next to run, or newest of the ended, first; or last.")
    ] = "first",
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Jobs:
    """Jobs of a queue

    In the order in which they run; of those that have ended the newest first. With `search` they are found as the
    search finds them, newest first, and a state narrows it only where it is given.
    """
    connection = connection_of(request)
    if search.strip():
        narrowed = f"state:{state} {search}" if "state" in request.GET else search
        return await searched(request, narrowed, cursor, limit, queue=(connection, queue))
    of, is_reversed = f"jobs:{connection}:{queue}:{state}:{order}", order == "last"
    found = await walked(connection, queue, State(state), _place(cursor, of), limit, is_reversed)
    return Jobs(
        items=[line(row, request.grants) for row in found.jobs],
        next=sealed(of, str(found.after), *found.after.seen) if found.after else None,
        total=found.total, is_least=False, lag_s=None, searched="",
    )  # fmt: skip


def _place(cursor: str | None, of: str) -> Place | None:
    told = opened(cursor, of)
    if told is None:
        return None
    texts = [part for part in told if isinstance(part, str)]
    place = Place.read(texts[0]) if texts and len(texts) == len(told) <= 1 + MOST_SEEN else None
    if place is None:
        raise strange()
    return replace(place, seen=tuple(texts[1:]))


@router.get("/{segment:queue}/jobs/{segment:job_id}", response=Job, operation_id="getJob")
async def get_job(request: Ask, queue: QueueName, job_id: JobId) -> Job:
    """One job

    As Redis has it, or as the mirror kept it. Its `ETag` goes into `If-Match` of a change.
    """
    connection = connection_of(request)
    return await whole(await job_detail(connection, queue, job_id), request.grants, connection)


@router.get("/{segment:queue}/jobs/{segment:job_id}/logs", response=Page[LogLine], operation_id="listJobLogs")
async def list_job_logs(
    request: Ask, queue: QueueName, job_id: JobId, cursor: Cursor = None, limit: Limit = USUAL
) -> Page[LogLine]:
    """A job's log

    Oldest line first, secrets masked; a very long line is cut.
    """
    request.grants.on(queue).require("job.payload")
    connection, of = connection_of(request), f"logs:{queue}:{job_id}"
    told = opened(cursor, of)
    if told is not None and not (len(told) == 1 and isinstance(told[0], int) and 0 < told[0] < 2**53):
        raise strange()
    window = await log_from(connection, queue, job_id, told[0] if told else 1, limit)
    if not window.total:
        # No log, or no such job.
        await job_detail(connection, queue, job_id, is_again=True)
    texts = await masked_texts([each.text for each in window.lines])
    items = [LogLine(number=each.number, text=text) for each, text in zip(window.lines, texts, strict=True)]
    return Page(items=items, next=sealed(of, window.last + 1) if items and window.last < window.total else None)
