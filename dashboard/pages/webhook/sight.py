"""Whose webhooks somebody sees: one's own, and all where one may have webhooks on the whole connection; and what of
what they sent.
"""

from __future__ import annotations

from collections.abc import Collection

from django.utils.translation import gettext as _

from dashboard.grants import Grants
from dashboard.hearing import Maker
from dashboard.request import Request
from queues.errors import NotFound
from queues.lookups import webhooks as lookup
from queues.models import Delivery, DeliveryTry, Endpoint
from queues.models.local import is_in_process
from queues.models.webhook import TEST
from queues.options.values import LOCAL_CONNECTION


def require(grants: Grants, action: str = "webhook.make") -> None:
    """Raises Forbidden where they may have none, on any queue."""
    grants.anywhere.require(action)


def here(connection: str) -> str:
    """What SQL calls this connection."""
    return LOCAL_CONNECTION if is_in_process() else connection


def has_all(grants: Grants, connection: str) -> bool:
    return Maker(grants).hears(connection, "")


def is_seen(grants: Grants, row: Endpoint) -> bool:
    is_own = row.maker_id is not None and row.maker_id == grants.actor.user_id
    return is_own or has_all(grants, row.connection)


async def seen(request: Request, connection: str, number: int) -> Endpoint:
    """Raises NotFound, also for somebody else's."""
    row = await lookup.endpoint(here(connection), number)
    if not is_seen(request.grants, row):
        raise NotFound(_("There is no webhook %(number)s.") % {"number": number})
    return row


async def queues_of(grants: Grants, row: Endpoint) -> Collection[str] | None:
    """The queues of its deliveries that this person sees; None where it is all."""
    if grants.sees_all:
        return None
    return [name for name in await lookup.queues_told(row.pk) if _sees(grants, row.connection, name)]


async def seen_delivery(grants: Grants, row: Endpoint, number: int) -> tuple[Delivery, list[DeliveryTry]]:
    """Raises NotFound."""
    found, attempts = await lookup.delivery(row.pk, number)
    if found.kind != TEST and not _sees(grants, found.connection, found.queue):
        raise NotFound(_("There is no delivery %(number)s here.") % {"number": number})
    return found, list(attempts)


def reads_body(grants: Grants, row: Delivery) -> bool:
    return not row.has_payload or Maker(grants).reads(row.connection, row.queue)


def _sees(grants: Grants, connection: str, queue: str) -> bool:
    return grants.sees(queue, connection) if queue else has_all(grants, connection)
