"""The leader's duty of bulk work: every operation under way gets its turns; what is kept too long is forgotten."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from asgiref.sync import sync_to_async
from django.db import DatabaseError, close_old_connections, transaction
from django.utils import timezone

from queues.errors import RedisUnavailable
from queues.mirror.leader import Leader, LeaseLost
from queues.mirror.pauses import PASSING
from queues.mirror.thread import DatabaseThread
from queues.models import Operation, OperationItem
from queues.operations import books, stored
from queues.operations.engine import Runner
from queues.operations.steering import tell_end

log = logging.getLogger(__name__)

#: How often to look for operations that were begun, paused or resumed; and how long to leave one whose Redis is away.
POLL_S = 0.5
AWAY_S = 1.0
#: And one that fails for a fault of our own.
FAULT_S = 30.0
PRUNE_EVERY_S = 60.0
#: What became of each job of an ended operation is kept so long; the operation itself for good.
ITEMS_KEPT = timedelta(days=30)
PRUNED_AT_ONCE = 2_000


class Operations:
    """Duties: 1. see what there is to do, 2. turn each operation that is due, 3. prune."""

    name = "operations"

    def __init__(self, leader: Leader) -> None:
        self.leader, self.database = leader, DatabaseThread("mirror-operations")
        self._runners: dict[int, Runner] = {}
        self._due: dict[int, float] = {}
        self._poll_at = 0.0
        self._prune_at = time.monotonic() + PRUNE_EVERY_S

    async def turn(self) -> float:
        try:
            await self._look()
            for number, runner in list(self._runners.items()):
                if self._due[number] <= time.monotonic():
                    await self._turn(number, runner)
            if time.monotonic() >= self._prune_at:
                await self._prune()
        except BaseException:
            # What they have in memory may not be so: the next turn begins with what is written.
            await self._drop(*self._runners)
            raise
        return max(0.0, min([self._poll_at, *self._due.values()]) - time.monotonic())

    async def _look(self) -> None:
        if time.monotonic() < self._poll_at:
            return
        there = await self.database.call(books.open_operations)
        await self._drop(*(set(self._runners) - set(there)))
        for number in there:
            if number not in self._runners:
                self._runners[number] = Runner(number, self.database.call, self.leader.check)
                self._due.setdefault(number, 0.0)
        self._poll_at = time.monotonic() + POLL_S

    async def _turn(self, number: int, runner: Runner) -> None:
        try:
            wait_s = await runner.turn()
        except RedisUnavailable as error:
            log.warning("operation %d waits: %s", number, error)
            await self._anew(number, AWAY_S)
            return
        except (LeaseLost, *PASSING):
            raise
        except Exception:
            # One that cannot go on must not keep the others from it.
            log.exception("operation %d failed; it is tried again", number)
            await self._anew(number, FAULT_S)
            return
        if wait_s is None:
            await self._drop(number)
            await self._tell(number)
        else:
            self._due[number] = time.monotonic() + wait_s

    async def _anew(self, number: int, wait_s: float) -> None:
        await self._runners[number].close()
        self._runners[number] = Runner(number, self.database.call, self.leader.check)
        self._due[number] = time.monotonic() + wait_s

    async def _tell(self, number: int) -> None:
        row = await self.database.call(books.operation, number)
        if row.phase == Operation.Phase.DONE:
            log.info(
                "operation %d has ended: %d done, %d had moved on, %d stayed", number, row.done, row.moved, row.stayed
            )
            try:
                await tell_end(row)
            except DatabaseError:
                log.exception("The end of operation %d is not on record.", number)
                await sync_to_async(close_old_connections)()

    async def _drop(self, *numbers: int) -> None:
        for number in numbers:
            await self._runners.pop(number).close()
            self._due.pop(number, None)

    async def _prune(self) -> None:
        self._prune_at = time.monotonic() + PRUNE_EVERY_S
        for prune in (stored.prune, _prune_items):
            while await self.database.call(self._checked, prune):
                pass

    def _checked(self, prune: Callable[[], int]) -> Any:
        with transaction.atomic():
            self.leader.check()
            return prune()


def _prune_items() -> int:
    """Some of those whose operation ended long ago; how many went."""
    old = Operation.objects.filter(ended_at__lt=timezone.now() - ITEMS_KEPT).values("pk")
    some = list(OperationItem.objects.filter(operation__in=old).values_list("pk", flat=True)[:PRUNED_AT_ONCE])
    return OperationItem.objects.filter(pk__in=some).delete()[0] if some else 0
