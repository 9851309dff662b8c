"""What stands around every page: the queues at the side, how old the figures are; and how a view answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext as _

from dashboard.context import connection_of
from dashboard.drawing import render_to_string
from dashboard.errors import wants_fragment
from dashboard.links import DEFAULT_CONNECTION, fragment_id
from dashboard.live.fragments import Status
from dashboard.moments import now_ms
from dashboard.request import Request
from queues.errors import ConfigurationError, NotFound, TorilError
from queues.lookups import snapshot as snapshots
from queues.lookups.snapshot import Snapshot
from queues.models import Queue
from queues.options import get_options
from queues.states import State


class SeeOther(HttpResponseRedirect):
    """What a form without script gets: go and look, by GET."""

    status_code = 303


def known_connection(request: Request) -> str:
    """The connection that the address names. Raises NotFound where there is no such one."""
    name, options = connection_of(request), get_options()
    if not options.use_job_queue and name != DEFAULT_CONNECTION:
        raise NotFound(_("There are no connections here: jobs run in this process, without Redis."))
    try:
        options.connection(name)
    except ConfigurationError as error:
        raise NotFound(str(error)) from None
    return name


def visible(request: Request, snapshot: Snapshot) -> Snapshot:
    """The snapshot with only the queues that this person sees: whatever is listed, counted or summed begins here."""
    grants = request.grants
    if grants.sees_all:
        return snapshot
    return replace(snapshot, queues=tuple(q for q in snapshot.queues if grants.sees(q.name, snapshot.connection)))


async def around_of(request: Request, connection: str) -> Snapshot | None:
    """What stands around a page that is there without it too; None while Redis does not answer."""
    try:
        return visible(request, await snapshots.snapshot(connection))
    except TorilError:
        return None


def frame(snapshot: Snapshot | None, **more: Any) -> dict[str, Any]:
    """The context that base.html and its parts need, and the page's own. Without a snapshot the side stays bare."""
    if snapshot is None:
        return {"now_ms": now_ms(), "standing": Status(False), **more}
    return {
        "snapshot": snapshot,
        "standing": Status(not snapshot.error, snapshot.taken_at, snapshot.error),
        "since": int(snapshot.taken_at.timestamp() * 1000),
        "now_ms": now_ms(),
        **more,
    }


def go(request: Request, url: str, message: str, kind: str = "done") -> HttpResponse:
    """Leave for another page, and say there what was done."""
    if message:
        messages.success(request, message, extra_tags=kind)
    if wants_fragment(request):
        return HttpResponse(headers={"HX-Redirect": url})
    return SeeOther(url)


def swap(
    request: Request,
    template: str,
    context: dict[str, Any],
    message: str,
    kind: str = "done",
    status: int = 200,
    way: object = None,
) -> HttpResponse:
    """The changed fragment for htmx, with what was done for #notices, and the way back (`ways_back.WayBack`)."""
    told = {"notice": {"tags": kind, "message": message, "undo": way}}
    notice = render_to_string("notice.html", told, request) if message else ""
    said = partial("notices", notice, "innerHTML")
    return HttpResponse(render_to_string(template, context, request) + said, status=status)


def figures_of(queue: Queue, tab: State | str) -> SafeString:
    """A queue's counts wherever the page shows them: not everyone has a socket that brings them."""
    tabs = render_to_string("queue/counts.html", {"queue": queue, "tab": tab})
    line = render_to_string("queue/nav_item.html", {"queue": queue})
    return partial("tabs", tabs) + partial(fragment_id("nav", queue.name), line)


def partial(element_id: str, html: str, how: str = "outerMorph") -> SafeString:
    """`html` comes from a template; the id holds nothing that a selector or an attribute would mind."""
    return format_html('<hx-partial hx-target="#{}" hx-swap="{}">{}</hx-partial>', element_id, how, html)
