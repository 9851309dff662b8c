"""Alerts: what fires and why, what is about to, who was told; rules, silences and channels; what has cleared."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods

from dashboard import links
from dashboard.drawing import render
from dashboard.errors import wants_fragment
from dashboard.pages.alert import form as alert_form
from dashboard.pages.alert import lines
from dashboard.pages.alert.acting import act, seen_alert
from dashboard.pages.alert.seen import past, sees, sees_any, sees_rule, sees_silence
from dashboard.pages.job import why
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.queue.small_chart import small_chart
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.request import Request
from queues.alerting import words
from queues.alerting.rules import rules
from queues.errors import InvalidInput, NotFound, Refused
from queues.lookups import alerts as lookup
from queues.lookups.snapshot import Snapshot
from queues.models import Alert
from queues.models.local import is_in_process
from queues.options import get_options
from queues.options.alert_rules import Rule

MOST_BEFORE = 10


@require_http_methods(["GET", "HEAD", "POST"])
async def alerts_page(request: Request) -> HttpResponse:
    """`?show=past`, `?form=rule`, `?form=silence`; `fragment=now` brings what changes by itself."""
    connection = known_connection(request)
    around = await around_of(request, connection)
    if is_in_process():
        return render(request, "alert/list_page.html", frame(around, section="alerts"))
    context: dict[str, Any] = {}
    if request.method == "POST":
        try:
            return await act(request, connection)
        except (InvalidInput, Refused) as error:
            if request.GET.get("action") not in ("make", "edit"):
                raise
            context = {"form": "rule", "form_error": alert_form.plainly(error)}
            context |= {"rule_number": whole(request.POST.get("rule")), **alert_form.shown(None, request.POST)}
    else:
        context = await _form(request, connection)
    if request.GET.get("show") == "past":
        context |= await _past(request, connection)
    else:
        context |= await _now(request, connection, around)
    if request.GET.get("fragment") == "now" and wants_fragment(request):
        return render(request, "alert/now.html", context)
    return render(
        request, "alert/list_page.html", frame(around, **context), status=400 if "form_error" in context else 200
    )


@require_http_methods(["GET", "HEAD"])
async def alert_page(request: Request, number: int) -> HttpResponse:
    connection = known_connection(request)
    alert = await seen_alert(request, connection, number)
    standing = await lookup.standing(connection)
    notices = await sync_to_async(lookup.notices_of)([alert])
    before = await sync_to_async(lookup.before_it)(alert, MOST_BEFORE)
    around = await around_of(request, connection)
    queue = around.queue(alert.queue) if around and not around.error else None
    line = lines.line(alert, request.grants, notices.get(alert.pk, ()), standing.silences)
    silence = line.silence
    context = {
        "section": "alerts",
        "line": line,
        "may_end": silence is not None and lines.may_silence(request.grants, connection, silence.queue),
        "label": words.LABELS.get(alert.kind, alert.kind),
        "notes": lines.notes(standing) if alert.phase != Alert.Phase.CLEARED else [],
        "before": [lines.line(one, request.grants) for one in before],
        "lengths": [(name, label) for name, (label, _length) in alert_form.LENGTHS.items()],
        "is_connection": not alert.queue,
        "queue": queue,
        "why": await why.of_queue(queue) if queue and alert.phase != Alert.Phase.CLEARED else "",
        "small": await small_chart(queue) if queue else None,
    }
    return render(request, "alert/page.html", frame(around, **context))


async def _now(request: Request, connection: str, around: Snapshot | None) -> dict[str, Any]:
    grants = request.grants
    standing = await lookup.standing(connection)
    open_alerts = [alert for alert in standing.open if sees(grants, alert)]
    unknown = {
        rule: [(queue, why) for queue, why in some if not queue or grants.sees(queue, connection)]
        for rule, some in standing.unknown.items()
    }
    standing = replace(standing, open=open_alerts, unknown=unknown)
    every = await _rules(request, connection, around)
    keys = {rule.key for rule in every}
    silences = [one for one in standing.silences if sees_silence(grants, one, keys)]
    notices = await sync_to_async(lookup.notices_of)(standing.firing)
    may_make = grants.may("alert.make")
    return {
        "section": "alerts",
        "watch": standing,
        "notes": lines.notes(standing),
        "firing": [lines.line(a, grants, notices.get(a.pk, ()), standing.silences) for a in standing.firing],
        "pending": [lines.line(alert, grants) for alert in standing.pending],
        "silences": [
            (one, lines.silenced_rule(one), lines.may_silence(grants, connection, one.queue)) for one in silences
        ],
        "rules": [lines.rule_line(rule, standing, standing.firing) for rule in every],
        "may_make": may_make,
        "may_silence_all": may_make and sees_any(grants, connection),
        "channels_known": get_options().alerts.channels if may_make else (),
        "untold": [(one.title, lines.became(one)) for one in await sync_to_async(lookup.untold)()]
        if may_make and grants.sees_all
        else [],
        "here_url": links.alerts_url(connection, fragment="now"),
        "tab": "now",
    }


async def _rules(request: Request, connection: str, around: Snapshot | None) -> list[Rule]:
    seen = [queue.name for queue in around.queues] if around else []
    found = await sync_to_async(rules)()
    # People's own first: they were made for this.
    order = ("page", "settings", "built-in")
    known = [rule for rule in found if sees_rule(request.grants, rule, connection, seen)]
    return sorted(known, key=lambda rule: order.index(rule.source))


async def _past(request: Request, connection: str) -> dict[str, Any]:
    rows, has_older = await past(request.grants, connection, whole(request.GET.get("before")))
    notices = await sync_to_async(lookup.notices_of)(rows)
    return {
        "section": "alerts",
        "past": [lines.line(row, request.grants, notices.get(row.pk, ())) for row in rows],
        "older": links.alerts_url(connection, show="past", before=rows[-1].pk) if has_older else "",
        "newest": links.alerts_url(connection, show="past") if "before" in request.GET else "",
        "may_make": request.grants.may("alert.make"),
        "tab": "past",
    }


async def _form(request: Request, connection: str) -> dict[str, Any]:
    """What the panel shows. Raises what `require` raises."""
    form = request.GET.get("form", "")
    if form == "silence":
        request.grants.require("alert.silence")
        lengths = [(name, label) for name, (label, _length) in alert_form.LENGTHS.items()]
        return {"form": "silence", "lengths": lengths}
    if form != "rule":
        return {}
    number = whole(request.GET.get("rule"))
    request.grants.require("alert.edit" if number else "alert.make")
    found = None
    if number:
        every = await sync_to_async(rules)()
        found = next((rule for rule in every if rule.key == f"page:{number}"), None)
        if found is None:
            raise NotFound(_("There is no such rule; it may have been removed."))
    return {"form": "rule", "rule_number": number} | alert_form.shown(found)
