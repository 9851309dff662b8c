"""Stalls by the minute, counted as the mirror takes in events: in the transaction that moves its place in a stream."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping

from django.db.models import F

from queues.mirror.fold import moment_ms
from queues.models import Stall
from queues.models.sample import MINUTE_S
from queues.protocol.events import Event

#: Older ones are of no use to any rule (`alerting.books` forgets them): a stream may begin long ago.
KEPT_S = 7_200


def stalls_of(events: Iterable[Event]) -> dict[int, int]:
    """Minute (seconds since the epoch) → how many; of most events nothing."""
    moments = [moment_ms(event.id) // 1000 for event in events if event.type == "stalled"]
    return dict(Counter(at // MINUTE_S * MINUTE_S for at in moments if at > time.time() - KEPT_S)) if moments else {}


def count(connection: str, queue: str, stalls: Mapping[int, int]) -> None:
    """Inside the transaction of the rows."""
    for at, stalled in stalls.items():
        row, _ = Stall.objects.get_or_create(connection=connection, queue=queue, at=at)
        Stall.objects.filter(pk=row.pk).update(count=F("count") + stalled)
