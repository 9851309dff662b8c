"""Renews the locks of running jobs, aside from the worker's loop, and takes back those that an outage let run out.

A processor may block the worker's loop for longer than a lock lasts; its lock must not notice (THREATS.md A2.1), nor
must that of a job whose arrival the blocked loop has not even read.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence

from queues.errors import RedisUnavailable, TorilError
from queues.protocol.retaking import retake
from queues.protocol.running import RunningCommands
from queues.protocol.taken import TakenJob
from queues.protocol.wire import Wire
from queues.worker.aside import Aside

#: A lock is renewed when a third of its time is over, so that two renewals may fail.
RENEWALS = 3
#: A lock that was not renewed yet may be older than we know, by this share of its time.
READ_LATE = 4
LONGEST_TICK_S = 5.0
RETRY_S = 0.5


class _Lease:
    """`ends`: from then on the lock may have run out for want of a renewal."""

    __slots__ = ("commands", "dials", "ends", "renewed", "retaken", "taken", "token")

    def __init__(self, commands: RunningCommands, taken: TakenJob, token: str, dials: int) -> None:
        self.commands, self.taken, self.token = commands, taken, token
        self.renew(time.monotonic(), dials)
        # It was locked when Redis answered the fetch, which this loop may have read a little later.
        self.ends -= commands.lock_ms / 1000 / READ_LATE
        self.retaken = 0.0

    @property
    def due(self) -> float:
        return self.renewed + self.commands.lock_ms / 1000 / RENEWALS

    def renew(self, asked: float, dials: int) -> None:
        self.renewed, self.dials = asked, dials
        self.ends = asked + self.commands.lock_ms / 1000


class Leases:
    """1. Renew every held lock in time.
    2. While the worker's loop does not turn, renew all that Redis locked for it: tokens begin with the `owner`.
    3. Take back what ran out in an outage and nobody else took. A lock that is gone though it was renewed in time was
    taken away: by another worker, or by an operator who wants it so.
    4. Tell (on that loop) which locks were lost.

    `keep` is its duty. `hold` and `drop` are cheap: called for every job.
    """

    def __init__(self, aside: Aside, owner: str, on_lost: Callable[[str, TakenJob], None]) -> None:
        self._aside, self._owner, self._on_lost = aside, owner.encode(), on_lost
        #: By token: it locks one job at a time, while one job may run twice here (its lock was lost, and it came back).
        self._held: dict[str, _Lease] = {}
        self._turned = self._pinged = time.monotonic()
        #: When renewing last failed, by the monotonic clock.
        self.troubled = 0.0

    def hold(self, commands: RunningCommands, taken: TakenJob, token: str) -> None:
        # The first connection may not be there yet: it will be number one.
        self._held[token] = _Lease(commands, taken, token, max(1, self._aside.dials))

    def drop(self, token: str) -> None:
        self._held.pop(token, None)

    def any_over(self, commands: RunningCommands) -> bool:
        """Whether a lock of this queue may have run out that `keep` has neither renewed nor given up yet."""
        now = time.monotonic()
        return any(lease.ends <= now for lease in self._held.copy().values() if lease.commands is commands)

    async def retake(self, wire: Wire, token: str, since: float, *, was_away: bool) -> bool:
        """Take back the lock under which an outcome was refused that was sent at `since` (monotonic); `was_away`: Redis
        was, while it was being stored.

        Called on the worker's loop with its wire. False where the job is another's. Raises as `wire.call` does.
        """
        lease, now = self._held.get(token), time.monotonic()
        # `keep` may have taken it back between the refusal and now: then it looks as if it had never run out.
        if lease is None or not (was_away or self._ran_out(lease) or lease.retaken >= since):
            return False
        if await wire.call(retake(lease.commands, lease.taken, token)):
            return False
        lease.renew(now, lease.dials)
        return True

    # --- aside

    async def keep(self, queues: Sequence[RunningCommands]) -> None:
        tick_s = min(min(commands.lock_ms for commands in queues) / 1000 / RENEWALS / 2, LONGEST_TICK_S)
        wire = self._aside.wire
        while True:
            went_well = await self._renew_due(wire) and await self._renew_unread(wire, queues, tick_s)
            if not went_well:
                self.troubled = time.monotonic()
            await asyncio.sleep(tick_s if went_well else min(tick_s, RETRY_S))

    async def _renew_due(self, wire: Wire) -> bool:
        now = time.monotonic()
        batches: dict[tuple[RunningCommands, int], list[_Lease]] = defaultdict(list)
        times: Counter[tuple[RunningCommands, bytes]] = Counter()
        # A copy is one step under the interpreter's lock; the worker's thread writes meanwhile.
        for lease in self._held.copy().values():
            if lease.due <= now:
                # Answered by id: of two locks on one job in one batch, it would not be told which was lost.
                raw_id = lease.taken.raw_id
                batches[lease.commands, times[lease.commands, raw_id]].append(lease)
                times[lease.commands, raw_id] += 1
        if not batches:
            return True
        asked = [
            queue.extend([(lease.taken.raw_id, lease.token) for lease in due]) for (queue, _), due in batches.items()
        ]
        gone: list[_Lease] = []
        try:
            answers = await wire.run(asked, return_errors=True)
            for due, answer in zip(batches.values(), answers, strict=True):
                if not isinstance(answer, TorilError):
                    gone += self._settle(due, set(answer), now)
            retaken = await self._retake_all(wire, gone, now)
        except RedisUnavailable:
            return False
        return not any(isinstance(answer, TorilError) for answer in [*answers, *retaken])

    async def _retake_all(self, wire: Wire, gone: list[_Lease], now: float) -> list[str | TorilError]:
        ran_out = [lease for lease in gone if self._ran_out(lease)]
        for lease in gone:
            if lease not in ran_out:
                self._lose(lease)
        asked = [retake(lease.commands, lease.taken, lease.token) for lease in ran_out]
        answers = await wire.run(asked, return_errors=True)
        for lease, answer in zip(ran_out, answers, strict=True):
            if answer == "":
                lease.retaken = time.monotonic()
                lease.renew(now, self._aside.dials)
            elif isinstance(answer, str):
                self._lose(lease)
        return answers

    async def _renew_unread(self, wire: Wire, queues: Sequence[RunningCommands], tick_s: float) -> bool:
        """While the worker's loop stands still, jobs may lie in its socket: locked for it, and not held yet."""
        is_turning = self._turned >= self._pinged
        if is_turning:
            self._pinged = time.monotonic()
            self._aside.tell(self._has_turned)
        if is_turning or time.monotonic() - self._pinged < tick_s:
            return True
        try:
            for commands in queues:
                await self._renew_all(wire, commands)
        except TorilError:
            return False
        return True

    async def _renew_all(self, wire: Wire, commands: RunningCommands) -> None:
        ids = await wire.call(commands.active_ids())
        tokens = await wire.call(commands.lock_tokens(ids)) if ids else []
        ours = [
            (raw_id, token.decode())
            for raw_id, token in zip(ids, tokens, strict=True)
            if token is not None and token.startswith(self._owner)
        ]
        if ours:
            await wire.call(commands.extend(ours))

    def _has_turned(self) -> None:
        self._turned = time.monotonic()

    def _settle(self, due: list[_Lease], gone: set[bytes], now: float) -> list[_Lease]:
        """Note which were renewed; returns the others."""
        for lease in due:
            if lease.taken.raw_id not in gone:
                lease.renew(now, self._aside.dials)
        return [lease for lease in due if lease.taken.raw_id in gone]

    def _ran_out(self, lease: _Lease) -> bool:
        """Whether it may be gone for want of a renewal: too late, or Redis was left and found again meanwhile."""
        return lease.ends <= time.monotonic() or lease.dials != max(1, self._aside.dials)

    def _lose(self, lease: _Lease) -> None:
        if self._held.get(lease.token) is lease:
            # Told once; whether it is ours, the script says that commits the job.
            self._held.pop(lease.token, None)
            self._aside.tell(self._on_lost, lease.token, lease.taken)
