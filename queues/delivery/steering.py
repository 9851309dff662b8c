"""What people do with webhooks: make, change, enable, disable, remove, test, rotate, send again. Each is recorded.

Whoever calls has made sure that the actor may see the endpoint. No record holds an address or a secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from queues.actions.actor import Actor
from queues.actions.audit import Deed, Done, Ending, of_done, record
from queues.delivery import outbox, sealing
from queues.delivery.selecting import Happening
from queues.delivery.wishes import Wish, require_open
from queues.errors import NotFound, Refused
from queues.models import Delivery, DeliveryTry, Endpoint, Outcome
from queues.models.webhook import TEST

T = TypeVar("T")

#: Hours for which the former secret may go on signing.
OVERLAPS_H = (0, 24, 168)
#: Webhooks of one connection: the sender looks for each of them twice a second.
MOST_MADE = 200
#: Deliveries that one click sends again.
MOST_AGAIN = 10_000
TOGETHER = 500
_WAITING = {"state": Delivery.State.WAITING, "round_tries": 0, "ended_at": None}


@dataclass(frozen=True, slots=True)
class Made:
    """`secret` is shown now, and never again."""

    endpoint: Endpoint
    secret: str
    message: str


async def make(actor: Actor, connection: str, wish: Wish) -> Made:
    """Raises InvalidInput, AddressRefused where it leads inside, and Refused where there are too many."""

    def act() -> Made:
        if Endpoint.objects.filter(connection=connection).count() >= MOST_MADE:
            raise Refused(_("There are %(most)s webhooks already; remove one first.") % {"most": MOST_MADE})
        secret, now = sealing.new_secret(), timezone.now()
        row = Endpoint(connection=connection, secret=sealing.seal(secret), since=now)
        _own(row, actor)
        wish.put(row)
        row.save()
        deed.parameters["webhook"] = row.pk
        return Made(row, secret, _("Webhook “%(name)s” was made.") % {"name": row.name})

    deed = Deed(actor, "webhook.make", connection, "", parameters={"name": wish.name, "host": wish.host})
    return await record(deed, _hop(act, before=lambda: require_open(wish.url)), _of_made)


async def edit(actor: Actor, endpoint: int, wish: Wish) -> Done:
    """From now on it is told of what this actor may see."""

    def act(row: Endpoint) -> Done:
        wish.put(row)
        _own(row, actor)
        row.save()
        return Done(_("Webhook “%(name)s” was changed.") % {"name": row.name})

    asked = {"name": wish.name, "host": wish.host}
    return await _recorded(actor, "webhook.edit", endpoint, act, asked, before=lambda: require_open(wish.url))


async def enable(actor: Actor, endpoint: int) -> Done:
    """What waits is sent; what happened while it was disabled is not told. Raises Refused."""

    def act(row: Endpoint) -> Done:
        if row.enabled:
            raise Refused(_("Webhook “%(name)s” is enabled already.") % {"name": row.name})
        row.enabled, row.why, row.disabled_at, row.since = True, Endpoint.Why.NONE, None, timezone.now()
        row.failing_since = row.held_until = None
        row.save()
        return Done(_("Webhook “%(name)s” is enabled; what waits is sent.") % {"name": row.name})

    return await _recorded(actor, "webhook.enable", endpoint, act)


async def disable(actor: Actor, endpoint: int) -> Done:
    """Raises Refused."""

    def act(row: Endpoint) -> Done:
        if not row.enabled:
            raise Refused(_("Webhook “%(name)s” is disabled already.") % {"name": row.name})
        row.enabled, row.why, row.disabled_at = False, Endpoint.Why.PERSON, timezone.now()
        row.save()
        return Done(_("Webhook “%(name)s” is disabled: it is told nothing, and nothing is sent.") % {"name": row.name})

    return await _recorded(actor, "webhook.disable", endpoint, act)


async def remove(actor: Actor, endpoint: int) -> Done:
    """With all its deliveries, a few hundred at a time: others write, too."""
    count = 0

    async def empty() -> None:
        nonlocal count
        while gone := await sync_to_async(_drop_some)(endpoint):
            count += gone

    def act(row: Endpoint) -> Done:
        row.delete()
        said = ngettext(
            "Webhook “%(name)s” was removed, with %(count)s delivery.",
            "Webhook “%(name)s” was removed, with %(count)s deliveries.",
            count,
        )
        return Done(said % {"name": row.name, "count": f"{count:,}"})

    return await _recorded(actor, "webhook.remove", endpoint, act, before=empty)


def _drop_some(endpoint: int) -> int:
    keys = list(Delivery.objects.filter(endpoint=endpoint).values_list("pk", flat=True)[:TOGETHER])
    with transaction.atomic():
        DeliveryTry.objects.filter(delivery__in=keys).delete()
        Delivery.objects.filter(pk__in=keys).delete()
    return len(keys)


async def rotate(actor: Actor, endpoint: int, overlap_h: int) -> Made:
    """A new secret; for so long the former one signs, too."""

    def act(row: Endpoint) -> Made:
        secret = sealing.new_secret()
        hours = overlap_h if overlap_h in OVERLAPS_H else OVERLAPS_H[1]
        row.former_secret = row.secret if hours else ""
        row.former_until = timezone.now() + timedelta(hours=hours) if hours else None
        row.secret = sealing.seal(secret)
        row.save()
        return Made(row, secret, _("Webhook “%(name)s” has a new secret.") % {"name": row.name})

    return await _recorded(actor, "webhook.rotate", endpoint, act, {"overlap_h": overlap_h}, _of_made)


async def test(actor: Actor, endpoint: int) -> Delivery:
    """A message of its own kind, sent once, also where it is disabled."""

    def act(row: Endpoint) -> Delivery:
        data = {"connection": row.connection, "webhook": row.name, "by": actor.name}
        told = Happening(TEST, row.connection, "", data, timezone.now(), secrets.token_hex(16))
        return outbox.make(told, row)

    said = Ending(Outcome.DONE, _("A test is on its way."), 1)
    return await _recorded(actor, "webhook.test", endpoint, act, ending=lambda _value: said)


async def redeliver(actor: Actor, endpoint: int, delivery: int) -> Done:
    """The same message under the same id, with all its attempts anew. Raises NotFound, Refused."""

    def act(row: Endpoint) -> Done:
        found = Delivery.objects.filter(pk=delivery, endpoint=row)
        if not found.exists():
            raise NotFound(_("There is no delivery %(number)s here.") % {"number": delivery})
        if not row.enabled and not found.filter(kind=TEST).exists():
            raise Refused(_("Webhook “%(name)s” is disabled; enable it first.") % {"name": row.name})
        found.update(due_at=timezone.now(), **_WAITING)
        return Done(_("It is sent again, under the same id."))

    return await _recorded(actor, "webhook.redeliver", endpoint, act, {"delivery": delivery})


async def redeliver_failed(actor: Actor, endpoint: int) -> Done:
    """All that were given up, the oldest first; at most 10,000 at once. Raises Refused."""

    def act(row: Endpoint) -> Done:
        if not row.enabled:
            raise Refused(_("Webhook “%(name)s” is disabled; enable it first.") % {"name": row.name})
        failed = Delivery.objects.filter(endpoint=row, state=Delivery.State.FAILED).exclude(kind=TEST)
        keys, now = list(failed.order_by("pk").values_list("pk", flat=True)[:MOST_AGAIN]), timezone.now()
        for start in range(0, len(keys), TOGETHER):
            Delivery.objects.filter(pk__in=keys[start : start + TOGETHER]).update(due_at=now, **_WAITING)
        said = ngettext("%(count)s delivery is sent again.", "%(count)s deliveries are sent again.", len(keys))
        return Done(said % {"count": f"{len(keys):,}"}, affected=len(keys))

    return await _recorded(actor, "webhook.redeliver", endpoint, act, {"all": "failed"})


# --- on record, in one transaction


async def _recorded(
    actor: Actor,
    action: str,
    endpoint: int,
    act: Callable[[Endpoint], T],
    asked: dict[str, Any] | None = None,
    ending: Callable[[T], Ending] | None = None,
    before: Callable[[], Awaitable[None]] | None = None,
) -> T:
    row = await Endpoint.objects.filter(pk=endpoint).afirst()
    if row is None:
        raise NotFound(_("There is no webhook %(number)s.") % {"number": endpoint})
    parameters = {"webhook": row.pk, "name": row.name} | (asked or {})

    def locked() -> T:
        found = Endpoint.objects.select_for_update().filter(pk=endpoint).first()
        if found is None:
            raise NotFound(_("There is no webhook %(number)s.") % {"number": endpoint})
        return act(found)

    deed = Deed(actor, action, row.connection, "", parameters=parameters)
    return await record(deed, _hop(locked, before), ending or _of_done)


def _hop(act: Callable[[], T], before: Callable[[], Awaitable[None]] | None = None) -> Callable[[], Awaitable[T]]:
    def run() -> T:
        with transaction.atomic():
            return act()

    async def hop() -> T:
        if before is not None:
            await before()
        return await sync_to_async(run)()

    return hop


def _own(row: Endpoint, actor: Actor) -> None:
    row.maker_id, row.maker_name = actor.user_id, actor.name[:150]


def _of_made(made: Made) -> Ending:
    return Ending(Outcome.DONE, made.message, 1)


def _of_done(done: Any) -> Ending:
    return of_done(done)
