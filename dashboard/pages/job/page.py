"""One job, at one address whatever its state."""

from __future__ import annotations

import asyncio

from django.http import HttpResponse, HttpResponseBase
from django.views.decorators.http import require_http_methods

from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.job import acting, forms, parts
from dashboard.pages.job.context import shown
from dashboard.pages.job.incarnation import added_ms
from dashboard.pages.job.nowhere import nowhere
from dashboard.pages.payload import downloads
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.request import Request
from queues.errors import JobNotFound
from queues.lookups.jobs import job_detail


@require_http_methods(["GET", "HEAD", "POST"])
async def job_page(request: Request, queue: str, job_id: str) -> HttpResponseBase:
    connection = known_connection(request)
    if request.method == "POST":
        return await acting.act(request, connection, queue, job_id)
    if field := request.GET.get("field"):
        request.grants.on(queue).require("job.payload")
        return await downloads.download(connection, queue, job_id, field, added_ms(request))
    if part := parts.PARTS.get(request.GET.get("fragment", "")):
        return await part(request, connection, queue, job_id)
    return await _page(request, connection, queue, job_id)


async def _page(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    try:
        asked = job_detail(connection, queue, job_id, added_ms=added_ms(request))
        around, detail = await asyncio.gather(around_of(request, connection), asked)
    except JobNotFound:
        return await nowhere(request, await around_of(request, connection), connection, queue, job_id)
    context = await shown(detail, request.GET)
    if "form" in request.GET:
        context |= await forms.opened(request, connection, queue, job_id)
        if wants_fragment(request):
            return render(request, context["panel"], context)
    return render(request, "job/page.html", frame(around, here=queue, **context))
