"""What may be done to a scheduler: the buttons of its row and its page, and the form's answer."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.http import HttpResponse, QueryDict
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy

from dashboard import links
from dashboard.drawing import render_to_string
from dashboard.errors import wants_fragment
from dashboard.pages.scheduler import form as scheduler_form
from dashboard.pages.scheduler import page as schedulers
from dashboard.pages.scheduler import rows
from dashboard.pages.shell.frame import around_of, frame, go, swap
from dashboard.request import Request
from queues.actions import schedulers as actions
from queues.errors import InvalidInput, NotFound, Refused
from queues.lookups.schedulers import scheduler_detail

#: How long a pause may last by itself: its name in the form, its hours.
UNTIL = (
    ("", gettext_lazy("until somebody resumes it"), 0),
    ("1h", gettext_lazy("for 1 hour"), 1),
    ("8h", gettext_lazy("for 8 hours"), 8),
    ("1d", gettext_lazy("for a day"), 24),
    ("7d", gettext_lazy("for a week"), 168),
)
NAMES = ("run", "pause", "resume", "remove", "restore", "save")
#: The grant that each needs, where it is not its own name.
_NEEDS = {"restore": "scheduler.resume"}


async def act(request: Request, connection: str) -> HttpResponse:
    action = request.GET.get("action", "")
    if action not in NAMES:
        raise InvalidInput(_("There is no action “%(action)s”.") % {"action": action[:60]})
    if action == "save":
        return await _save(request, connection)
    queue, name = request.GET.get("queue", ""), request.GET.get("id", "")
    request.grants.require_sight(queue)
    request.grants.on(queue).require(_NEEDS.get(action, f"scheduler.{action}"))
    try:
        message, kind, status = await _done(request, action, connection, queue, name), "done", 200
    except Refused as error:
        message, kind, status = str(error), "bad", error.status
    return await _answer(request, connection, queue, name, message, kind, status)


async def _done(request: Request, action: str, connection: str, queue: str, name: str) -> str:
    actor = request.grants.actor
    if action == "run":
        return (await actions.run_scheduler(actor, connection, queue, name))[1].message
    if action == "pause":
        until, stays = until_of(request.POST), request.POST.get("stays") == "on"
        return (await actions.pause_scheduler(actor, connection, queue, name, until, stays)).message
    others = {
        "resume": actions.resume_scheduler,
        "remove": actions.remove_scheduler,
        "restore": actions.restore_scheduler,
    }
    return (await others[action](actor, connection, queue, name)).message


def until_of(form: QueryDict) -> datetime | None:
    """When the pause ends by itself. Raises InvalidInput: a wrong one must not pause for ever."""
    wanted = form.get("until", "")
    hours = next((hours for value, _label, hours in UNTIL if value == wanted), None)
    if hours is None:
        raise InvalidInput(_("The end of the pause is none of those to choose from."))
    return timezone.now() + timedelta(hours=hours) if hours else None


async def _save(request: Request, connection: str) -> HttpResponse:
    """Add or change; where it cannot be, the form comes back with why and everything that was typed."""
    form = scheduler_form.Form.sent(request)
    request.grants.require_sight(form.queue)
    request.grants.on(form.queue).require("scheduler.add" if form.is_new else "scheduler.edit")
    try:
        schedule = await form.schedule(connection)
        doing = actions.add_scheduler if form.is_new else actions.edit_scheduler
        done = await doing(request.grants.actor, connection, form.queue, schedule)
    except (InvalidInput, Refused, NotFound) as error:
        context = scheduler_form.context(request, form, await around_of(request, connection), str(error))
        if wants_fragment(request):
            return HttpResponse(render_to_string("scheduler/form.html", context, request), status=error.status)
        page = frame(await around_of(request, connection), section="schedulers", **context)
        return HttpResponse(render_to_string("scheduler/form_page.html", page, request), status=error.status)
    return go(request, links.scheduler_url(connection, form.queue, schedule.id), done.message)


async def _answer(
    request: Request, connection: str, queue: str, name: str, message: str, kind: str, status: int
) -> HttpResponse:
    """The list it was asked from, or the scheduler's page; where it is gone, the list."""
    if "back" in request.POST:
        asked = rows.Asked.of(QueryDict(request.POST["back"][:2000]))
        if not wants_fragment(request):
            return go(request, links.schedulers_url(connection, **asked.query), message, kind)
        around = await around_of(request, connection)
        context = frame(around, section="schedulers")
        if around is not None:
            context |= await rows.shown(request, connection, around, asked)
        return swap(request, "scheduler/list.html", context, message, kind, status)
    try:
        detail = await scheduler_detail(connection, queue, name)
    except NotFound:
        return go(request, links.schedulers_url(connection), message, kind)
    if not wants_fragment(request):
        return go(request, links.scheduler_url(connection, queue, name), message, kind)
    around = await around_of(request, connection)
    context = frame(around, **schedulers.detail_context(request, detail, around))
    return swap(request, "scheduler/one.html", context, message, kind, status)
