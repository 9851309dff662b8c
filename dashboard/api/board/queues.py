"""Every queue with its counts, and the jobs of the one that is looked at: what Bull Board's client asks for all along.

The figures are the snapshot's, which pages and sockets share; a page of jobs is read once for all who look at it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from django.http import HttpResponse

from dashboard.api.board import asked
from dashboard.api.board.fresh import joined
from dashboard.api.board.job_shape import app_jobs
from dashboard.api.board.queue_shape import (
    STATES,
    STATUSES,
    Doors,
    app_queue,
    pagination_of,
    pagination_of_latest,
    without_jobs,
)
from dashboard.api.board.refusals import invalid
from dashboard.api.board.route import Call
from dashboard.api.board.tags import answer
from dashboard.api.board.token import with_token
from dashboard.api.board.written import Verbatim, written
from dashboard.request import Request
from queues.lookups.snapshot import Snapshot
from queues.lookups.wholes import Whole, whole_page
from queues.models import Queue
from queues.options import get_options
from queues.states import State

MOST_PER_PAGE = 300


@dataclass(frozen=True, slots=True)
class Asked:
    """Which queue's jobs, of which state (`latest`: of each), which page of them."""

    active: str
    status: str
    page: int
    per_page: int

    @classmethod
    def of(cls, request: Request) -> Asked:
        """Raises Said."""
        status = asked.parameter(request, "status") or "latest"
        if status not in (*STATUSES, "paused"):
            raise invalid("INVALID_QUERY_PARAM", field="status")
        return cls(
            asked.parameter(request, "activeQueue"),
            status,
            asked.whole(request, "page", 1, 1, asked.LARGEST),
            asked.whole(request, "jobsPerPage", 10, 1, MOST_PER_PAGE),
        )


async def queues(call: Call) -> HttpResponse:
    wanted = Asked.of(call.request)
    found = await call.around()
    active = _active(found, wanted.active)
    told = [
        await _with_jobs(call, queue, wanted)
        if queue is active
        else without_jobs(queue, Doors.of(call.grants, queue.name), wanted.per_page)
        for queue in found.queues
    ]
    text = Verbatim(f'{{"queues":[{",".join(told)}]}}')
    return with_token(call.request, answer(call.request, text, may_be_kept=active is None))


def _active(found: Snapshot, named: str) -> Queue | None:
    """Bull Board's client encodes the name twice, other programs do so once."""
    return (found.queue(unquote(named)) or found.queue(named)) if named else None


async def _with_jobs(call: Call, queue: Queue, wanted: Asked) -> Verbatim:
    is_latest = wanted.status == "latest"
    states = STATES if is_latest else tuple(state for state in STATES if state.value == wanted.status)
    # Of BullMQ 6 there is no state `paused`: what waits in a paused queue waits.
    total = queue.count(states[0]) if len(states) == 1 else 0
    pagination = (
        pagination_of_latest(wanted.per_page) if is_latest else pagination_of(total, wanted.page, wanted.per_page)
    )
    jobs = await app_jobs(await _jobs(call.connection, queue.name, states, pagination), call.grants.on(queue.name))
    return Verbatim(written(app_queue(queue, Doors.of(call.grants, queue.name), pagination, jobs)))


async def _jobs(connection: str, queue: str, states: tuple[State, ...], pagination: dict[str, Any]) -> list[Whole]:
    start, end = pagination["range"]["start"], pagination["range"]["end"]
    if not states or start > 10**12:
        return []
    options = get_options()
    # A connection configured anew begins anew.
    where = options.connection(connection) if options.use_job_queue else None
    key = (where, states, start, end)
    return await joined(connection, queue, key, lambda: whole_page(connection, queue, states, start, end - start + 1))
