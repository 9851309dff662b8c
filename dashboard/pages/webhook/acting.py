"""The buttons of a webhook's page: change, enable, disable, remove, rotate, test, send again."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.pages.listing.confirmation import whole
from dashboard.pages.shell.frame import go, known_connection
from dashboard.pages.webhook.sight import has_all, require, seen_delivery
from dashboard.pages.webhook.webhooks import form_page, secret_page, typed, wish_of
from dashboard.pages.webhook.words import Line
from dashboard.request import Request
from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.delivery import steering
from queues.errors import Forbidden, InvalidInput, Refused
from queues.lookups.webhooks import Standing
from queues.models import Endpoint

SIMPLE: Mapping[str, Callable[[Actor, int], Awaitable[Done]]] = {
    "enable": steering.enable,
    "disable": steering.disable,
    "remove": steering.remove,
    "redeliver-failed": steering.redeliver_failed,
}
NAMES = (*SIMPLE, "edit", "rotate", "test", "redeliver")


async def act(request: Request, row: Endpoint) -> HttpResponse:
    """Raises InvalidInput, Forbidden. What is refused is said where the webhook is."""
    action = request.GET.get("action", "")
    if action not in NAMES:
        raise InvalidInput(_("There is no action “%(action)s” for a webhook.") % {"action": action[:60]})
    require(request.grants, f"webhook.{action.removesuffix('-failed')}")
    connection = known_connection(request)
    if action == "edit":
        return await _edit(request, connection, row)
    if action == "rotate":
        overlap = whole(request.POST.get("overlap"))
        made = await steering.rotate(request.grants.actor, row.pk, 24 if overlap is None else overlap)
        return await secret_page(request, connection, made)
    try:
        return await _simple(request, action, row)
    except Refused as error:
        return go(request, links.webhook_url(row.connection, row.pk), str(error), "bad")


async def _simple(request: Request, action: str, row: Endpoint) -> HttpResponse:
    grants, here = request.grants, links.webhook_url(row.connection, row.pk)
    if action == "test":
        made = await steering.test(grants.actor, row.pk)
        return go(request, links.delivery_url(row.connection, row.pk, made.pk), "")
    if action == "redeliver":
        found, _attempts = await seen_delivery(grants, row, whole(request.POST.get("delivery")) or 0)
        done = await steering.redeliver(grants.actor, row.pk, found.pk)
        return go(request, links.delivery_url(row.connection, row.pk, found.pk), done.message)
    if action == "redeliver-failed" and not (grants.sees_all or has_all(grants, row.connection)):
        raise Forbidden(_("Some may be about queues that your account does not see: send them again one by one."))
    done = await SIMPLE[action](grants.actor, row.pk)
    return go(request, links.webhooks_url(row.connection) if action == "remove" else here, done.message)


async def _edit(request: Request, connection: str, row: Endpoint) -> HttpResponse:
    try:
        done = await steering.edit(request.grants.actor, row.pk, wish_of(request.POST))
    except InvalidInput as error:
        return await form_page(request, connection, typed(request.POST), error, Line(row, Standing()))
    return go(request, links.webhook_url(row.connection, row.pk), done.message)
