"""What pages and `/metrics` say of alerts. Whoever asks leaves out what is about queues that are not seen.

Synchronous, where the database is spoken to; `standing` is for an event loop.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from asgiref.sync import sync_to_async
from django.db import DatabaseError
from django.utils import timezone

from queues.lookups.mirror_state import MirrorState, look
from queues.models import Alert, AlertLook, AlertNotice, AlertSilence

#: So many that are open are read; more are a sign of something else.
MOST_OPEN = 1_000
#: Rules that were looked at longer ago than this are not looked at.
FRESH_S = 60.0


@dataclass(frozen=True)
class Standing:
    """Of one connection. `unknown`: rule's key → [(queue, why)], an empty queue for all of it."""

    connection: str
    leads: bool = False
    is_known: bool = False
    holder: str = ""
    looked_at: datetime | None = None
    silent_since: datetime | None = None
    unknown: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    open: Sequence[Alert] = ()
    silences: Sequence[AlertSilence] = ()

    @property
    def age_s(self) -> float | None:
        """How long ago rules were looked at; None where they never were."""
        return None if self.looked_at is None else max(0.0, (timezone.now() - self.looked_at).total_seconds())

    @property
    def is_watched(self) -> bool:
        """Whether somebody looks at the rules."""
        return self.leads and self.age_s is not None and self.age_s <= FRESH_S

    @property
    def firing(self) -> list[Alert]:
        return [alert for alert in self.open if alert.phase == Alert.Phase.FIRING]

    @property
    def pending(self) -> list[Alert]:
        return [alert for alert in self.open if alert.phase == Alert.Phase.PENDING]

    def counts(self) -> Counter[tuple[str, str]]:
        """How many fire, by (queue, kind): for `/metrics`. An empty queue: the connection itself."""
        return Counter((alert.queue, alert.kind) for alert in self.firing)


async def standing(connection: str) -> Standing:
    """Where the database does not answer, nobody looks."""
    try:
        return await sync_to_async(stands)(connection)
    except DatabaseError:
        return Standing(connection)


def stands(connection: str) -> Standing:
    """Raises DatabaseError."""
    mirror: MirrorState = look()
    row = AlertLook.objects.filter(connection=connection).first()
    found = Alert.objects.filter(connection=connection, phase__in=("pending", "firing"))
    return Standing(
        connection,
        mirror.leads,
        mirror.is_known,
        mirror.holder,
        row.at if row else None,
        row.silent_since if row else None,
        _unknown(row),
        list(found.order_by("-fired_at", "queue", "subject")[:MOST_OPEN]),
        list(AlertSilence.objects.filter(connection=connection, until__gt=timezone.now())),
    )


def _unknown(row: AlertLook | None) -> dict[str, list[tuple[str, str]]]:
    try:
        told = json.loads(row.unknown) if row else {}
        return {str(rule): [(str(queue), str(why)) for queue, why in some] for rule, some in told.items()}
    except (ValueError, TypeError, AttributeError):
        return {}


def past(connection: str, before: int | None, most: int) -> list[Alert]:
    """What has cleared, newest first, older than the row `before`."""
    rows = Alert.objects.filter(connection=connection, phase="cleared").order_by("-pk")
    return list((rows.filter(pk__lt=before) if before else rows)[:most])


def one(connection: str, number: int) -> Alert | None:
    return Alert.objects.filter(connection=connection, pk=number).first()


def notices_of(alerts: Sequence[Alert]) -> dict[int, list[AlertNotice]]:
    """Alert → what was told of it. Their texts are for their channels: they may name other queues."""
    links = AlertNotice.alerts.through.objects.filter(alert__in=[alert.pk for alert in alerts])
    rows = AlertNotice.objects.in_bulk({link.alertnotice_id for link in links})
    found: dict[int, list[AlertNotice]] = {}
    for link in links.order_by("pk"):
        found.setdefault(link.alert_id, []).append(rows[link.alertnotice_id])
    return found


def before_it(alert: Alert, most: int) -> list[Alert]:
    """The same, as it fired before."""
    rows = Alert.objects.filter(digest=alert.digest, pk__lt=alert.pk, phase="cleared")
    return list(rows.order_by("-pk")[:most])


def untold() -> list[AlertNotice]:
    """Messages that wait for another try, or were given up within the last day."""
    recent = timezone.now() - timedelta(days=1)
    rows = AlertNotice.objects.filter(sent_at__isnull=True, tries__gt=0, made_at__gt=recent)
    return list(rows.order_by("-pk")[:50])
