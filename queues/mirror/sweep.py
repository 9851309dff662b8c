"""What no event tells: a queue's own figures, its disappearance, gaps, jobs that retention took, counts that differ."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from datetime import datetime

from django.utils import timezone

from queues.mirror.followed import Followed
from queues.mirror.policy import intake
from queues.mirror.reconcile import retire
from queues.mirror.sides import CHUNK, Sides
from queues.protocol import reads
from queues.protocol.codec import QueueFacts
from queues.protocol.events import changed
from queues.protocol.reads.pulses import FINISHED, Pulse, pulses
from queues.states import State

log = logging.getLogger(__name__)

#: Queues per round trip.
TOGETHER = 200
#: Chunks of finished jobs closed per sweep and state; the rest waits for the next.
RETIRE_CHUNKS = 20


class Sweep:
    """Duties: 1. read figures and pulses, 2. mark what is gone, broken or missed, 3. close what retention took,
    4. write the figures, 5. where a queue is quiet, compare its counts with the rows.
    """

    def __init__(self, sides: Sides) -> None:
        self.sides = sides
        self.swept_at = 0.0

    async def run(self, queues: Sequence[Followed]) -> None:
        began = time.monotonic()
        for start in range(0, len(queues), TOGETHER):
            await self._some(queues[start : start + TOGETHER])
        self.swept_at = began

    async def _some(self, queues: Sequence[Followed]) -> None:
        names, taken_at = [queue.name for queue in queues], timezone.now()
        facts = {fact.name: fact for fact in await reads.queue_facts(self.sides.connection, names)}
        found = await pulses(self.sides.on, self.sides.prefix, names)
        for queue in queues:
            await self._judge(queue, found[queue.name])
        standing = [queue for queue in queues if not queue.is_gone]
        stirred = [q for q in standing if facts[q.name] != q.facts or q.heard_at > self.swept_at]
        for queue in stirred:
            await self._retire(queue, found[queue.name])
        quiet = await self._quiet(standing)
        await self._save(standing, facts, quiet, taken_at)
        for queue in stirred:
            queue.facts = facts[queue.name]
            if queue.name in quiet and not queue.is_in_doubt:
                await self._count(queue, facts[queue.name])

    async def _judge(self, queue: Followed, pulse: Pulse) -> None:
        queue.is_broken = pulse.is_broken
        if not pulse.exists:
            if not queue.is_gone:
                log.info("queue %s is gone from Redis", queue.name)
            queue.is_gone = True
            return
        if why := queue.missed(pulse):
            await self.sides.lose(queue, pulse, why)

    async def _retire(self, queue: Followed, pulse: Pulse) -> None:
        for state in FINISHED:
            for _ in range(RETIRE_CHUNKS):
                if await retire(self.sides, queue.name, state, pulse.oldest[state]) < CHUNK:
                    break

    async def _quiet(self, queues: Sequence[Followed]) -> set[str]:
        """Those whose figures hold still: all their events are in the rows."""
        readable = {queue.name: queue.cursor for queue in queues if not queue.is_broken}
        stirring = await changed(self.sides.on, self.sides.prefix, readable)
        return {queue.name for queue in queues} - stirring

    async def _save(
        self, queues: Sequence[Followed], facts: dict[str, QueueFacts], quiet: set[str], taken_at: datetime
    ) -> None:
        in_step = {q.name: taken_at for q in queues if q.name in quiet and q.is_settled and not q.is_in_doubt}
        if queues:
            await self.sides.ask(self.sides.store.save_facts, [facts[q.name] for q in queues], in_step)

    async def _count(self, queue: Followed, facts: QueueFacts) -> None:
        rows = await self.sides.ask(self.sides.store.live_counts, queue.name)
        wrong: dict[State, tuple[int, int]] = {}
        for state in intake(queue.name).whole_states:
            both = (facts.counts.get(state.value, 0), rows.get(state, 0))
            if both[0] != both[1]:
                wrong[state] = both
        if wrong and wrong != queue.mended:
            told = ", ".join(
                f"{state.value} {there} in Redis, {here} in rows" for state, (there, here) in wrong.items()
            )
            log.info("queue %s: counts differ (%s); these sets are read", queue.name, told)
            queue.wanted = frozenset(wrong)
        queue.mended = wrong
