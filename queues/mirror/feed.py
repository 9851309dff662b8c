"""The rows that changed since a follower last looked, in the order in which the mirror wrote them.

The mirror numbers what it writes and commits in that order, so a number is a place: what is greater was not seen yet.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

from django.db import transaction
from django.db.models import QuerySet

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
        """How many changes it passed."""
        if not self._is_due():
            return 0
        with transaction.atomic():
            self.leader.check()
            cursor, _ = Cursor.objects.get_or_create(name=self.name)
            cursor.at, passed = self._pass(cursor.at)
            cursor.save(update_fields=["at"])
        return passed

    def _pass(self, at: int) -> tuple[int, int]:
        """Take in some; the place behind them, and over how many changes that led."""
        jobs = list(Job.objects.filter(change__gt=at).order_by("change")[: self.batch])
        if jobs:
            self.take(jobs)
        return (jobs[-1].change if jobs else at), len(jobs)

    def _is_due(self) -> bool:
        """Asked without a transaction: an idle follower never keeps a writer waiting."""
        return Job.objects.filter(change__gt=self._at()).exists()

    def _at(self) -> int:
        return Cursor.objects.filter(name=self.name).values_list("at", flat=True).first() or 0


class Sieve(Feed):
    """A feed of the few changed rows that are `wanted`: the others are passed over unread, many in one commit."""

    #: Columns that are read; and so many wanted rows at most in one commit.
    read: Sequence[str]
    most = BATCH

    def wanted(self, rows: QuerySet[Job]) -> QuerySet[Job]:
        raise NotImplementedError

    def _pass(self, at: int) -> tuple[int, int]:
        place, passed = self._next_place(at)
        rows = self.wanted(Job.objects.filter(change__gt=at, change__lte=place))
        self.take(list(rows.order_by("change").only(*self.read)))
        return place, passed

    def _next_place(self, at: int) -> tuple[int, int]:
        """How far to go now, and over how many rows: never over more wanted ones than fit in one commit."""
        changes = Job.objects.filter(change__gt=at).order_by("change").values_list("change", flat=True)
        some = list(changes[: self.batch])
        if not some:
            return at, 0
        wanted = self.wanted(Job.objects.filter(change__gt=at, change__lte=some[-1]))
        found = list(wanted.order_by("change").values_list("change", flat=True)[: self.most + 1])
        place = found[self.most - 1] if len(found) > self.most else some[-1]
        return place, sum(change <= place for change in some)
