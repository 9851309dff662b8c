"""One operation at work: its jobs are frozen, then taken in hand, a few hundred per commit, in writes that Redis hardly
notices. Whoever leads turns it; a new leader begins with what the last one had in hand.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any, cast

from django.db.models import F

from queues.actions.pace import Pace
from queues.errors import Forbidden, InvalidInput, RedisRefused
from queues.models import Operation, OperationItem
from queues.operations import books, consent, removing, steps, stored
from queues.operations.books import Hand, Settled, Verdict
from queues.operations.freezing import Freezing
from queues.operations.kinds import ACTIONS
from queues.operations.removing import Call, Taken
from queues.operations.watch import LOOK_EVERY_S, Watch
from queues.protocol.metered import metering
from queues.states import State

#: Jobs in hand at once: so many may have to be looked at again after a crash.
HAND = 1_000
#: A paced chunk lasts about this long.
PACED_S = 0.25
#: What is removed is copied, and kept, so many at a time.
COPIED = 250
#: Over so long the speed is told.
SPEED_S = 5.0
#: What waits longer than this is written down meanwhile.
PATIENCE_S = 0.2
#: A list may be long: its first jobs tell what one costs.
FIRST_OF_A_LIST = 5
Phase, Outcome = Operation.Phase, OperationItem.Outcome


class Runner:
    """`turn` again and again. `call` runs a function where the database is spoken to, `check` raises where another
    process leads.
    """

    def __init__(self, number: int, call: Call, check: Callable[[], None]) -> None:
        self.number, self._call, self._check = number, call, check
        self._is_new, self._is_frozen = True, False
        self._rate: float | None = None
        self._freezing = Freezing(number, call, check)
        self._pace, self._listed_pace = Pace(), Pace(begin=FIRST_OF_A_LIST, least=1)
        self._settled: Settled | None = None
        self._watch: Watch | None = None
        self._looked_at = self._due = self._ask_at = 0.0
        self._done: deque[tuple[float, int]] = deque()

    async def turn(self) -> float | None:
        """A bounded piece of the work: after how many seconds the next; None where there is nothing to do any more.

        Raises RedisUnavailable and what the database raises: turn it anew with a new Runner.
        """
        try:
            return await self._turn()
        except (RedisRefused, Forbidden, InvalidInput) as error:
            await self._stop(str(error))
        except stored.Full as error:
            await self._stop(str(error), keeps=False)
        return None

    async def close(self) -> None:
        await self._freezing.close()

    async def _stop(self, why: str, **changes: Any) -> None:
        await self.close()
        if self._settled is not None:
            await self._call(books.turn_over, self.number, self._check, self._settled, 0)
        await self._call(books.stop, self.number, self._check, why, changes)

    async def _turn(self) -> float | None:
        if why := await self._refused():
            await self._stop(why)
            return None
        if self._is_new:
            if await self._take_up() is False:
                return None
            self._is_new = False
        if not self._is_frozen:
            row = await self._call(books.operation, self.number)
            if not row.is_collected:
                return await self._freezing.turn(row)
            self._is_frozen, self._rate, self._watch = True, row.rate_per_s, Watch.of(row)
        if self._watch is not None and (why := await self._judged()):
            await self._stop(why, **self._watch.changes)
            return None
        return await self._chunk()

    async def _refused(self) -> str:
        """Whoever began it may have lost the right to: what was in hand is ended, and no more is taken."""
        if time.monotonic() < self._ask_at:
            return ""
        self._ask_at = time.monotonic() + consent.ASKED_EVERY_S
        return str(await self._call(_refusal, self.number))

    async def _take_up(self) -> bool:
        """What was in hand when something broke; False where nothing else is to be done."""
        hand = await self._call(books.hand_left, self.number)
        if hand is None:
            row = await self._call(books.operation, self.number)
            return bool(row.phase == Phase.RUNNING)
        is_running = hand.operation.phase == Phase.RUNNING
        settled = await self._worked(hand, finishes_only=not is_running)
        close = books.lay_down if not is_running else books.turn_over
        await self._call(close, self.number, self._check, settled, *([0] if is_running else []))
        return bool(is_running)

    async def _chunk(self) -> float | None:
        now = time.monotonic()
        size = HAND
        if self._watch is not None:
            size = min(size, self._watch.room)
            if not size:
                return await self._written_down(LOOK_EVERY_S)
        if now < self._due:
            return await self._written_down(self._due - now)
        hand = await self._call(books.turn_over, self.number, self._check, self._settled, self._paced(size))
        self._settled = None
        if hand is None:
            return None
        self._settled = await self._worked(hand)
        if self._rate:
            self._due = max(now, self._due) + len(hand.items) / self._rate
        return 0.0

    def _paced(self, size: int) -> int:
        return size if self._rate is None else max(1, min(size, int(self._rate * PACED_S)))

    async def _written_down(self, wait_s: float) -> float:
        if self._settled is not None and wait_s > PATIENCE_S:
            await self._call(books.turn_over, self.number, self._check, self._settled, 0)
            self._settled = None
        return min(wait_s, LOOK_EVERY_S)

    async def _judged(self) -> str:
        watch = self._watch
        if watch is None or not watch.awaited or time.monotonic() - self._looked_at < LOOK_EVERY_S:
            return ""
        self._looked_at = time.monotonic()
        row = await self._call(books.operation, self.number)
        await watch.look(row.connection)
        if self._settled is not None:
            self._settled.changes |= watch.changes
        return watch.why(row.total)

    async def _worked(self, hand: Hand, *, finishes_only: bool = False) -> Settled:
        """In pieces of the size that Redis takes well; after a crash in one."""
        settled, at = Settled(), 0
        verdicts: dict[int, Verdict] = {}
        undone: list[Callable[[], None]] = []
        while at < len(hand.items):
            action = hand.operation.action
            pace, removes = self._pace_for(hand.items[at].state, action), ACTIONS[action].removes
            size = len(hand.items) if hand.is_again else COPIED if removes else pace.size
            piece = replace(hand, items=hand.items[at : at + size])
            with metering() as meter:
                taken = await self._done_to(piece, finishes_only)
            redis_at = time.monotonic()
            verdicts |= taken.verdicts
            self._note(piece, taken, settled, undone)
            at += size
            if removes:
                continue
            pace.learn(len(piece.items), meter.took_s)
            if at < len(hand.items):
                await asyncio.sleep(max(0.0, min(meter.took_s, 0.05) - (time.monotonic() - redis_at)))
        settled.verdicts = verdicts
        settled.also = lambda: _each(undone)
        self._tell_speed(settled, len(verdicts))
        return settled

    def _pace_for(self, state: str, action: str) -> Pace:
        is_walk = state == State.WAITING.value and (ACTIONS[action].removes or action == "reprioritize")
        return self._listed_pace if is_walk else self._pace

    async def _done_to(self, hand: Hand, finishes_only: bool) -> Taken:
        action = hand.operation.action
        if action == "restore":
            return await removing.restore(hand, self._call, finishes_only=finishes_only)
        if ACTIONS[action].removes:

            def paced(state: str) -> Pace:
                return self._pace_for(state, action)

            return await removing.remove(hand, self._call, self._check, paced, finishes_only=finishes_only)
        return Taken(await steps.act(hand, finishes_only=finishes_only))

    def _note(self, hand: Hand, taken: Taken, settled: Settled, undone: list[Callable[[], None]]) -> None:
        """What is to be written beside the verdicts."""
        row, first, last = hand.operation, hand.items[0].seq, hand.items[-1].seq
        if row.action == "restore" and row.restores_id is not None:
            gone = [item.mark for item in hand.items if _is_done(taken.verdicts.get(item.seq))]
            undone.append(lambda: stored.spend(cast("int", row.restores_id), gone))
        elif row.action == "move":
            undone.append(lambda: stored.spend(row.pk, [item.seq for item in hand.items]))
        elif row.keeps:
            undone.append(lambda: _keep_count(row, first, last, taken))
        if self._watch is not None:
            self._watch.add(item for item in hand.items if _is_done(taken.verdicts.get(item.seq)))
            settled.changes |= self._watch.changes

    def _tell_speed(self, settled: Settled, count: int) -> None:
        now = time.monotonic()
        self._done.append((now, count))
        while self._done and self._done[0][0] < now - SPEED_S:
            self._done.popleft()
        span = now - self._done[0][0]
        if span > 0:
            settled.changes["speed"] = sum(n for _at, n in list(self._done)[1:]) / span


def _refusal(number: int) -> str:
    row = books.operation(number)
    return consent.refusal(row) if row.phase == Phase.RUNNING else ""


def _each(undone: Iterable[Callable[[], None]]) -> None:
    for one in undone:
        one()


def _is_done(one: Verdict | None) -> bool:
    return one is not None and one.outcome == Outcome.DONE


def _keep_count(row: Operation, first: int, last: int, taken: Taken) -> None:
    if taken.is_narrower:
        stored.keep(row.pk, first, last, taken.kept, bounded=False)
    size = stored.size_of(row.pk, first)
    told = Operation.objects.filter(pk=row.pk)
    told.update(kept_jobs=F("kept_jobs") + len(taken.kept), kept_bytes=F("kept_bytes") + size)
