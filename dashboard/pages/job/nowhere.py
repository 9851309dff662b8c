"""A job that is nowhere: why that may be, and where else one of that id is."""

from __future__ import annotations

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard.drawing import render
from dashboard.errors import wants_fragment, wants_json
from dashboard.pages.shell.frame import frame
from dashboard.request import Request
from queues.errors import JobNotFound, TorilError
from queues.lookups.finding import queues_with_job
from queues.lookups.snapshot import Snapshot
from queues.models import Job

#: In so many queues the id is looked for; and so many are named.
MOST_QUEUES, MOST_NAMED = 500, 10


async def nowhere(request: Request, around: Snapshot | None, connection: str, queue: str, job_id: str) -> HttpResponse:
    """404 with what helps; raises JobNotFound for programs and fragments, whose one sentence is enough."""
    if wants_fragment(request) or wants_json(request):
        raise JobNotFound(queue, job_id)
    names = [one.name for one in around.queues][:MOST_QUEUES] if around else []
    try:
        found = await queues_with_job(connection, [name for name in names if name != queue], job_id)
    except TorilError:
        found = []
    context = {
        "job": Job(connection=connection, queue=queue, job_id=job_id),
        "elsewhere": found[:MOST_NAMED],
        "is_queue": queue in names,
        "sentence": _("Queue “%(queue)s” has no job “%(id)s”.") % {"queue": queue, "id": job_id},
    }
    return render(request, "job/nowhere.html", frame(around, here=queue, **context), status=404)
