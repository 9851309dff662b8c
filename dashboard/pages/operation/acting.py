"""The buttons of an operation's page: pause, resume, cancel, repeat, restore."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from django.http import HttpResponse
from django.utils.translation import gettext as _

from dashboard import links
from dashboard.pages.operation import reach
from dashboard.pages.shell.frame import go
from dashboard.request import Request
from queues import operations
from queues.actions.actor import Actor
from queues.actions.audit import Done
from queues.errors import InvalidInput, Refused
from queues.models import Operation

STEERED: Mapping[str, Callable[[Actor, int], Awaitable[Done]]] = {
    "pause": operations.pause,
    "resume": operations.resume,
    "cancel": operations.cancel,
}
NAMES = (*STEERED, "restore")


async def act(request: Request, row: Operation) -> HttpResponse:
    """Raises InvalidInput, Forbidden, ReadOnly. What is refused is said where the operation is."""
    action = request.GET.get("action", "")
    if action not in NAMES:
        raise InvalidInput(_("There is no action “%(action)s” for an operation.") % {"action": action[:60]})
    reach.require_steering(request.grants, row, "restore" if action == "restore" else "")
    here = links.operation_url(row.connection, row.pk)
    actor = request.grants.actor
    try:
        if action == "restore":
            begun = await operations.restore(actor, row.pk)
            return go(request, links.operation_url(row.connection, begun.pk), "")
        done = await STEERED[action](actor, row.pk)
    except Refused as error:
        return go(request, here, str(error), "bad")
    return go(request, here, done.message)
