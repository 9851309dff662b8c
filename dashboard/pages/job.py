"""One job, at one address whatever its state."""

from __future__ import annotations

import asyncio

from django.http import HttpResponse
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from dashboard.pages import job_acting, why
from dashboard.pages.frame import frame, known_connection, visible
from dashboard.pages.job_context import shown
from dashboard.request import Request
from queues.errors import InvalidInput, NotFound, TorilError
from queues.lookups.jobs import job_detail, job_log, job_payload
from queues.lookups.snapshot import Snapshot, snapshot
from queues.protocol.codec import raw

MOST_LOG_LINES = 100_000


@require_http_methods(["GET", "HEAD", "POST"])
async def job_page(request: Request, queue: str, job_id: str) -> HttpResponse:
    connection = known_connection(request)
    if request.method == "POST":
        return await job_acting.act(request, connection, queue, job_id)
    if field := request.GET.get("field"):
        return await download(connection, queue, job_id, field)
    fragment, show = request.GET.get("fragment"), request.GET.get("show", "")
    if fragment == "job":
        return render(request, "job/job.html", await shown(await job_detail(connection, queue, job_id), show))
    if fragment == "why":
        job = (await job_detail(connection, queue, job_id)).job
        return render(request, "why/job.html", {"job": job, "why": await why.of_job(job)})
    if fragment == "payload":
        context = await shown(await job_detail(connection, queue, job_id), show)
        card = next((card for card in context["cards"] if card.field == show), None)
        if card is None:
            raise InvalidInput("There is no such field.")
        return render(request, "job/payload.html", context | {"card": card})
    around, detail = await asyncio.gather(_around(request, connection), job_detail(connection, queue, job_id))
    return render(request, "job/page.html", frame(around, here=queue, **await shown(detail, show)))


async def _around(request: Request, connection: str) -> Snapshot | None:
    """The figures at the side; a job that the mirror kept is shown without them too."""
    try:
        return visible(request, await snapshot(connection))
    except TorilError:
        return None


async def download(connection: str, queue: str, job_id: str, field: str) -> HttpResponse:
    """One payload field or the log, byte for byte. Never shown by the browser as what it may claim to be."""
    value = await _log(connection, queue, job_id) if field == "logs" else None
    value = value or await job_payload(connection, queue, job_id, field)
    if value is None:
        raise NotFound(f"Queue “{queue}” holds no {field} of a job “{job_id}”.")
    name = f"{queue}-{job_id}-{field}.{'txt' if field in ('failedReason', 'logs') else 'json'}"
    headers = {"Content-Disposition": content_disposition_header(True, name) or "attachment"}
    return HttpResponse(value, content_type="application/octet-stream", headers=headers)


async def _log(connection: str, queue: str, job_id: str) -> bytes:
    """The whole log, or its end where it is longer than anybody reads."""
    lines = await job_log(connection, queue, job_id, MOST_LOG_LINES)
    return b"".join(raw(line) + b"\n" for line in lines)
