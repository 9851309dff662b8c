"""One webhook: what it is told, how it stands, what was sent there; and one delivery with all its attempts."""

from __future__ import annotations

import json
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _
from django.views.decorators.http import require_http_methods, require_safe

from dashboard import links
from dashboard.drawing import render
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.shell.frame import around_of, frame, known_connection
from dashboard.pages.webhook.acting import act
from dashboard.pages.webhook.sight import has_all, queues_of, reads_body, require, seen, seen_delivery
from dashboard.pages.webhook.webhooks import SECTION, filled, form_page
from dashboard.pages.webhook.words import Line, counted, delivery_words
from dashboard.request import Request
from queues.delivery.steering import OVERLAPS_H
from queues.lookups import webhooks as lookup
from queues.lookups.mirror_state import leads
from queues.models import Delivery, Endpoint
from queues.models.webhook import TEST

State = Delivery.State


@require_http_methods(["GET", "HEAD", "POST"])
async def webhook_page(request: Request, number: int) -> HttpResponse:
    connection = known_connection(request)
    require(request.grants)
    row = await seen(request, connection, number)
    if request.method == "POST":
        return await act(request, row)
    line = Line(row, await lookup.standing(row.pk, await queues_of(request.grants, row)))
    if request.GET.get("edit") == "1":
        return await form_page(request, connection, filled(line), line=line)
    context = await shown(request, line)
    if request.GET.get("fragment") == "deliveries":
        return render(request, "webhook/deliveries.html", context)
    return render(request, "webhook/page.html", frame(await around_of(request, connection), **context))


@require_safe
async def delivery_page(request: Request, number: int, delivery: int) -> HttpResponse:
    connection = known_connection(request)
    require(request.grants)
    row = await seen(request, connection, number)
    found, attempts = await seen_delivery(request.grants, row, delivery)
    leading = await leads()
    context = {
        "section": SECTION,
        "line": Line(row, lookup.Standing()),
        "row": found,
        "became": delivery_words(found),
        "attempts": attempts,
        "reads_body": reads_body(request.grants, found),
        "reads_answers": has_all(request.grants, row.connection),
        "body": _indented(found.body),
        "leads": leading,
        "may_send": row.enabled or found.kind == TEST,
        "poll": links.delivery_url(row.connection, row.pk, found.pk, fragment="one") if _moves(found, row) else "",
    }
    if request.GET.get("fragment") == "one":
        return render(request, "webhook/delivery.html", context)
    return render(request, "webhook/delivery_page.html", frame(await around_of(request, connection), **context))


async def shown(request: Request, line: Line) -> dict[str, Any]:
    """Everything webhook/page.html draws."""
    grants, row = request.grants, line.row
    state = request.GET.get("state", "")
    state = state if state in State.values else ""
    before = whole(request.GET.get("before"))
    found = await lookup.deliveries(row.pk, await queues_of(grants, row), state, before)
    leading = await leads()
    waits = line.standing.counts.get(State.WAITING, 0) > 0
    again = links.webhook_url(row.connection, row.pk, fragment="deliveries", state=state or None)
    return {
        "section": SECTION,
        "line": line,
        "row": row,
        "leads": leading,
        "tabs": _tabs(line, state),
        "state": state,
        "deliveries": [(one, delivery_words(one), _delivery_url(row, one)) for one in found.rows],
        "newest": links.webhook_url(row.connection, row.pk, state=state or None) if before else "",
        "older": links.webhook_url(row.connection, row.pk, state=state or None, before=found.before)
        if found.before
        else "",
        "poll": again if leading and row.enabled and waits and not before else "",
        "overlaps": [(hours, _overlap(hours)) for hours in OVERLAPS_H],
        "failed": line.standing.counts.get(State.FAILED, 0),
        "former_until": row.former_until if row.former_secret else None,
    }


def _tabs(line: Line, shown: str) -> list[tuple[str, str, str, bool]]:
    """(label, address, how many, whether it is shown)"""
    row = line.row
    labels = {State.WAITING: _("Waiting"), State.SENT: _("Received"), State.FAILED: _("Given up")}
    tabs = [(_("All"), links.webhook_url(row.connection, row.pk), "", not shown)]
    for state, label in labels.items():
        url = links.webhook_url(row.connection, row.pk, state=state.value)
        tabs.append((label, url, counted(line.standing, state), shown == state))
    return tabs


def _delivery_url(row: Endpoint, delivery: Delivery) -> str:
    return links.delivery_url(row.connection, row.pk, delivery.pk)


def _overlap(hours: int) -> str:
    if not hours:
        return _("no longer: it leaked")
    return _("for 7 days") if hours == 168 else _("for %(hours)s hours") % {"hours": hours}


def _moves(delivery: Delivery, row: Endpoint) -> bool:
    return delivery.state == State.WAITING and (row.enabled or delivery.kind == TEST)


def _indented(body: str) -> str:
    """To be read; what is sent stands in one line."""
    return json.dumps(json.loads(body), indent=2, ensure_ascii=False)
