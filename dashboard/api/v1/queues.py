"""Queues for programs: the list, one of them, pause and resume."""

from __future__ import annotations

from typing import Annotated

from ninja import Path, Query, Router
from pydantic import BaseModel, Field

from dashboard.api.seen import current, queues_seen
from dashboard.api.v1.asking import Ask, Done, connection_of, told
from dashboard.api.v1.paging import USUAL, Cursor, Limit, Page, part_of
from queues.actions import queues as acting
from queues.errors import QueueNotFound
from queues.lookups.snapshot import refresh
from queues.models import Queue as Row
from queues.states import State

router = Router(tags=["queues"])
QueueName = Annotated[str, Path(min_length=1, max_length=512, description="A queue's name.")]


class Counts(BaseModel):
    """Jobs per state."""

    waiting: int
    prioritized: int
    active: int
    delayed: int
    waiting_children: int
    completed: int
    failed: int


class Queue(BaseModel):
    """A queue as it was when it was read."""

    connection: str
    name: str
    is_paused: bool
    counts: Counts
    concurrency: int | None = Field(description="At most so many of its jobs run at once, over all workers.")
    rate_limit_max: int | None
    rate_limit_duration_ms: int | None
    oldest_waiting_ms: int | None = Field(description="When the job that waits longest was added (ms since 1970).")
    workers: int | None = Field(description="Processes that listen to it; null where Redis does not tell.")


def shown(row: Row, connection: str) -> Queue:
    counts = Counts(**{state.field: row.count(state) for state in State if state.field in Counts.model_fields})
    return Queue(
        connection=connection, counts=counts,
        **{name: getattr(row, name) for name in Queue.model_fields if name not in ("connection", "counts")},
    )  # fmt: skip


@router.get("", response=Page[Queue], operation_id="listQueues")
async def list_queues(
    request: Ask,
    name: Annotated[str, Query(max_length=512, description="Only those with this in their name.")] = "",
    cursor: Cursor = None,
    limit: Limit = USUAL,
) -> Page[Queue]:
    """Queues by name

    Every queue of the connection that the caller may see, with its counts.
    """
    connection = connection_of(request)
    rows = [row for row in (await queues_seen(request, connection)).queues if name.casefold() in row.name.casefold()]
    rows.sort(key=lambda row: row.name)
    found, after = part_of(rows, lambda row: row.name, f"queues:{connection}:{name}", cursor, limit)
    return Page(items=[shown(row, connection) for row in found], next=after)


@router.get("/{segment:queue}", response=Queue, operation_id="getQueue")
async def get_queue(request: Ask, queue: QueueName) -> Queue:
    """One queue"""
    connection = connection_of(request)
    # As it is now, whoever changed it: the figures that all share may be a second old.
    row = current(request, await refresh(connection, [queue])).queue(queue)
    if row is None:
        raise QueueNotFound(queue)
    return shown(row, connection)


@router.post("/{segment:queue}/pause", response=Done, operation_id="pauseQueue")
async def pause_queue(request: Ask, queue: QueueName) -> Done:
    """Pause

    Workers start nothing more of this queue; what runs, runs on.
    """
    request.grants.on(queue).require("queue.pause")
    return told(await acting.pause_queue(request.grants.actor, connection_of(request), queue))


@router.post("/{segment:queue}/resume", response=Done, operation_id="resumeQueue")
async def resume_queue(request: Ask, queue: QueueName) -> Done:
    """Resume

    Workers start jobs of this queue again.
    """
    request.grants.on(queue).require("queue.resume")
    return told(await acting.resume_queue(request.grants.actor, connection_of(request), queue))
