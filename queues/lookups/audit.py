"""Who did what, as the audit table tells it."""

from __future__ import annotations

from collections.abc import Iterable

from django.db.models import Max

from queues.models import AuditEntry, Outcome


async def paused_by(connection: str, names: Iterable[str]) -> dict[str, AuditEntry]:
    """Queue → the entry of whoever paused it last, for queues that are paused now; one query for all.

    A queue that was resumed here since is left out: then somebody paused it from elsewhere.
    """
    entries = AuditEntry.objects.filter(
        connection=connection,
        queue__in=list(names),
        action__in=("queue.pause", "queue.resume"),
        outcome=Outcome.DONE,
        # Who pauses what is paused already did not pause it.
        affected__gt=0,
    )
    last = entries.order_by().values("queue").annotate(last=Max("pk")).values("last")
    found = AuditEntry.objects.filter(pk__in=last, action="queue.pause")
    return {entry.queue: entry async for entry in found}
