"""Every queue of a connection on one page: flat or in groups, ordered and narrowed as its address says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseNotAllowed
from django.views.decorators.http import require_http_methods

from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.overview import group_acting
from dashboard.pages.overview.choosing import TROUBLES, Choice
from dashboard.pages.overview.tree import groups
from dashboard.pages.shell.frame import frame, known_connection, visible
from dashboard.presentation import dashboard_options
from dashboard.request import Request
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models import Queue
from queues.options import get_options
from queues.states import LISTED, State

#: Shown in the line of totals even where they are nought.
ALWAYS = (State.WAITING, State.ACTIVE, State.FAILED)
#: Columns that stand there only where some queue has such jobs.
RARE = (State.PRIORITIZED, State.DELAYED, State.WAITING_CHILDREN)


@dataclass(frozen=True, slots=True)
class Totals:
    """`states`: each with its sum and the address of the queues that have such jobs; `troubles` likewise."""

    queues: int
    states: list[tuple[State, int, str]]
    troubles: list[tuple[str, object, int, str]]
    always: tuple[State, ...] = ALWAYS

    @property
    def rare(self) -> list[State]:
        return [state for state, number, _ in self.states if number and state in RARE]


@require_http_methods(["GET", "HEAD", "POST"])
async def overview(request: Request) -> HttpResponse:
    connection = known_connection(request)
    if request.method == "POST":
        known = "action" in request.GET
        return await group_acting.act(request, connection) if known else HttpResponseNotAllowed(["GET", "HEAD"])
    found, choice = visible(request, await snapshot(connection)), Choice.of(request, connection)
    panel = await group_acting.panel(request, found)
    if panel and wants_fragment(request):
        return render(request, panel["panel"], panel)
    return render(request, "overview/page.html", frame(found, **shown(found, choice), **panel))


def shown(found: Snapshot, choice: Choice) -> dict[str, Any]:
    """Everything overview/page.html draws. What the filter leaves out is on the page all the same, out of sight: sums
    are taken over the rows that a page has.
    """
    rows = [queue for queue in found.queues if choice.shows(queue)] if choice.is_narrow else list(found.queues)
    grouped = groups(rows, choice)
    there = {queue.name for queue in rows} if choice.is_narrow else set()
    site = dashboard_options()
    return {
        "section": "overview",
        "choice": choice,
        "find": choice.find,
        "groups": grouped,
        "has_groups": any(group.path for group in grouped) or not choice.is_tree,
        "elsewhere": [queue for queue in found.queues if queue.name not in there] if choice.is_narrow else [],
        "matching": len(rows),
        "columns": _columns(choice),
        "total": totals(found, choice),
        "site": site,
        "where": get_options().connection(choice.connection),
    }


def _columns(choice: Choice) -> dict[str, dict[str, str]]:
    """By what it sorts: where its head leads, and how it is sorted now."""
    told = {}
    for sort in ("name", *(s.value for s in LISTED), "oldest", "rate", "failing", "drain", "workers"):
        is_up = (sort == "name") is not choice.is_reverse
        order = ("ascending" if is_up else "descending") if sort == choice.sort else ""
        told[sort.replace("-", "_")] = {"url": choice.sorted_by(sort), "order": order}
    return told


def totals(found: Snapshot, choice: Choice) -> Totals:
    """Over every queue that this person sees, whatever the filter says."""
    states = [(s, sum(q.count(s) for q in found.queues), choice.narrowed(state=s)) for s in LISTED]
    troubles = [
        (key, label, _count(found.queues, key), choice.narrowed(trouble=key)) for key, (label, _) in TROUBLES.items()
    ]
    return Totals(len(found.queues), states, [trouble for trouble in troubles if trouble[2]])


def _count(queues: tuple[Queue, ...], trouble: str) -> int:
    return sum(TROUBLES[trouble][1](queue) for queue in queues)
