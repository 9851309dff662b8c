"""One job, at one address whatever its state."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Any

from django.http import HttpResponse, QueryDict
from django.shortcuts import render
from django.utils.http import content_disposition_header
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.errors import wants_fragment
from dashboard.live.viewer import seen
from dashboard.moments import now_ms
from dashboard.pages import payloads
from dashboard.pages.columns import Columns
from dashboard.pages.frame import figures_of, frame, go, known_connection, swap
from dashboard.pages.listing import Listing
from dashboard.pages.timeline import timeline
from dashboard.request import Request
from queues.actions.actor import Actor
from queues.actions.jobs import promote_job, remove_job, retry_job
from queues.errors import InvalidInput, JobNotFound, NotFound, Refused, TorilError
from queues.lookups.jobs import JobDetail, job_detail, job_log, job_payload
from queues.lookups.snapshot import Snapshot, refresh, snapshot
from queues.models import Job, Queue
from queues.options import get_options
from queues.protocol.codec import raw

MOST_LOG_LINES = 100_000
ACTIONS = {"retry": retry_job, "promote": promote_job, "remove": remove_job}


@require_http_methods(["GET", "HEAD", "POST"])
async def job_page(request: Request, queue: str, job_id: str) -> HttpResponse:
    connection = known_connection(request)
    if request.method == "POST":
        return await act(request, connection, queue, job_id)
    if field := request.GET.get("field"):
        return await download(connection, queue, job_id, field)
    fragment, show = request.GET.get("fragment"), request.GET.get("show", "")
    if fragment == "job":
        return render(request, "job/job.html", await shown(await job_detail(connection, queue, job_id), show))
    if fragment == "payload":
        context = await shown(await job_detail(connection, queue, job_id), show)
        card = next((card for card in context["cards"] if card.field == show), None)
        if card is None:
            raise InvalidInput("There is no such field.")
        return render(request, "job/payload.html", context | {"card": card})
    around, detail = await asyncio.gather(_around(connection), job_detail(connection, queue, job_id))
    return render(request, "job/page.html", frame(around, here=queue, **await shown(detail, show)))


async def _around(connection: str) -> Snapshot | None:
    """The figures at the side; a job that the mirror kept is shown without them too."""
    try:
        return await snapshot(connection)
    except TorilError:
        return None


async def shown(detail: JobDetail, show: str = "") -> dict[str, Any]:
    """Everything job/job.html draws; `show` names a field to be shown whole."""
    job = detail.job
    whole = await job_payload(job.connection, job.queue, job.job_id, show) if payloads.loadable(detail, show) else None
    return {
        "job": job,
        "detail": detail,
        "moments": timeline(job, now_ms()),
        "cards": payloads.cards(detail, show, whole),
        "seen": seen(job),
        "parent": parent_of(job),
    }


def parent_of(job: Job) -> Job | None:
    """The parent, where its key lies under this connection's prefix and can be told apart."""
    prefix, _, rest = job.parent_key.partition(get_options().connection(job.connection).prefix)
    queue, _, job_id = rest.removeprefix(":").partition(":")
    return None if prefix or not (queue and job_id) else Job(connection=job.connection, queue=queue, job_id=job_id)


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


async def act(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """A button on the job's page or in its line of a list. That the job has moved on is an answer, no error."""
    action, grants = request.GET.get("action", ""), request.grants
    if action not in ACTIONS:
        raise InvalidInput(f"There is no action “{action[:60]}”.")
    grants.require(f"job.{action}")
    message, state, status = await _try(action, grants.actor, connection, queue, job_id)
    # Whatever page follows must show what was done, not what the shared figures knew a second ago.
    counts = await _recount(connection, queue)
    if "back" in request.POST:
        job = Job(connection=connection, queue=queue, job_id=job_id)
        return _in_list(request, job, message, status, state is None, counts)
    kind = "done" if status == 200 else "bad"
    if state is None:
        # The page of a job that is gone would be a dead end.
        return go(request, links.queue_url(connection, queue), message, kind)
    if not wants_fragment(request):
        return go(request, links.job_url(connection, queue, job_id), message, kind)
    context = await shown(await job_detail(connection, queue, job_id))
    return swap(request, "job/job.html", context, message, kind, status)


async def _try(action: str, actor: Actor, connection: str, queue: str, job_id: str) -> tuple[str, object, int]:
    """The sentence, where the job is now (None: nowhere), and the status of the answer."""
    try:
        done = await ACTIONS[action](actor, connection, queue, job_id)
    except JobNotFound as error:
        return str(error), None, error.status
    except Refused as error:
        return str(error), getattr(error, "state", "unknown"), error.status
    return done.message, done.state, 200


async def _recount(connection: str, queue: str) -> Queue | None:
    """None where Redis has gone since: what was done is done, and is said."""
    with suppress(TorilError):
        return (await refresh(connection, [queue])).queue(queue)
    return None


def _in_list(
    request: Request, job: Job, message: str, status: int, is_gone: bool, counts: Queue | None
) -> HttpResponse:
    """The job's line keeps its place in the list and says what became of the job; the counts follow."""
    back, kind = QueryDict(request.POST["back"][:400]), "done" if status == 200 else "bad"
    listing = Listing.read(back, Queue(connection=job.connection, name=job.queue))
    if not wants_fragment(request):
        return go(request, links.queue_url(job.connection, job.queue, **listing.query), message, kind)
    context = {"job": job, "message": message, "rest": Columns.of(listing.status).rest, "is_gone": is_gone}
    response = swap(request, "job/moved_row.html", context, "", kind, status)
    if counts is not None:
        response.write(figures_of(counts, listing.status))
    return response
