"""Schedulers: all queues' in one list, one whole, and the forms that change them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard.choices import choices_of
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.scheduler import acting, form, rows
from dashboard.pages.shell.frame import frame, known_connection, visible
from dashboard.request import Request
from queues.errors import RedisRefused, RedisUnavailable, Refused
from queues.lookups.schedulers import SchedulerDetail, scheduler_detail
from queues.lookups.snapshot import Snapshot, snapshot
from queues.masking import mask_json
from queues.models.local import is_in_process
from queues.moments import exact


@require_http_methods(["GET", "HEAD", "POST"])
async def schedulers_page(request: Request) -> HttpResponse:
    connection = known_connection(request)
    if request.method == "POST":
        if is_in_process():
            raise Refused(_("Jobs run in this process: schedulers need Redis."))
        return await acting.act(request, connection)
    if request.GET.get("fragment") == "preview":
        zone = form.zone_of(request)
        return render(request, "scheduler/preview.html", form.preview(request.GET, zone))
    around = visible(request, await snapshot(connection))
    if is_in_process():
        return render(request, "scheduler/page.html", frame(around, section="schedulers"))
    if request.GET.get("form"):
        return await _form(request, connection, around)
    if "id" in request.GET:
        return await _one(request, connection, around)
    return await _list(request, connection, around)


async def _list(request: Request, connection: str, around: Snapshot) -> HttpResponse:
    asked = rows.Asked.of(request.GET)
    if asked.queue:
        request.grants.require_sight(asked.queue)
    try:
        context = await rows.shown(request, connection, around, asked)
    except (RedisUnavailable, RedisRefused) as error:
        context = {"asked": asked, "unreadable": str(error)}
    whole = "scheduler/list.html" if wants_fragment(request) else "scheduler/page.html"
    template = "scheduler/rows.html" if request.GET.get("fragment") == "rows" else whole
    return render(request, template, frame(around, section="schedulers", **context))


async def _one(request: Request, connection: str, around: Snapshot) -> HttpResponse:
    queue = request.GET.get("queue", "")
    request.grants.require_sight(queue)
    detail = await scheduler_detail(connection, queue, request.GET["id"])
    context = frame(around, **detail_context(request, detail, around))
    template = "scheduler/one.html" if wants_fragment(request) else "scheduler/one_page.html"
    return render(request, template, context)


async def _form(request: Request, connection: str, around: Snapshot) -> HttpResponse:
    context = await form.opened(request, connection, around)
    if wants_fragment(request):
        return render(request, "scheduler/form.html", context)
    return render(request, "scheduler/form_page.html", frame(around, section="schedulers", **context))


def detail_context(request: Request, detail: SchedulerDetail, around: Snapshot | None) -> dict[str, Any]:
    """Everything scheduler/one.html draws."""
    one = detail.scheduler
    can = request.grants.on(one.queue)
    queue = around.queue(one.queue) if around else None
    may_read = can.may("job.payload")
    return {
        "section": "schedulers",
        "detail": detail,
        "one": one,
        "can": can,
        "queue": queue,
        "until_choices": acting.UNTIL,
        "data": mask_json(detail.data) if may_read else "",
        "opts": mask_json(detail.opts) if may_read else "",
        "start_at": _moment(one.schedule.start_ms),
        "end_at": _moment(one.schedule.end_ms),
        "zone": choices_of(request).zone,
    }


def _moment(ms: int | None) -> datetime | None:
    return None if ms is None else exact(ms)
