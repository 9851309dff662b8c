"""What may be done to a queue as a whole, and to all jobs of a state."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict

from dashboard import links
from dashboard.errors import wants_fragment
from dashboard.pages.job import copying
from dashboard.pages.listing import confirmation, selection
from dashboard.pages.listing.state import Listing
from dashboard.pages.queue import forms
from dashboard.pages.queue.context import shown
from dashboard.pages.shell import ways_back
from dashboard.pages.shell.frame import figures_of, go, swap, visible
from dashboard.request import Request
from queues.actions.audit import Done
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import Refused
from queues.lookups.snapshot import refresh
from queues.models import Operation, Queue

SWITCHES = {"pause": pause_queue, "resume": resume_queue}


async def act(request: Request, queue: Queue, asked: Listing) -> HttpResponse:
    """One of the buttons; the answer is the whole queue as it is afterwards."""
    action, grants = request.GET.get("action", ""), request.grants.on(queue.name)
    if action == "selected":
        return await selection.act(request, queue, asked)
    if action == "undo":
        return await ways_back.lead_back(request, grants, queue.connection, queue.name)
    if action == "add":
        return await copying.act_new(request, queue.connection, queue.name)
    if action == "obliterate":
        return await _obliterate(request, queue)
    if action in SWITCHES:
        grants.require(f"queue.{action}")
        done = await SWITCHES[action](grants.actor, queue.connection, queue.name)
        return await _done(request, queue, asked, done)
    if action == "limits":
        return await _done(request, queue, asked, await forms.set_limits(grants, queue, request.POST))
    if action == "release":
        return await _done(request, queue, asked, await _released(request, queue))
    return await _bulk(request, queue, asked, action)


async def _released(request: Request, queue: Queue) -> Done:
    try:
        return await forms.release(request.grants.on(queue.name), queue)
    except Refused as error:
        # That it runs already is what was wanted.
        return Done(str(error))


async def _bulk(request: Request, queue: Queue, asked: Listing, action: str) -> HttpResponse:
    progress = await confirmation.run(queue, action, request.POST, request.grants)
    if isinstance(progress, Operation):
        return go(request, links.operation_url(queue.connection, progress.pk), "")
    kind = "bad" if progress.error else "done"
    if progress.finished:
        return await _after(request, queue, asked, progress.sentence, kind)
    rest: dict[str, object] = {"confirm": action, "state": progress.plan.state.value, "before": progress.plan.before_ms}
    return await _after(request, queue, asked, progress.sentence, kind, rest)


async def _obliterate(request: Request, queue: Queue) -> HttpResponse:
    """To its end, or as far as one request may go; then the rest is asked for again."""
    form = request.POST
    try:
        done = await forms.obliterate(request.grants.on(queue.name), queue, form)
    except Refused as error:
        here = links.queue_url(queue.connection, queue.name, form="obliterate")
        return go(request, here, str(error), "bad")
    found = await refresh(queue.connection, [queue.name])
    if done.finished:
        return go(request, links.overview_url(queue.connection), done.sentence)
    again = await forms.again(request, found.queue(queue.name) or queue, done, form.get("force") == "1")
    if again is not None:
        return again
    return go(request, links.queue_url(queue.connection, queue.name, form="obliterate"), done.sentence, "bad")


async def _done(request: Request, queue: Queue, asked: Listing, done: Done) -> HttpResponse:
    return await _after(request, queue, asked, done.message, way=ways_back.way_back(done.undo, *_address(queue)))


def _address(queue: Queue) -> tuple[str, str]:
    return queue.connection, queue.name


async def _after(
    request: Request,
    queue: Queue,
    asked: Listing,
    message: str,
    kind: str = "done",
    rest: dict[str, object] | None = None,
    way: ways_back.WayBack | None = None,
) -> HttpResponse:
    """Where the time ran out, `rest` asks for the confirmation of what is left, with its button to continue."""
    # The page that follows must show what was done, not what the shared figures knew a second ago.
    found = visible(request, await refresh(queue.connection, [queue.name]))
    if not wants_fragment(request):
        return go(request, asked.url(queue, rest), message, ways_back.tags(kind, way))
    # Cleaning a queue to its end may leave nothing of it; then what was known is drawn once more.
    context = await shown(found, found.queue(queue.name) or queue, asked)
    if rest:
        query = QueryDict(urlencode(rest))
        context |= await confirmation.counted(request, queue, str(rest["confirm"]), query, asked.status)
    response = swap(request, "queue/queue.html", context, message, kind, way=way)
    response.write(figures_of(context["queue"], asked.tab))
    return response
