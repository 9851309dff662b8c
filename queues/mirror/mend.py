"""The long work, in steps: queues compared with their sets, rows of vanished queues closed."""

from __future__ import annotations

import time
from collections.abc import Iterable

from django.utils import timezone

from queues.mirror.followed import ALL, Followed, Kind, Work
from queues.mirror.reconcile import close_rows, walk
from queues.mirror.sides import Sides
from queues.mirror.store import Change
from queues.states import LISTED

#: How long pressing work may go on before events are read again.
TURN_S = 0.3
#: Between two walks through the sets of a queue whose events come faster than they can be read.
LONGEST_REST_S = 30.0
#: Every queue is compared with its sets now and then, for changes that no event tells (an edited payload).
PATROL_EVERY_S = 600.0
#: Between two chunks of that.
PATROL_REST_S = 0.25


class Mender:
    """Duties: 1. begin what is wanted, 2. do pressing work for a turn, 3. else one unhurried step of a patrol."""

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self._patrol_at = 0.0

    async def turn(self, followed: dict[str, Followed], is_behind: bool) -> None:
        deadline = time.monotonic() + TURN_S
        while time.monotonic() < deadline and (pressing := [q for q in followed.values() if q.is_pressing]):
            # A step each, so that a great queue does not keep the small ones waiting.
            for queue in pressing:
                await self._begin(queue)
                await self._step(queue, followed)
        if not is_behind and time.monotonic() >= self._patrol_at:
            await self._patrol(followed)

    def patience_s(self, followed: dict[str, Followed]) -> float:
        """How long nothing here is due."""
        if any(queue.is_pressing for queue in followed.values()):
            return 0.0
        if self._next(followed.values()) is None:
            return 1.0
        return max(0.0, self._patrol_at - time.monotonic())

    async def drop(self, queue: Followed) -> None:
        """Leave its work where it is."""
        if queue.work is not None:
            work, queue.work = queue.work, None
            await work.steps.aclose()

    async def _begin(self, queue: Followed) -> None:
        if queue.is_gone and (queue.work is None or queue.work.kind is not Kind.CLOSE):
            await self.drop(queue)
            queue.work = Work(Kind.CLOSE, close_rows(self.sides, queue.name))
        elif queue.wanted and (queue.work is None or queue.work.kind is Kind.PATROL):
            await self.drop(queue)
            states = [state for state in LISTED if state in queue.wanted]
            is_whole = queue.wanted == ALL
            queue.work = Work(Kind.WALK, walk(self.sides, queue.name, states), is_whole)
            queue.wanted = frozenset()
            queue.is_lost = queue.is_lost and not is_whole

    async def _step(self, queue: Followed, followed: dict[str, Followed]) -> None:
        work = queue.work
        if work is None:
            return
        try:
            await anext(work.steps)
        except StopAsyncIteration:
            queue.work = None
            await self._finish(queue, work, followed)

    async def _finish(self, queue: Followed, work: Work, followed: dict[str, Followed]) -> None:
        if work.kind is Kind.CLOSE:
            del followed[queue.name]
            return
        # So that the next sweep counts.
        queue.heard_at = time.monotonic()
        if queue.is_lost:
            # More was missed meanwhile: the traffic is more than can be followed, and gets its share of the machine.
            queue.rest_until = queue.heard_at + min(LONGEST_REST_S, queue.heard_at - work.began_at)
        if work.is_whole:
            queue.walked_at = queue.heard_at
        if work.is_whole and not queue.is_lost and not queue.is_settled:
            queue.is_settled = True
            await self.sides.write([Change(queue.name, [], queue.cursor, timezone.now())])

    async def _patrol(self, followed: dict[str, Followed]) -> None:
        queue = self._next(followed.values())
        if queue is None:
            return
        self._patrol_at = time.monotonic() + PATROL_REST_S
        if queue.work is None:
            queue.work = Work(Kind.PATROL, walk(self.sides, queue.name, is_thorough=True))
        await self._step(queue, followed)

    def _next(self, queues: Iterable[Followed]) -> Followed | None:
        """The queue under patrol, else the one that waited longest for its turn."""
        free = [queue for queue in queues if not queue.is_pressing]
        for queue in free:
            if queue.work is not None:
                return queue
        due = [q for q in free if q.walked_at is None or time.monotonic() - q.walked_at > PATROL_EVERY_S]
        return min(due, key=lambda queue: queue.walked_at or 0.0, default=None)
