"""The way to queues and jobs whose name no path can hold (`.`, `..`, the empty one): `queue?name=…&id=…`."""

from __future__ import annotations

from django.http import HttpResponseBase, HttpResponseRedirect

from dashboard import links
from dashboard.pages.job.page import job_page
from dashboard.pages.queue.page import queue_page
from dashboard.request import Request


async def by_query(request: Request) -> HttpResponseBase:
    name, job_id = request.GET.get("name"), request.GET.get("id")
    if name is None:
        return HttpResponseRedirect(links.overview_url())
    return await (queue_page(request, name) if job_id is None else job_page(request, name, job_id))
