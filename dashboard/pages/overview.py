"""Every queue of a connection on one page."""

from __future__ import annotations

from dataclasses import dataclass

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from dashboard.pages.frame import frame, known_connection, visible
from dashboard.request import Request
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models import Queue
from queues.options import get_options
from queues.states import LISTED, State, parse_state

#: Shown in the line of totals even where they are nought.
ALWAYS = (State.WAITING, State.ACTIVE, State.FAILED)


@dataclass(frozen=True, slots=True)
class Totals:
    queues: int
    counts: list[tuple[State, int]]
    always: tuple[State, ...] = ALWAYS


@require_safe
async def overview(request: Request) -> HttpResponse:
    connection = known_connection(request)
    found = visible(request, await snapshot(connection))
    sort, find = request.GET.get("sort", ""), request.GET.get("q", "").strip()
    shown = {
        "section": "overview",
        "rows": ordered(matching(found.queues, find), sort),
        "states": LISTED,
        "total": totals(found),
        "sort": sort if sort == "oldest" or parse_state(sort) else "name",
        "find": find,
        "where": get_options().connection(connection),
    }
    return render(request, "overview/page.html", frame(found, **shown))


def totals(found: Snapshot) -> Totals:
    return Totals(len(found.queues), [(state, sum(q.count(state) for q in found.queues)) for state in LISTED])


def matching(queues: tuple[Queue, ...], find: str) -> list[Queue]:
    wanted = find.casefold()
    return [queue for queue in queues if wanted in queue.name.casefold()]


def ordered(queues: list[Queue], sort: str) -> list[Queue]:
    """By name, as they come; by a state's count, most first; or by the oldest waiting job. Equals stay by name."""
    if sort == "oldest":
        return sorted(queues, key=lambda queue: queue.oldest_waiting_ms or float("inf"))
    state = parse_state(sort)
    return sorted(queues, key=lambda queue: -queue.count(state)) if state else queues
