"""One queue: how it stands, its jobs by state, and what may be done to all of them."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.errors import wants_fragment
from dashboard.pages import confirmation
from dashboard.pages.columns import Columns
from dashboard.pages.frame import figures_of, frame, go, known_connection, swap
from dashboard.pages.listing import Listing, pager
from dashboard.request import Request
from queues.actions.queues import pause_queue, resume_queue
from queues.errors import QueueNotFound, RedisRefused, RedisUnavailable
from queues.lookups.audit import paused_by
from queues.lookups.jobs import JobList, job_list
from queues.lookups.snapshot import Snapshot, refresh, snapshot
from queues.models import AuditEntry, Queue
from queues.states import BULK_ACTIONS

SWITCHES = {"pause": pause_queue, "resume": resume_queue}


@require_http_methods(["GET", "HEAD", "POST"])
async def queue_page(request: Request, queue: str) -> HttpResponse:
    connection = known_connection(request)
    found, seen = await look_up(connection, queue)
    asked = Listing.read(request.GET, seen)
    if request.method == "POST":
        return await act(request, seen, asked)
    context: dict[str, Any] = {}
    if action := request.GET.get("confirm"):
        grants = request.grants
        context = await confirmation.counted(seen, action, request.GET, asked.status, grants)
        if wants_fragment(request):
            return render(request, "queue/confirm.html", {"queue": seen, "status": asked.status} | context)
    return render(request, "queue/page.html", await shown(found, seen, asked) | context)


async def look_up(connection: str, name: str) -> tuple[Snapshot, Queue]:
    """The shared figures and this queue's among them. Raises QueueNotFound."""
    found = await snapshot(connection)
    if found.queue(name) is None:
        found = await refresh(connection, [name])
    queue = found.queue(name)
    if queue is None:
        raise QueueNotFound(name)
    return found, queue


async def shown(found: Snapshot, queue: Queue, asked: Listing) -> dict[str, Any]:
    """Everything queue/page.html draws. A list that cannot be read is a sentence, not an error page."""
    listed, trouble = await _jobs(found, queue, asked)
    complaints = [*asked.complaints, *([listed.note] if listed and listed.note else [])]
    return frame(
        found,
        here=queue.name,
        queue=queue,
        status=asked.status,
        list=listed,
        unreadable=trouble,
        complaints=complaints,
        columns=Columns.of(asked.status),
        pager=pager(queue, asked, listed) if listed else None,
        retriable=BULK_ACTIONS["retry-all"],
        back=asked.back,
        paused_by=await _pauser(queue),
    )


async def _pauser(queue: Queue) -> AuditEntry | None:
    return (await paused_by(queue.connection, [queue.name])).get(queue.name) if queue.is_paused else None


async def _jobs(found: Snapshot, queue: Queue, asked: Listing) -> tuple[JobList | None, str]:
    if found.error:
        # Asking again would make the page wait once more for what has just not answered.
        return None, found.error
    try:
        listed = await job_list(queue.connection, queue.name, asked.status, asked.page, asked.per_page)
    except (RedisUnavailable, RedisRefused) as error:
        return None, str(error)
    return (None, listed.broken) if listed.broken else (listed, "")


async def act(request: Request, queue: Queue, asked: Listing) -> HttpResponse:
    """One of the buttons; the answer is the whole queue as it is afterwards."""
    action, grants = request.GET.get("action", ""), request.grants
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
    found = await refresh(queue.connection, [queue.name])
    if not wants_fragment(request):
        return go(request, asked.url(queue, rest), message, kind)
    # Cleaning a queue to its end may leave nothing of it; then what was known is drawn once more.
    context = await shown(found, found.queue(queue.name) or queue, asked)
    if rest:
        grants, query = request.grants, QueryDict(urlencode(rest))
        context |= await confirmation.counted(queue, str(rest["confirm"]), query, asked.status, grants)
    response = swap(request, "queue/queue.html", context, message, kind)
    response.write(figures_of(context["queue"], asked.status))
    return response
