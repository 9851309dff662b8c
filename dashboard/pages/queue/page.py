"""One queue: how it stands, its jobs by state, and what may be done to all of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.views.decorators.http import require_http_methods

from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.job import why
from dashboard.pages.listing import confirmation, glimpse, selection
from dashboard.pages.listing.state import Listing
from dashboard.pages.queue import about, acting, forms
from dashboard.pages.queue.context import look_up, shown
from dashboard.pages.shell.frame import known_connection, visible
from dashboard.request import Request
from queues.models import Queue


@require_http_methods(["GET", "HEAD", "POST"])
async def queue_page(request: Request, queue: str) -> HttpResponse:
    connection = known_connection(request)
    found, seen = await look_up(connection, queue)
    asked = Listing.of(request, seen)
    if request.method == "POST":
        return await acting.act(request, seen, asked)
    if (part := await _part(request, seen, asked)) is not None:
        return part
    context = await _panel(request, seen, asked)
    if context and wants_fragment(request):
        return render(request, context["panel"], {"queue": seen, "status": asked.status, "asked": asked} | context)
    if "about" in request.GET:
        context |= await about.of_queue(request, seen)
    return render(request, "queue/page.html", await shown(visible(request, found), seen, asked) | context)


async def _part(request: Request, queue: Queue, asked: Listing) -> HttpResponse | None:
    """A fragment that the page fetches by itself or that unfolds, or None."""
    if request.GET.get("fragment") == "why":
        return render(request, "why/queue.html", {"queue": queue, "why": await why.of_queue(queue)})
    if request.GET.get("fragment") == "about":
        return render(request, "queue/about.html", {"queue": queue} | await about.of_queue(request, queue))
    if (job_id := request.GET.get("expand")) is not None:
        return render(request, "queue/more.html", await glimpse.unfolded(queue, asked, job_id))
    return None


async def _panel(request: Request, queue: Queue, asked: Listing) -> dict[str, Any]:
    """What a bulk action asks before it starts, or a form, where the address asks for one."""
    if "form" in request.GET:
        return await forms.opened(request, queue)
    action = request.GET.get("confirm")
    if not action:
        return {}
    if action == "selected":
        return await selection.asked_about(request, queue, asked)
    return await confirmation.counted(request, queue, action, request.GET, asked.status)
