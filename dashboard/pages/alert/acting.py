"""What each button of the alerts page asks for: read from its form, required of the person, done."""

from __future__ import annotations

from collections.abc import Mapping

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.pages.alert import form as alert_form
from dashboard.pages.alert.seen import sees, sees_any, sees_silence
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.shell.frame import go
from dashboard.request import Request
from queues.actions import alerts
from queues.actions.audit import Done
from queues.alerting.trying import try_channel
from queues.errors import InvalidInput, NotFound, QueueNotFound
from queues.lookups import alerts as lookup
from queues.models import Alert, AlertSilence

#: The address's `action` → what it needs: of rules and channels on every queue, of silences on theirs.
NEEDED: Mapping[str, str] = {
    "make": "alert.make",
    "edit": "alert.edit",
    "remove": "alert.remove",
    "silence": "alert.silence",
    "end-silence": "alert.silence",
    "test": "alert.test",
}


async def act(request: Request, connection: str) -> HttpResponse:
    action = request.GET.get("action", "")
    if action not in NEEDED:
        raise InvalidInput(_("There is no such action on alerts."))
    done = await _done(request, connection, action)
    number = whole(request.POST.get("alert"))
    back = links.alert_url(connection, number) if number else links.alerts_url(connection)
    return go(request, back, done.message)


async def _done(request: Request, connection: str, action: str) -> Done:
    grants, form = request.grants, request.POST
    if action == "silence":
        return await _silence(request, connection)
    if action == "end-silence":
        return await _end_silence(request, connection)
    grants.require(NEEDED[action])
    if action == "test":
        return await try_channel(grants.actor, form.get("channel", ""))
    if action == "remove":
        return await alerts.remove_rule(grants.actor, whole(form.get("rule")) or 0)
    name, definition = alert_form.read(form)
    if action == "make":
        return await alerts.make_rule(grants.actor, name, definition)
    return await alerts.edit_rule(grants.actor, whole(form.get("rule")) or 0, name, definition)


async def _silence(request: Request, connection: str) -> Done:
    """Of an alert's own queue and rule, of the queue altogether, or of the whole connection."""
    grants, form = request.grants, request.POST
    queue, rule, rule_name = form.get("queue", "*")[:512] or "*", "", ""
    if number := whole(form.get("alert")):
        alert = await seen_alert(request, connection, number)
        queue = alert.queue or "*"
        if form.get("what") != "queue" or queue == "*":
            rule, rule_name = alert.rule, alert.rule_name
    if queue == "*":
        if not sees_any(grants, connection):
            raise NotFound(_("There is nothing to be silenced."))
        grants.require("alert.silence")
    else:
        if not grants.sees(queue, connection):
            raise QueueNotFound(queue)
        grants.on(queue, connection).require("alert.silence")
    until = alert_form.until(form)
    return await alerts.silence(grants.actor, connection, queue, until, form.get("reason", ""), rule, rule_name)


async def _end_silence(request: Request, connection: str) -> Done:
    grants, number = request.grants, whole(request.POST.get("silence"))
    row = await AlertSilence.objects.filter(connection=connection, pk=number or 0).afirst()
    if row is None or not sees_silence(grants, row, ()):
        raise NotFound(_("There is no such silence; it may have ended."))
    (grants if row.queue == "*" else grants.on(row.queue, connection)).require("alert.silence")
    return await alerts.end_silence(grants.actor, row)


async def seen_alert(request: Request, connection: str, number: int) -> Alert:
    """Raises NotFound, also where it is about a queue that this person does not see."""
    found = await sync_to_async(lookup.one)(connection, min(number, 2**62))
    if found is None or not sees(request.grants, found):
        raise NotFound(_("There is no alert %(number)s.") % {"number": number})
    return found
