"""What may be done to one job: its buttons and forms, on its page and in its line of a list."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

from django.http import HttpResponse, QueryDict
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.job import acts, copying, editing, forms
from dashboard.pages.job.acts import Address
from dashboard.pages.job.context import shown
from dashboard.pages.listing.columns import Columns
from dashboard.pages.listing.state import Listing
from dashboard.pages.payload import revealing
from dashboard.pages.shell import ways_back
from dashboard.pages.shell.frame import figures_of, frame, go, partial, swap, visible
from dashboard.request import Request
from queues.actions.audit import Offer
from queues.errors import InvalidInput, JobNotFound, Refused, TorilError
from queues.lookups.jobs import job_detail
from queues.lookups.snapshot import refresh, snapshot
from queues.models import Job, Queue


@dataclass(frozen=True, slots=True)
class Acted:
    """What is said of it, whether the job is nowhere now, the status of the answer, the way back."""

    message: str
    is_gone: bool
    status: int = 200
    undo: Offer | None = None

    @property
    def kind(self) -> str:
        return "done" if self.status == 200 else "bad"


async def act(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """A button on the job's page or in its line of a list. That the job has moved on is an answer, no error."""
    action, grants = request.GET.get("action", ""), request.grants.on(queue)
    at = Address.of(request, connection, queue, job_id)
    if action == "undo":
        return await ways_back.lead_back(request, grants, connection, queue, job_id)
    if action == "reveal":
        return await revealing.act(request, at)
    if action == "reveal-form":
        return await _revealed(request, at)
    if action == "edit":
        return await editing.act(request, at)
    if action == "duplicate":
        return await copying.act(request, at)
    if action not in acts.ACTS:
        raise InvalidInput(_("There is no action “%(action)s”.") % {"action": action[:60]})
    return await answer(request, at, await _try(action, at, request.POST))


async def _revealed(request: Request, at: Address) -> HttpResponse:
    """A form with what is masked shown, for this one answer."""
    context = await forms.revealed(at, request.POST.get("form", ""))
    around = await shown(await job_detail(at.connection, at.queue, at.job_id))
    if wants_fragment(request):
        return render(request, context["panel"], around | context)
    page = frame(visible(request, await snapshot(at.connection)), here=at.queue, **(around | context))
    return render(request, "job/page.html", page)


async def answer(request: Request, at: Address, acted: Acted) -> HttpResponse:
    """The page, or the list's line, as it is afterwards."""
    # Whatever page follows must show what was done, not what the shared figures knew a second ago.
    counts = await _recount(at.connection, at.queue)
    if "back" in request.POST:
        return _in_list(request, at, acted, counts)
    if acted.is_gone:
        # The page of a job that is gone would be a dead end; what was done there is undone from the queue's.
        way = ways_back.way_back(acted.undo, at.connection, at.queue, at.job_id)
        here = links.queue_url(at.connection, at.queue)
        return go(request, here, acted.message, ways_back.tags(acted.kind, way))
    way = ways_back.way_back(acted.undo, at.connection, at.queue, at.job_id)
    if not wants_fragment(request):
        here = links.job_url(at.connection, at.queue, at.job_id)
        return go(request, here, acted.message, ways_back.tags(acted.kind, way))
    context = await shown(await job_detail(at.connection, at.queue, at.job_id))
    response = swap(request, "job/job.html", context, acted.message, acted.kind, acted.status, way)
    if "panel" in request.POST and acted.status == 200:
        response.write(partial("panel", "", "innerHTML"))
    return response


async def _try(action: str, at: Address, form: QueryDict) -> Acted:
    try:
        done = await acts.run(action, at, form)
    except JobNotFound as error:
        return Acted(str(error), True, error.status)
    except Refused as error:
        return Acted(str(error), getattr(error, "state", "unknown") is None, error.status)
    return Acted(done.message, done.state is None, undo=done.undo)


async def _recount(connection: str, queue: str) -> Queue | None:
    """None where Redis has gone since: what was done is done, and is said."""
    with suppress(TorilError):
        return (await refresh(connection, [queue])).queue(queue)
    return None


def _in_list(request: Request, at: Address, acted: Acted, counts: Queue | None) -> HttpResponse:
    """The job's line keeps its place in the list and says what became of the job; the counts follow."""
    back = QueryDict(request.POST["back"][:4_000])
    job = Job(connection=at.connection, queue=at.queue, job_id=at.job_id)
    listing = Listing.read(back, Queue(connection=at.connection, name=at.queue))
    way = ways_back.way_back(acted.undo, at.connection, at.queue, at.job_id, back.urlencode())
    if not wants_fragment(request):
        here = links.queue_url(at.connection, at.queue, **listing.query)
        return go(request, here, acted.message, ways_back.tags(acted.kind, way))
    rest = Columns.of(listing.status).rest
    context = {"job": job, "message": acted.message, "rest": rest, "is_gone": acted.is_gone, "way": way}
    response = swap(request, "job/moved_row.html", context, "", acted.kind, acted.status)
    if counts is not None:
        response.write(figures_of(counts, listing.status))
    return response
