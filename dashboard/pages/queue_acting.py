"""What may be done to a queue as a whole, and to all jobs of a state."""

from __future__ import annotations

from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict

from dashboard.errors import wants_fragment
from dashboard.pages import confirmation, selection
from dashboard.pages.frame import figures_of, go, swap, visible
from dashboard.pages.listing import Listing
from dashboard.pages.queue_context import shown
from dashboard.request import Request
from queues.actions.queues import pause_queue, resume_queue
from queues.lookups.snapshot import refresh
from queues.models import Queue

SWITCHES = {"pause": pause_queue, "resume": resume_queue}


async def act(request: Request, queue: Queue, asked: Listing) -> HttpResponse:
    """One of the buttons; the answer is the whole queue as it is afterwards."""
    action, grants = request.GET.get("action", ""), request.grants.on(queue.name)
    if action == "selected":
        return await selection.act(request, queue, asked)
    if action in SWITCHES:
        grants.require(f"queue.{action}")
        done = await SWITCHES[action](grants.actor, queue.connection, queue.name)
        return await _after(request, queue, asked, done.message)
    progress = await confirmation.run(queue, action, request.POST, grants)
    kind = "bad" if progress.error else "done"
    if progress.finished:
        return await _after(request, queue, asked, progress.sentence, kind)
    rest: dict[str, object] = {"confirm": action, "state": progress.plan.state.value, "before": progress.plan.before_ms}
    return await _after(request, queue, asked, progress.sentence, kind, rest)


async def _after(
    request: Request,
    queue: Queue,
    asked: Listing,
    message: str,
    kind: str = "done",
    rest: dict[str, object] | None = None,
) -> HttpResponse:
    """Where the time ran out, `rest` asks for the confirmation of what is left, with its button to continue."""
    # The page that follows must show what was done, not what the shared figures knew a second ago.
    found = visible(request, await refresh(queue.connection, [queue.name]))
    if not wants_fragment(request):
        return go(request, asked.url(queue, rest), message, kind)
    # Cleaning a queue to its end may leave nothing of it; then what was known is drawn once more.
    context = await shown(found, found.queue(queue.name) or queue, asked)
    if rest:
        grants, query = request.grants.on(queue.name), QueryDict(urlencode(rest))
        context |= await confirmation.counted(queue, str(rest["confirm"]), query, asked.status, grants)
    response = swap(request, "queue/queue.html", context, message, kind)
    response.write(figures_of(context["queue"], asked.tab))
    return response
