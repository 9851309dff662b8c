"""What may be done to one job: its buttons, on its page and in its line of a list."""

from __future__ import annotations

from contextlib import suppress

from django.http import HttpResponse, QueryDict

from dashboard import links
from dashboard.errors import wants_fragment
from dashboard.pages.columns import Columns
from dashboard.pages.frame import figures_of, go, swap
from dashboard.pages.job_context import shown
from dashboard.pages.listing import Listing
from dashboard.request import Request
from queues.actions.actor import Actor
from queues.actions.jobs import promote_job, remove_job, retry_job
from queues.errors import InvalidInput, JobNotFound, Refused, TorilError
from queues.lookups.jobs import job_detail
from queues.lookups.snapshot import refresh
from queues.models import Job, Queue

ACTIONS = {"retry": retry_job, "promote": promote_job, "remove": remove_job}


async def act(request: Request, connection: str, queue: str, job_id: str) -> HttpResponse:
    """A button on the job's page or in its line of a list. That the job has moved on is an answer, no error."""
    action, grants = request.GET.get("action", ""), request.grants.on(queue)
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
