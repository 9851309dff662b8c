"""One queue: how it stands, its jobs by state, and what may be done to all of them."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_http_methods

from dashboard.errors import wants_fragment
from dashboard.pages import confirmation, queue_acting, why
from dashboard.pages.frame import known_connection, visible
from dashboard.pages.listing import Listing
from dashboard.pages.queue_context import look_up, shown
from dashboard.request import Request


@require_http_methods(["GET", "HEAD", "POST"])
async def queue_page(request: Request, queue: str) -> HttpResponse:
    connection = known_connection(request)
    found, seen = await look_up(connection, queue)
    asked = Listing.read(request.GET, seen)
    if request.method == "POST":
        return await queue_acting.act(request, seen, asked)
    if request.GET.get("fragment") == "why":
        return render(request, "why/queue.html", {"queue": seen, "why": await why.of_queue(seen)})
    context: dict[str, Any] = {}
    if action := request.GET.get("confirm"):
        grants = request.grants.on(queue)
        context = await confirmation.counted(seen, action, request.GET, asked.status, grants)
        if wants_fragment(request):
            return render(request, "queue/confirm.html", {"queue": seen, "status": asked.status} | context)
    return render(request, "queue/page.html", await shown(visible(request, found), seen, asked) | context)
