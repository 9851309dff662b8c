"""The tables of deliveries as their sender reads and writes them: what is due, what came of it, what is forgotten.

Synchronous; what writes is called inside a transaction that only the leader can commit.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import itemgetter

from django.db.models import Count, Q
from django.utils import timezone
from django.utils.translation import gettext as _

from queues.delivery import schedule
from queues.delivery.rights import Rights, rights_of
from queues.delivery.sealing import SecretUnreadable
from queues.delivery.sending import Answer
from queues.delivery.signing import secrets_of
from queues.models import AuditEntry, Delivery, DeliveryTry, Endpoint, Outcome
from queues.models.webhook import TEST
from queues.options import get_options

State, Why = Delivery.State, Endpoint.Why

#: Rows that one commit forgets.
PRUNED = 1_000
#: Deliveries are kept a little longer than what may still be told: so each is told once.
MARGIN = timedelta(days=1)
#: What an attempt changes, of its delivery and of the endpoint.
CLOSED = ["state", "due_at", "tries", "round_tries", "ended_at", "status", "error"]
JUDGED = ["enabled", "why", "disabled_at", "failing_since", "error", "succeeded_at", "held_until"]
#: By whom an endpoint is disabled, on record.
TORIL = "Toril"


@dataclass(frozen=True, slots=True)
class Work:
    """One attempt to be made."""

    delivery: int
    endpoint: int
    url: str
    message_id: str
    body: bytes
    secrets: Sequence[str]
    is_test: bool
    #: Why it is not sent at all.
    refused: str = ""


@dataclass(frozen=True, slots=True)
class Done:
    work: Work
    at: datetime
    answer: Answer


def due(room: Mapping[int, int], rest: int, running: Collection[int]) -> list[Work]:
    """What is to be sent now: of each endpoint the longest due, as many as `room` has for it (else `rest`); first one
    of each, then a second.
    """
    now = timezone.now()
    found: list[tuple[int, Work]] = []
    for endpoint in Endpoint.objects.filter(Q(held_until__isnull=True) | Q(held_until__lte=now)):
        most = room.get(endpoint.pk, rest)
        rows = Delivery.objects.filter(endpoint=endpoint, due_at__lte=now).exclude(pk__in=running)
        if not endpoint.enabled:
            rows = rows.filter(kind=TEST)
        if most > 0 and (some := list(rows.order_by("due_at")[:most])):
            found += enumerate(_works(endpoint, some, now))
    return [work for _place, work in sorted(found, key=itemgetter(0))]


def _works(endpoint: Endpoint, rows: Sequence[Delivery], now: datetime) -> list[Work]:
    try:
        secrets, refused = secrets_of(endpoint, now), ""
    except SecretUnreadable as error:
        secrets, refused = [], str(error)
    rights = rights_of(endpoint.maker_id)
    return [
        Work(
            row.pk,
            endpoint.pk,
            endpoint.url,
            row.message_id,
            row.body.encode(),
            secrets,
            row.kind == TEST,
            refused or _refusal(row, rights),
        )
        for row in rows
    ]


def _refusal(row: Delivery, rights: Rights) -> str:
    """Rights are asked once more: they, or the endpoint's maker, may have changed since it was told."""
    if row.kind == TEST:
        return ""
    if not rights.hears(row.connection, row.queue):
        return _("Who made this webhook may not see this queue, or have webhooks there, any more.")
    if row.has_payload and not rights.reads(row.connection, row.queue):
        return _("Who made this webhook may not read what jobs of this queue carry any more.")
    return ""


def settle(done: Sequence[Done]) -> list[Endpoint]:
    """Write down what came of these, but for what was removed meanwhile; the endpoints that were disabled by it."""
    keys = [each.work.delivery for each in done]
    rows = {row.pk: row for row in Delivery.objects.select_for_update().filter(pk__in=keys).order_by("pk")}
    there = [each for each in done if each.work.delivery in rows]
    for each in there:
        # One statement each: Django writes one for many five times as slowly.
        _close(rows[each.work.delivery], each)
        rows[each.work.delivery].save(update_fields=CLOSED)
    DeliveryTry.objects.bulk_create([_attempt(each) for each in there])
    return _judge(there)


def _close(row: Delivery, done: Done) -> None:
    answer = done.answer
    row.tries, row.round_tries = row.tries + 1, row.round_tries + 1
    row.status, row.error = answer.status, answer.error[:300]
    # Without a secret it waits for one: the endpoint is disabled until then.
    is_refused = bool(done.work.refused and done.work.secrets)
    is_last = answer.is_ok or done.work.is_test or is_refused or answer.status == 410
    wait_s = None if is_last else schedule.wait_s(row.round_tries, answer, done.at)
    if wait_s is not None:
        row.due_at = timezone.now() + timedelta(seconds=wait_s)
        return
    row.state = State.SENT if answer.is_ok else State.FAILED
    row.due_at, row.ended_at = None, timezone.now()


def _attempt(done: Done) -> DeliveryTry:
    answer = done.answer
    return DeliveryTry(
        delivery_id=done.work.delivery,
        at=done.at,
        took_ms=answer.took_ms,
        status=answer.status,
        error=answer.error[:300],
        address=answer.address[:64],
        answer=answer.body,
    )


# --- how an endpoint stands


def _judge(done: Sequence[Done]) -> list[Endpoint]:
    keys = {each.work.endpoint for each in done}
    rows = {row.pk: row for row in Endpoint.objects.select_for_update().filter(pk__in=keys).order_by("pk")}
    disabled = []
    for each in sorted(done, key=lambda one: one.at):
        row = rows.get(each.work.endpoint)
        if row is not None and (why := _note(row, each)):
            disable(row, why)
            disabled.append(row)
    for row in rows.values():
        row.save(update_fields=JUDGED)
    return disabled


def _note(row: Endpoint, done: Done) -> Endpoint.Why | None:
    """Why it is to be disabled, if it is."""
    answer = done.answer
    row.error = answer.error[:300]
    if answer.is_ok:
        row.succeeded_at, row.failing_since, row.held_until = done.at, None, None
        return None
    if not done.work.refused:
        row.failing_since = row.failing_since or done.at
    if answer.status in schedule.BUSY and (asked_s := schedule.asked_s(answer, done.at)):
        row.held_until = done.at + timedelta(seconds=asked_s)
    if not row.enabled or done.work.is_test:
        return None
    if answer.status == 410:
        return Why.GONE
    if not done.work.secrets:
        return Why.SECRET
    if done.work.refused:
        return None
    limit = timedelta(hours=get_options().webhooks.disable_after_h)
    return Why.FAILING if row.failing_since and done.at - row.failing_since >= limit else None


def disable(row: Endpoint, why: Endpoint.Why) -> None:
    """In place, and on record; nothing of what waits is lost."""
    row.enabled, row.why, row.disabled_at = False, why, timezone.now()
    AuditEntry.objects.create(
        actor=TORIL,
        action="webhook.disable",
        connection=row.connection,
        parameters=f'{{"webhook": {row.pk}}}',
        outcome=Outcome.DONE,
        message=f"Webhook “{row.name}” was disabled: {Why(why).label}.",
        closed_at=row.disabled_at,
        affected=1,
    )


def disable_the_full() -> list[Endpoint]:
    """Those for which too much waits that was made since they were enabled: more comes than they take. What waited
    before may be sent in peace.
    """
    most, waiting = get_options().webhooks.most_waiting, Delivery.objects.filter(due_at__isnull=False).order_by()
    counted = waiting.values("endpoint").annotate(n=Count("pk"))
    full = [one["endpoint"] for one in counted if one["n"] > most]
    rows = list(Endpoint.objects.select_for_update().filter(pk__in=full, enabled=True)) if full else []
    disabled = [row for row in rows if waiting.filter(endpoint=row, made_at__gte=row.since).count() > most]
    for row in disabled:
        disable(row, Why.FULL)
        row.save(update_fields=["enabled", "why", "disabled_at"])
    return disabled


def forget() -> int:
    """Some of what ended long ago, and of what waits for a disabled endpoint; how many went."""
    old = timezone.now() - timedelta(days=get_options().webhooks.keep_days) - MARGIN
    ended = Q(ended_at__isnull=False) | Q(endpoint__enabled=False)
    some = list(
        Delivery.objects.filter(ended, made_at__lt=old).order_by("made_at").values_list("pk", flat=True)[:PRUNED]
    )
    DeliveryTry.objects.filter(delivery__in=some).delete()
    return Delivery.objects.filter(pk__in=some).delete()[0] if some else 0
