"""How queues and job names fare over time: charts, tables, deploys."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseBase
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.choices import choices_of
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.metrics import tables
from dashboard.pages.metrics.charts import charts
from dashboard.pages.queue.small_chart import small_chart
from dashboard.pages.shell.frame import frame, go, known_connection, visible
from dashboard.presentation import dashboard_options
from dashboard.request import Request
from queues.actions.deploys import mark_deploy
from queues.errors import NotFound, QueueNotFound
from queues.lookups.history import RANGES, History, history
from queues.lookups.snapshot import Snapshot, snapshot
from queues.models import Queue, Series
from queues.models.local import is_in_process
from queues.options import get_options

#: Beyond this the tables are told to be behind: a minute is taken some seconds after its end.
BEHIND_S = 240
NO_MIRROR = _(
    "No mirror has taken samples yet: only what workers recorded in the last 3 hours is shown, and no backlog. "
    "Start it with “manage.py runmirror”."
)
MIRROR_BEHIND = _(
    "The mirror takes no samples at present: since then the backlog is a gap, and so will be what workers recorded "
    "more than 3 hours before it starts again."
)
ONLY_LISTS = _(
    "From the lists that BullMQ's own workers write: how jobs ended, but not how long they took, nor their names. "
    "These lists cannot tell an idle minute from one without a worker."
)
ONLY_EVENTS = _(
    "Other workers than Toril's ran jobs of this queue: of these is shown what the mirror saw in the event stream, "
    "which does not tell retries."
)
SOME_LISTS = _("Some queues are known only from the lists that BullMQ's own workers write.")
NOBODY = _(
    "Nobody recorded this queue in this time. Figures come from Toril's workers, or from Node's where they are "
    "started with the option “metrics”."
)


@require_http_methods(["GET", "HEAD", "POST"])
async def metrics_page(request: Request) -> HttpResponseBase:
    """`?queue=`, `?name=`, `?range=`, `?sort=`; `fragment=figures` brings what changes by itself."""
    if not dashboard_options().show_metrics:
        raise NotFound(str(_("The settings of this site leave the metrics page out (show_metrics).")))
    connection = known_connection(request)
    if request.method == "POST":
        return await _mark(request, connection)
    seen = visible(request, await snapshot(connection))
    if is_in_process():
        return render(request, "metrics/page.html", frame(seen, section="metrics", is_nowhere=True))
    queue, name = request.GET.get("queue"), request.GET.get("name", "")
    asked = RANGES.get(request.GET.get("range", ""), RANGES["1h"])
    if queue is not None:
        await _require(request, connection, seen, queue)
        if request.GET.get("fragment") == "small" and wants_fragment(request):
            return await _small(request, connection, seen, queue)
    names = None if request.grants.sees_all else [one.name for one in seen.queues]
    found = await history(connection, asked, names, queue, name if queue is not None else "")
    context = _shown(request, seen, found, queue, name)
    if request.GET.get("fragment") == "figures" and wants_fragment(request):
        return render(request, "metrics/figures.html", context)
    return render(request, "metrics/page.html", frame(seen, **context))


async def _require(request: Request, connection: str, seen: Snapshot, queue: str) -> None:
    """Raises QueueNotFound unless it is there, or was, and this person sees it."""
    request.grants.require_sight(queue, connection)
    if seen.queue(queue) is None and not await Series.objects.filter(connection=connection, queue=queue).aexists():
        raise QueueNotFound(queue)


def _shown(request: Request, seen: Snapshot, found: History, queue: str | None, name: str) -> dict[str, Any]:
    here = seen.queue(queue) if queue is not None else None
    return {
        "section": "metrics",
        "queue_name": queue,
        "queue": here,
        "here": queue,
        "job_name": name if queue is not None else "",
        "ranges": list(RANGES),
        "range": found.range,
        "history": found,
        "is_live": found.range.name == "1h",
        "charts": charts(
            found,
            has_times=queue is not None and (_has_times(found) or not found.has_lists),
            # What waits is known of the queue as a whole.
            has_backlog=queue is None or not name,
        ),
        "totals": tables.lines(found, request.GET.get("sort", "")),
        "sort": tables.sort_of(request.GET.get("sort", "")),
        "extremes": tables.extremes(found) if queue is not None else None,
        "notes": _notes(found, queue),
        "kept_days": get_options().mirror.history_days,
        "zone": choices_of(request).zone,
        "connection_name": seen.connection,
    }


def _has_times(found: History) -> bool:
    return any(point.ended.run or point.ended.wait for point in found.points)


def _notes(found: History, queue: str | None) -> list[str]:
    """What these figures are not."""
    said = []
    if found.until_s is None:
        said.append(NO_MIRROR)
    elif (found.behind_s or 0) > BEHIND_S:
        said.append(MIRROR_BEHIND)
    if found.has_lists:
        said.append(SOME_LISTS if queue is None else ONLY_LISTS)
    if found.has_events:
        said.append(ONLY_EVENTS)
    if queue is not None and not any(point.recorded for point in found.points):
        said.append(NOBODY)
    return [str(sentence) for sentence in said]


async def _small(request: Request, connection: str, seen: Snapshot, name: str) -> HttpResponse:
    queue = seen.queue(name) or Queue(connection=connection, name=name)
    return render(request, "metrics/small.html", {"queue": queue, "small": await small_chart(queue)})


async def _mark(request: Request, connection: str) -> HttpResponse:
    request.grants.require("deploy.mark")
    done = await mark_deploy(request.grants.actor, request.POST.get("label", ""))
    back = {key: request.GET[key] for key in ("queue", "name", "range", "sort") if key in request.GET}
    return go(request, links.metrics_url(connection, **back), done.message)
