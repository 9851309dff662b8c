"""What happens to queues and operations is told to webhooks: that a queue was paused or runs again, whoever did it, and
that an operation has ended.
"""

from __future__ import annotations

import json
from datetime import timedelta

from django.db import models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from queues.delivery.outbox import tell
from queues.mirror.leader import Leader
from queues.mirror.thread import DatabaseThread
from queues.models import Operation, Queue, QueueTold

LOOK_EVERY_S = 1.0
#: Ends that are looked at again, in case this process died before they were told.
LATELY = timedelta(hours=1)
#: Rows per commit.
MOST = 500


class Happenings:
    """Duties: 1. tell of pauses, 2. tell of operations that have ended. Both as the tables say it, and once."""

    name = "happenings"

    def __init__(self, leader: Leader) -> None:
        self.leader, self.database = leader, DatabaseThread("mirror-happenings")
        self._told: set[int] = set()

    async def turn(self) -> float:
        is_more = await self.database.call(self._pauses)
        await self.database.call(self._operations)
        return 0.0 if is_more else LOOK_EVERY_S

    def _pauses(self) -> bool:
        """Whether there may be more."""
        paused, running = list(_newly_paused()[:MOST]), list(_running_again()[:MOST])
        if not (paused or running):
            return False
        with transaction.atomic():
            self.leader.check()
            for queue in paused:
                _tell("queue.paused", queue.connection, queue.name)
            QueueTold.objects.bulk_create(QueueTold(connection=q.connection, queue=q.name) for q in paused)
            for told in running:
                # A queue that is gone does not run.
                if _exists(told):
                    _tell("queue.resumed", told.connection, told.queue)
            QueueTold.objects.filter(pk__in=[told.pk for told in running]).delete()
        return len(paused) == MOST or len(running) == MOST

    def _operations(self) -> None:
        over = Operation.objects.filter(ended_at__gt=timezone.now() - LATELY)
        lately = set(over.values_list("pk", flat=True))
        self._told &= lately
        for row in Operation.objects.filter(pk__in=sorted(lately - self._told)[:MOST]).order_by("pk"):
            with transaction.atomic():
                self.leader.check()
                _tell_end(row)
            self._told.add(row.pk)


def _newly_paused() -> models.QuerySet[Queue]:
    told = QueueTold.objects.filter(connection=OuterRef("connection"), queue=OuterRef("name"))
    return Queue.objects.filter(~Exists(told), is_paused=True, removed_at__isnull=True).order_by("pk")


def _running_again() -> models.QuerySet[QueueTold]:
    still = Queue.objects.filter(
        connection=OuterRef("connection"), name=OuterRef("queue"), is_paused=True, removed_at__isnull=True
    )
    return QueueTold.objects.filter(~Exists(still)).order_by("pk")


def _exists(told: QueueTold) -> bool:
    return Queue.objects.filter(connection=told.connection, name=told.queue, removed_at__isnull=True).exists()


def _tell(kind: str, connection: str, queue: str) -> None:
    tell(kind, {"connection": connection, "queue": queue}, connection=connection, queue=queue)


def _tell_end(row: Operation) -> None:
    queues = json.loads(row.queues)
    counts = {name: getattr(row, name) for name in ("total", "done", "moved", "stayed")}
    data = {"connection": row.connection, "operation": row.pk, "action": row.action, "phase": row.phase, **counts}
    # One that reached into many queues is told to those who hear of them all.
    queue = queues[0] if len(queues) == 1 else ""
    tell(
        "operation.ended",
        data,
        connection=row.connection,
        queue=queue,
        key=f"operation:{row.pk}:{row.ended_at}",
        at=row.ended_at,
    )
