"""One connection kept in step, from connecting to the next failure.

Duties, in turn and never two at once, so that what was read later is written later:
1. discover queues, 2. take in events, 3. sweep, 4. mend, 5. take samples.
"""

from __future__ import annotations

import logging
import time

from queues.errors import RedisRefused
from queues.mirror.follow import Ear
from queues.mirror.followed import ALL, Followed
from queues.mirror.leader import Leader
from queues.mirror.mend import Mender
from queues.mirror.samples import Samples
from queues.mirror.sides import Sides
from queues.mirror.store import fits
from queues.mirror.sweep import Sweep
from queues.mirror.thread import DatabaseThread
from queues.protocol import reads
from queues.protocol.reads.pulses import run_id

log = logging.getLogger(__name__)

#: SCAN walks all keys: a look for new queues may cost this share of the time.
DISCOVER_EVERY_S = 3.0
DISCOVER_SHARE = 0.02
#: However long one walk took: what Redis or this process stood still meanwhile was not its cost.
DISCOVER_LONGEST_S = 60.0
SWEEP_EVERY_S = 5.0
#: For queues of which something was heard.
SWEEP_HOT_EVERY_S = 1.0
LONGEST_NAME = 512


class Clock:
    """Something that is due every so often; at first at once."""

    def __init__(self, every_s: float) -> None:
        self.every_s, self._at = every_s, 0.0

    @property
    def left_s(self) -> float:
        return max(0.0, self._at - time.monotonic())

    @property
    def is_due(self) -> bool:
        return self.left_s == 0.0

    def wind(self, every_s: float | None = None) -> None:
        self._at = time.monotonic() + (self.every_s if every_s is None else every_s)


class Session:
    """Starts from what is stored, so nothing it has in memory can be wrong for longer than it lives."""

    def __init__(self, connection: str, leader: Leader, database: DatabaseThread) -> None:
        self.connection = connection
        self.sides = Sides(connection, leader, database)
        self.followed: dict[str, Followed] = {}
        self.ear, self.sweep, self.mender = Ear(self.sides), Sweep(self.sides), Mender(self.sides)
        self.samples = Samples(self.sides, self.ear)
        self._discover, self._sweep = Clock(DISCOVER_EVERY_S), Clock(SWEEP_EVERY_S)
        self._hot = Clock(SWEEP_HOT_EVERY_S)
        self.is_open = False
        self._server = ""
        self._too_long: set[str] = set()

    @property
    def written(self) -> int:
        """Rows changed so far."""
        return self.sides.written

    @property
    def is_mending(self) -> bool:
        return any(queue.is_in_doubt for queue in self.followed.values())

    async def begin(self) -> None:
        """Raises RedisUnavailable or DatabaseUnavailable, as all of these do."""
        await self.sides.on.connect()
        self._server = await run_id(self.sides.on)
        stored = await self.sides.ask(self.sides.store.cursors)
        self.followed = {name: Followed.resumed(name, cursor) for name, cursor in stored.items()}
        self.ear.tally.begin(self.followed)
        self.is_open = True

    async def turn(self) -> None:
        """One round of all duties; waits up to a second for something to do."""
        if self._discover.is_due:
            await self._look_for_queues()
        if self._sweep.is_due or (self._hot.is_due and self._heard()):
            await self._sweep_some()
        try:
            await self.ear.listen(self.followed, self._patience_s())
        except RedisRefused as error:
            # A queue's `events` may have become something else; the sweep finds which.
            log.warning("connection %s: the event streams cannot be read: %s", self.connection, error)
            self._sweep.wind(0)
        await self.mender.turn(self.followed, self.ear.is_behind)
        await self.samples.turn(self.followed)
        if not (self.ear.is_behind or self.is_mending):
            await self.sides.settle()

    async def end(self) -> None:
        """Callable twice, and after a failure."""
        self.is_open = False
        for queue in self.followed.values():
            await self.mender.drop(queue)
        await self.sides.close()

    def _heard(self) -> list[Followed]:
        return [queue for queue in self.followed.values() if queue.heard_at > self.sweep.swept_at]

    def _patience_s(self) -> float:
        if self.samples.is_behind:
            return 0.0
        clocks = [self._discover, self._sweep, *([self._hot] if self._heard() else [])]
        return min(1.0, self.mender.patience_s(self.followed), *(clock.left_s for clock in clocks))

    async def _look_for_queues(self) -> None:
        began = time.monotonic()
        for name in await reads.queue_names(self.connection):
            if name not in self.followed and self._is_storable(name):
                self.followed[name] = Followed(name)
                self._sweep.wind(0)
        fair_s = (time.monotonic() - began) / DISCOVER_SHARE
        self._discover.wind(min(DISCOVER_LONGEST_S, max(DISCOVER_EVERY_S, fair_s)))

    def _is_storable(self, name: str) -> bool:
        if len(name) <= LONGEST_NAME and fits(name, ""):
            return True
        if name not in self._too_long:
            self._too_long.add(name)
            log.warning("queue %.80s… is not mirrored: its name is too long", name)
        return False

    async def _sweep_some(self) -> None:
        queues = self._heard()
        if self._sweep.is_due:
            self._sweep.wind()
            await self._notice_restart()
            queues = list(self.followed.values())
        self._hot.wind()
        await self.sweep.run(queues)

    async def _notice_restart(self) -> None:
        """Another server, or the same with no more than its disk remembered: every queue is in doubt."""
        server = await run_id(self.sides.on)
        if server != self._server:
            log.warning("connection %s: Redis was restarted; its queues are compared", self.connection)
            self._server = server
            for queue in self.followed.values():
                queue.wanted = ALL
