"""The rows that changed since a follower last looked, in the order in which the mirror wrote them.

The mirror numbers what it writes and commits in that order, so a number is a place: what is greater was not seen yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from django.db import transaction

from queues.mirror.leader import Leader
from queues.mirror.sides import LEAST_REST_S, REST
from queues.mirror.thread import DatabaseThread
from queues.models import Cursor, Job

#: Rows per commit; and how long to wait where there were none.
BATCH = 500
IDLE_S = 0.5


class Feed:
    """A duty that takes in changed rows and commits what comes of them together with its place. `take` is idempotent:
    a row is told again each time it is written, and then as it is now.
    """

    name = "feed"
    batch = BATCH

    def __init__(self, leader: Leader) -> None:
        self.leader, self.database = leader, DatabaseThread(f"mirror-{self.name}")

    def take(self, jobs: Sequence[Job]) -> None:
        """Synchronous, inside the transaction. At most `batch` rows, each once, oldest change first."""
        raise NotImplementedError

    async def turn(self) -> float:
        began = time.monotonic()
        taken = await self.database.call(self._some)
        if not taken:
            return IDLE_S
        await asyncio.sleep(max(LEAST_REST_S, (time.monotonic() - began) * REST))
        return 0.0

    def _some(self) -> int:
        if not self._is_due():
            return 0
        with transaction.atomic():
            self.leader.check()
            cursor, _ = Cursor.objects.get_or_create(name=self.name)
            jobs = list(Job.objects.filter(change__gt=cursor.at).order_by("change")[: self.batch])
            if jobs:
                self.take(jobs)
                cursor.at = jobs[-1].change
                cursor.save(update_fields=["at"])
        return len(jobs)

    def _is_due(self) -> bool:
        """Asked without a transaction: an idle follower never keeps a writer waiting."""
        return Job.objects.filter(change__gt=self._at()).exists()

    def _at(self) -> int:
        return Cursor.objects.filter(name=self.name).values_list("at", flat=True).first() or 0
