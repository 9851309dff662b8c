"""Figures over time for programs: of all queues that the caller sees, of one, or of one job name; and deploys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Literal

from ninja import Query, Router
from ninja.responses import Status
from pydantic import BaseModel, Field

from dashboard.api.seen import queues_seen
from dashboard.api.v1.asking import Ask, Done, Sent, connection_of, told
from dashboard.api.v1.queues import QueueName
from dashboard.api.v1.values import plain
from queues.actions.deploys import LONGEST, mark_deploy
from queues.errors import NotFound, QueueNotFound
from queues.lookups.history import RANGES, History, history
from queues.lookups.history import Point as Row
from queues.lookups.history import Total as Sum
from queues.models import Series
from queues.models.local import is_in_process
from queues.options import get_options

router, of_queue = Router(tags=["metrics"]), Router(tags=["metrics"])
RangeName = Annotated[
    Literal["1h", "24h", "7d", "30d", "1y"],
    Query(alias="range", description="How far back; steps are of 1 min, 10 min, 1 h, 6 h, 1 d."),
]


class Times(BaseModel):
    """Percentiles in ms, within 6.25 %; null where nothing was measured."""

    p50: float | None
    p95: float | None
    p99: float | None


class Point(BaseModel):
    """One step. What nobody recorded is null, never nought; `recorded` of its minutes were."""

    at_ms: int = Field(description="When the step begins (ms since 1970).")
    recorded: int
    completed: int | None
    failed: int | None
    retried: int | None
    run: Times
    wait: Times
    waiting: int | None = Field(description="At most, as the mirror saw it.")
    delayed: int | None
    oldest_ms: int | None


class Total(BaseModel):
    """Over the whole range, of a queue or of a job name of one."""

    name: str
    completed: int
    failed: int
    retried: int | None
    failure_rate: float | None = Field(description="Failed of all that ended, 0 to 1.")
    run: Times
    wait: Times


class Deploy(BaseModel):
    """Something went live."""

    at_ms: int
    label: str


class Metrics(BaseModel):
    """`until_ms` is how far the tables reach (null: no mirror ever took samples); the rest is from Redis."""

    connection: str
    queue: str | None
    job_name: str | None
    range: str
    step_s: int
    points: list[Point] = Field(description="Oldest first, every step of the range.")
    totals: list[Total] = Field(description="By queue; of one queue by job name. Most jobs first.")
    deploys: list[Deploy]
    until_ms: int | None
    has_lists: bool = Field(description="Some of it is from BullMQ's own lists, which know neither times nor names.")
    has_events: bool = Field(description="Some of it the mirror saw in event streams, which do not tell retries.")


class NewDeploy(Sent):
    label: str = Field(min_length=1, max_length=LONGEST, examples=["v1.2.3"])


@router.get("/metrics", response=Metrics, operation_id="getMetrics")
async def get_metrics(request: Ask, span: RangeName = "1h") -> Metrics:
    """Figures of all queues

    That the caller sees, together, with each one's totals.
    """
    connection = _shown_here(request)
    seen = await queues_seen(request, connection)
    names = None if request.grants.sees_all else [row.name for row in seen.queues]
    return await _told(connection, span, names)


@of_queue.get("/{segment:queue}/metrics", response=Metrics, operation_id="getQueueMetrics")
async def get_queue_metrics(
    request: Ask,
    queue: QueueName,
    span: RangeName = "1h",
    name: Annotated[str | None, Query(min_length=1, max_length=120, description="Only jobs of this name.")] = None,
) -> Metrics:
    """Figures of one queue

    Or of one job name of it; its names in `totals`.
    """
    connection = _shown_here(request)
    if (await queues_seen(request, connection)).queue(queue) is None and not await _was_there(connection, queue):
        raise QueueNotFound(queue)
    return await _told(connection, span, None, queue, name)


@router.post("/deploys", response={201: Done}, operation_id="markDeploy")
async def post_deploy(request: Ask, sent: NewDeploy) -> Status[Done]:
    """Mark a deploy

    Something of this name went live now: a line across the charts.
    """
    connection_of(request)
    request.grants.require("deploy.mark")
    return Status(201, told(await mark_deploy(request.grants.actor, sent.label)))


def _shown_here(request: Ask) -> str:
    """The connection. Raises NotFound where the site leaves its figures out."""
    if not get_options().dashboard.show_metrics:
        raise NotFound("The settings of this site leave figures over time out (show_metrics).")
    return connection_of(request)


async def _was_there(connection: str, queue: str) -> bool:
    return await Series.objects.filter(connection=connection, queue=queue).aexists()


async def _told(
    connection: str, span: str, queues: Sequence[str] | None, queue: str | None = None, name: str | None = None
) -> Metrics:
    asked = RANGES[span]
    if is_in_process():
        # Nobody records.
        found = History(asked, [], [], None, [], 0)
    else:
        found = await history(connection, asked, queues, queue, name or "")
    return Metrics(
        connection=connection,
        queue=queue,
        job_name=name,
        range=span,
        step_s=asked.step_s,
        points=[_point(row) for row in found.points],
        totals=[_total(row) for row in found.totals],
        deploys=[Deploy(at_ms=int(one.at.timestamp() * 1000), label=one.label) for one in found.deploys],
        until_ms=None if found.until_s is None else found.until_s * 1000,
        has_lists=found.has_lists,
        has_events=found.has_events,
    )


def _point(row: Row) -> Point:
    ended = row.ended if row.recorded else None
    return Point(
        at_ms=row.at * 1000,
        recorded=row.recorded,
        completed=ended.completed if ended else None,
        failed=ended.failed if ended else None,
        retried=ended.retried if ended and row.has_retries else None,
        run=_times(row.run_ms()),
        wait=_times(row.wait_ms()),
        waiting=row.waiting,
        delayed=row.delayed,
        oldest_ms=row.oldest_ms,
    )


def _total(row: Sum) -> Total:
    return Total(
        name=plain(row.name),
        completed=row.completed,
        failed=row.failed,
        retried=row.retried if row.has_retries else None,
        failure_rate=row.failure_rate,
        run=_times(row.run_ms),
        wait=_times(row.wait_ms),
    )


def _times(shares: Sequence[float | None]) -> Times:
    p50, p95, p99 = shares
    return Times(p50=p50, p95=p95, p99=p99)
