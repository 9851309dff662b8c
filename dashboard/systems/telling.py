"""Adds a job to `webhooks` for each row that has ended and whose owner asked to be told."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

from asgiref.sync import sync_to_async

from dashboard.systems.models import Status, Work
from queues import queue
from queues.errors import TorilError

#: As many as one round adds.
MOST = 100
#: Without the payload: who is told fetches it, with a credential of their own.
EVENTS = {Status.COMPLETED: "job.succeeded", Status.FAILED: "job.failed"}


async def tell_if_owed(rows: Iterable[Work]) -> None:
    """Tell of those that ended without a worker to write it: the next may be hours away. Raises nothing of Redis."""
    if any(row.owes_webhook and row.completed_at for row in rows):
        with suppress(TorilError):
            await sync_to_async(tell_who_asked)()


def tell_who_asked() -> int:
    """How many were added. Where this is interrupted the next round adds the rest; one id, so no job comes twice.

    Raises RedisUnavailable.
    """
    # What has no end was refused with an error of its own, and may run all the same.
    owed = Work.objects.filter(owes_webhook=True, status__in=list(EVENTS), completed_at__isnull=False)
    rows = list(owed.order_by("pk")[:MOST].values_list("pk", "queue", "job_id", "status", "webhook_url"))
    for pk, name, job_id, status, url in rows:
        data = {
            "deliveryId": f"work-{pk}",
            "url": url,
            "event": EVENTS[Status(status)],
            "payload": {"id": job_id, "queue": name, "status": status},
        }
        queue("webhooks").sync.add("deliver", data, job_id=f"work-{pk}", on_commit=False)
        Work.objects.filter(pk=pk).update(owes_webhook=False)
    return len(rows)
