"""`GET /admin/queues/live`: what a socket would tell the page, for pages that have none and ask every few seconds."""

from __future__ import annotations

from django.http import HttpResponse
from django.views.decorators.http import require_safe

from dashboard import hosting
from dashboard.live import fragments
from dashboard.live.fragments import Fragment, Status, Topic
from dashboard.live.viewer import Place, seen
from dashboard.pages.shell.frame import known_connection, visible
from dashboard.request import Request
from queues.errors import RedisRefused, RedisUnavailable
from queues.lookups.snapshot import Snapshot, snapshot
from queues.protocol.reads.marks import job_marks


@require_safe
async def news(request: Request) -> HttpResponse:
    """Fragments of what the page shows, as they are now; a lost answer costs a few seconds, for the next has it all."""
    connection = known_connection(request)
    place = Place.of(request.META.get("QUERY_STRING", "").encode()).within(request.grants.sight(connection))
    try:
        now = visible(request, await snapshot(connection))
        told = [*_of_queues(place, now), *await _of_job(place)]
        told.append(fragments.of_status(Status(not now.error, now.taken_at, now.error)))
        if request.GET.get("names", "") not in ("", hosting.mark_of(each.name for each in now.queues)):
            told.append(fragments.draw("live/others.html"))
    except (RedisUnavailable, RedisRefused) as error:
        told = [fragments.of_status(Status(False, None, str(error)))]
    return HttpResponse("".join(fragments.frames(told)))


def _of_queues(place: Place, now: Snapshot) -> list[Fragment]:
    return [
        fragment
        for topic in sorted(place.topics)
        for queue in now.queues
        if topic.shows(queue.name)
        for fragment in fragments.of_queue(topic, queue)
    ]


async def _of_job(place: Place) -> list[Fragment]:
    topic: Topic | None = place.job_topic
    if topic is None:
        return []
    [mark] = await job_marks(place.connection, [(topic.queue, topic.job, None)])
    return [] if seen(mark) == place.seen else [fragments.of_job(place.connection, topic)]
