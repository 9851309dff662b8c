"""What workers recorded by the minute, taken from Redis into the tables, with how much waits in each queue.

Duties: 1. once a minute take the minutes that are over, and look again at those just before, for deliveries come late;
2. at the start, all that Redis still holds; 3. of queues that none of our workers records, what the followed streams
told (`tally`), or else what BullMQ's own lists say.
A few minutes at a time: between them, the mirror follows its streams.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence, Set
from typing import Any

from queues.errors import TorilError
from queues.mirror.follow import Ear
from queues.mirror.followed import Followed
from queues.mirror.sample_rows import Backlog, Minute, SampleRows
from queues.mirror.sides import REST, Sides
from queues.models.sample import EVENTS, LISTS, WORKERS
from queues.protocol import reads
from queues.protocol.commands import Command
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.native import native_counts
from queues.protocol.samples import KEPT_S, Count, Ended, figures_command, minute_command, names_command

log = logging.getLogger(__name__)

#: So long after its end a minute is taken: workers deliver every few seconds.
SETTLE_MS = 8_000
#: Minutes that are looked at once more, each time.
AGAIN = 3
MINUTES_PER_TURN = 10
PATIENT_S = 30.0
#: Commands per round trip.
CHUNK = 500
#: Rows per commit; each becomes three, with the longer steps.
MOST_ROWS = 160

Counts = dict[int, dict[str, Count]]


class Samples:
    """Of one session: a new one looks at everything again, and writes what it finds changed."""

    def __init__(self, sides: Sides, ear: Ear) -> None:
        self.sides, self._ear = sides, ear
        self.rows = SampleRows(sides.connection, sides.store.leader)
        self._keys = SampleKeys(sides.prefix)
        self._due = 0.0
        #: The newest minute that was put down to be taken.
        self._last: int | None = None
        self._wanted: deque[int] = deque()
        self._is_said = False
        self._planned_at = 0.0

    @property
    def is_behind(self) -> bool:
        return bool(self._wanted)

    async def turn(self, followed: Mapping[str, Followed]) -> None:
        """Take some minutes, where it is time. Raises what Redis and the database raise."""
        if time.monotonic() >= self._due:
            await self._plan()
        # What the streams told counts where all of it was heard; for so long they are waited for.
        if self._wanted and not (self._ear.is_behind and time.monotonic() < self._planned_at + PATIENT_S):
            some = [self._wanted.popleft() for _ in range(min(MINUTES_PER_TURN, len(self._wanted)))]
            try:
                await self._take(some, {name: queue for name, queue in followed.items() if not queue.is_gone})
            except BaseException:
                self._wanted.extendleft(reversed(some))
                raise

    async def _plan(self) -> None:
        now_ms = await self.sides.on.call(time_command())
        last = (now_ms - SETTLE_MS) // 60_000 - 1
        self._due = time.monotonic() + ((last + 2) * 60_000 + SETTLE_MS - now_ms) / 1000
        self._planned_at = time.monotonic()
        if last != self._last:
            first = last - AGAIN if self._last is not None else last - KEPT_S // 60 + 1
            self._wanted = deque(sorted({*self._wanted, *range(min(first, self._last or first), last + 1)}))
            self._last = last

    async def _take(self, minutes: Sequence[int], followed: Mapping[str, Followed]) -> None:
        queues = list(followed)
        asked = [minute_command(self._keys, minute) for minute in minutes]
        counted: Counts = dict(zip(minutes, await self._run(asked, {}), strict=True))
        known = await self.sides.ask(self.rows.known, minutes)
        found = await self._recorded(counted, known, frozenset(queues))
        recorded = {queue for counts in counted.values() for queue in counts}
        seen = self._seen(minutes, followed, recorded)
        seen += await self._listed(minutes, queues, recorded, {(one.queue, one.minute) for one in seen})
        found += [one for one in seen if known.get((one.queue, one.minute)) != _count(one.whole)]
        if not self._wanted:
            found = await self._with_backlog(found, minutes[-1], queues)
        parts = list(_parts(found))
        for part in parts:
            began = time.monotonic()
            await self.sides.ask(self.rows.save, part, minutes[-1] + 1 if part is parts[-1] else None)
            await asyncio.sleep((time.monotonic() - began) * REST)

    async def _recorded(
        self, counted: Counts, known: Mapping[tuple[str, int], Count], queues: frozenset[str]
    ) -> list[Minute]:
        """What workers recorded, where it is not in the tables yet."""
        news = [
            (minute, queue, count)
            for minute, counts in counted.items()
            for queue, count in counts.items()
            if queue in queues and known.get((queue, minute)) != count
        ]
        stirred = sorted({queue for _, queue, count in news if not count.is_empty})
        names = dict(zip(stirred, await self._run([names_command(self._keys, q) for q in stirred], []), strict=True))
        asked = [(m, q, name) for m, q, count in news if not count.is_empty for name in names[q]]
        figures = await self._run([figures_command(self._keys, *place) for place in asked], Ended())
        found = {(m, q): Minute(q, m, WORKERS) for m, q, _ in news}
        for (m, q, name), ended in zip(asked, figures, strict=True):
            if not ended.is_empty:
                found[m, q].names[name] = ended
                found[m, q].whole.add(ended)
        for minute, queue, count in news:
            # As the minute's own hash has it: so it is compared the next time.
            whole = found[minute, queue].whole
            whole.completed, whole.failed, whole.retried = count.completed, count.failed, count.retried
        return list(found.values())

    async def _run(self, commands: Sequence[Command[Any]], nothing: Any) -> list[Any]:
        """`nothing` stands for what Redis refuses: what we may not read, or what somebody made of a key."""
        found: list[Any] = []
        for start in range(0, len(commands), CHUNK):
            found += await self.sides.on.run(commands[start : start + CHUNK], return_errors=True)
        refused = [one for one in found if isinstance(one, TorilError)]
        if refused and not self._is_said:
            self._is_said = True
            log.warning("connection %s: what workers recorded cannot be read: %s", self.sides.connection, refused[0])
        return [nothing if isinstance(one, TorilError) else one for one in found]

    def _seen(self, minutes: Sequence[int], followed: Mapping[str, Followed], recorded: Set[str]) -> list[Minute]:
        """What the streams told of queues that nobody records."""
        if self._ear.is_behind:
            return []
        found = []
        for queue, minute, names in self._ear.tally.minutes(followed, minutes, self._now(minutes), recorded):
            one = Minute(queue, minute, EVENTS, names)
            for ended in names.values():
                one.whole.add(ended)
            found.append(one)
        return found

    def _now(self, minutes: Sequence[int]) -> int:
        return (self._last or minutes[-1]) + 1

    async def _listed(
        self, minutes: Sequence[int], queues: Sequence[str], recorded: Set[str], seen: Set[tuple[str, int]]
    ) -> list[Minute]:
        """What BullMQ's lists say of what nobody records and nobody saw; where no worker is connected, nothing."""
        others = [q for q in queues if q not in recorded and any((q, m) not in seen for m in minutes)]
        listening = await reads.worker_clients(self.sides.connection) if others else {}
        others = [queue for queue in others if listening is None or listening.get(queue)]
        on, prefix = self.sides.on, self.sides.prefix
        told = await native_counts(on, prefix, others, minutes, self._now(minutes) + 1)
        return [
            Minute(queue, minute, LISTS, whole=Ended(count.completed, count.failed))
            for queue, counts in told.items()
            for minute, count in counts.items()
            if (queue, minute) not in seen
        ]

    async def _with_backlog(self, found: list[Minute], minute: int, queues: Sequence[str]) -> list[Minute]:
        """As it is now, some seconds after the minute's end."""
        by_queue = {one.queue: one for one in found if one.minute == minute}
        now_ms = await self.sides.on.call(time_command())
        for start in range(0, len(queues), CHUNK):
            for facts in await reads.queue_facts(self.sides.connection, queues[start : start + CHUNK]):
                if facts.broken:
                    continue
                counts, oldest = facts.counts, facts.oldest_waiting_ms
                told = Backlog(
                    waiting=counts.get("waiting", 0) + counts.get("prioritized", 0),
                    delayed=counts.get("delayed", 0),
                    oldest_ms=max(0, now_ms - oldest) if oldest else None,
                )
                by_queue.setdefault(facts.name, Minute(facts.name, minute)).backlog = told
        return [one for one in found if one.minute != minute] + list(by_queue.values())


def _count(ended: Ended) -> Count:
    return Count(ended.completed, ended.failed, ended.retried)


def _parts(found: Sequence[Minute]) -> Iterator[list[Minute]]:
    """The same, cut for the commits; at least one, for the cursor."""
    part: list[Minute] = []
    size = 0
    for one in found:
        if part and size + len(one.names) >= MOST_ROWS:
            yield part
            part, size = [], 0
        part.append(one)
        size += 1 + len(one.names)
    yield part
