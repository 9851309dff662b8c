"""A queue as Bull Board tells of one, written once for all who may do the same with it."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Any

from dashboard.api.board.written import Verbatim
from dashboard.grants import Grants
from dashboard.presentation import dashboard_options
from queues.abilities import ABILITIES, LOOKING
from queues.models import Queue
from queues.protocol.codec import to_json
from queues.restrictions import refusal_of
from queues.states import State

#: Bull Board's order; `latest` shows some of each.
STATES = (
    State.ACTIVE, State.WAITING, State.WAITING_CHILDREN, State.PRIORITIZED,
    State.COMPLETED, State.FAILED, State.DELAYED,
)  # fmt: skip
STATUSES = ("latest", *(state.value for state in STATES))
_ACTING = frozenset(ABILITIES) - LOOKING
#: So many texts are kept, of half a kilobyte each.
MOST_KEPT = 10_000


@dataclass(frozen=True, slots=True)
class Doors:
    """What is open to somebody on a queue. A board that shows no button asks for nothing that would be refused."""

    read_only: bool
    retries: bool
    completed_retries: bool

    @classmethod
    def of(cls, grants: Grants, queue: str) -> Doors:
        here = grants.on(queue)
        is_closed = not here.abilities & _ACTING or refusal_of("queue.pause", queue) is not None
        retries = here.may("job.retry")
        return cls(is_closed, retries and not is_closed, retries and here.may("job.retry-completed") and not is_closed)


def app_queue(queue: Queue, doors: Doors, pagination: Any, jobs: Any) -> dict[str, Any]:
    site = dashboard_options()
    view = site.queue(queue.name)
    told: dict[str, Any] = {"name": queue.name}
    told |= {"displayName": view.title} if view.title else {}
    told |= {"description": view.description} if view.description else {}
    return told | {
        "statuses": STATUSES,
        "counts": {state.value: queue.count(state) for state in sorted(STATES)},
        "jobs": jobs,
        "pagination": pagination,
        "readOnlyMode": doors.read_only,
        "allowRetries": doors.retries,
        "allowCompletedRetries": doors.completed_retries,
        "isPaused": queue.is_paused,
        "type": "bullmq",
        "delimiter": site.delimiter_of(queue.name),
        "globalConcurrency": queue.concurrency,
        "activeRateLimitTtl": queue.rate_limited_ms,
        "supportsGlobalRateLimit": not queue.is_local,
        "jobSchedulerCount": queue.schedulers,
        "hasWorkers": None if queue.workers is None or not site.show_workers else queue.workers > 0,
    }


def pagination_of(total: int, page: int, per_page: int) -> dict[str, Any]:
    start = (page - 1) * per_page
    return {"pageCount": ceil(total / per_page), "range": {"start": start, "end": start + per_page - 1}}


def pagination_of_latest(per_page: int) -> dict[str, Any]:
    return {"pageCount": 1, "range": {"start": 0, "end": per_page - 1}}


_kept: dict[tuple[str, str, Doors, int], tuple[Queue, Verbatim]] = {}


def without_jobs(queue: Queue, doors: Doors, per_page: int) -> Verbatim:
    """Its JSON; the same text as before while nothing of it has changed."""
    key = queue.connection, queue.name, doors, per_page
    kept = _kept.get(key)
    # An unchanged queue is the same object in each snapshot.
    if kept is not None and kept[0] is queue:
        return kept[1]
    text = Verbatim(to_json(app_queue(queue, doors, pagination_of_latest(per_page), [])))
    if len(_kept) >= MOST_KEPT:
        _kept.clear()
    _kept[key] = queue, text
    return text
