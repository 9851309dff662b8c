"""Event streams read, folded and written, many queues at once.

It must never slow a worker: it holds no more than one bounded batch, and writes a few hundred rows at a time.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from queues.mirror.fold import Fold, fold, slices
from queues.mirror.followed import Followed
from queues.mirror.policy import intake
from queues.mirror.sides import Sides
from queues.mirror.stalls import stalls_of
from queues.mirror.store import MOST_ROWS, Change
from queues.mirror.tally import Tally
from queues.protocol.events import Event, changed, position, read_events, server_now
from queues.protocol.reads.pulses import pulses

#: Events per reading, over all streams; fewer where they are large.
MOST_EVENTS = 2_000
LEAST_EVENTS = 16
MOST_BYTES = 16 * 1024 * 1024
#: A burst becomes one batch.
GATHER_S = 0.1
LONGEST_GATHER_S = 0.5
#: Further behind than this, events are given up and the sets are read instead.
SKIP_AFTER_S = 60.0

Batch = dict[str, list[Event]]


class Ear:
    """Duties: 1. wait for news, 2. read a bounded batch, 3. notice what was missed, 4. fold and write."""

    def __init__(self, sides: Sides) -> None:
        self.sides, self.tally = sides, Tally()
        self.is_behind = False
        self.lag_s = 0.0
        self._count = LEAST_EVENTS
        self._took_s = 0.0

    async def listen(self, followed: dict[str, Followed], wait_s: float) -> None:
        """Take in what is new, waiting up to `wait_s` for it."""
        cursors = {f.name: f.cursor for f in followed.values() if not (f.is_broken or f.is_gone)}
        if not self.is_behind and wait_s > 0 and not await self._wakes(cursors, wait_s):
            self.lag_s = 0.0
            return
        batch: Batch = {}
        for event in await read_events(self.sides.on, self.sides.prefix, cursors, self._count):
            batch.setdefault(event.queue, []).append(event)
        self.is_behind = any(len(events) >= self._count for events in batch.values())
        if batch:
            await self._notice_gaps(followed, batch)
        if batch:
            began = time.monotonic()
            await self._take(followed, batch)
            self._took_s = time.monotonic() - began
            self._adapt(batch)

    async def _wakes(self, cursors: dict[str, str], wait_s: float) -> bool:
        if not cursors:
            await asyncio.sleep(wait_s)
            return False
        if not await changed(self.sides.ear, self.sides.prefix, cursors, max(1, int(wait_s * 1000))):
            return False
        # Under load longer, so that a job is read once where its life is short, and others get their share.
        await asyncio.sleep(min(LONGEST_GATHER_S, max(GATHER_S, self._took_s)))
        return True

    def _adapt(self, batch: Batch) -> None:
        """XREAD counts events, not bytes, and per stream."""
        sizes = [len(value) for events in batch.values() for event in events for value in event.fields.values()]
        size = sum(sizes) / sum(map(len, batch.values()))
        fitting = min(MOST_EVENTS, MOST_BYTES / max(1.0, size)) / len(batch)
        # Twice as many at most: one small batch says little of the next.
        self._count = max(LEAST_EVENTS, min(int(fitting), self._count * 2))

    async def _notice_gaps(self, followed: dict[str, Followed], batch: Batch) -> None:
        # After the reading: what was trimmed before it could be read is then surely seen to be missing.
        found = await pulses(self.sides.on, self.sides.prefix, list(batch))
        now_ms = position(await server_now(self.sides.on))[0]
        lags = {name: max(0.0, now_ms - position(events[-1].id)[0]) / 1000 for name, events in batch.items()}
        self.lag_s = max(lags.values())
        for name, pulse in found.items():
            queue, why = followed[name], followed[name].missed(pulse)
            if self.is_behind and lags[name] > SKIP_AFTER_S:
                why, queue.cursor = f"it is {lags[name]:.0f} s behind", pulse.last
                del batch[name]
            if why:
                await self.sides.lose(queue, pulse, why)

    async def _take(self, followed: dict[str, Followed], batch: Batch) -> None:
        """Write it, as many jobs per commit as one may hold."""
        pending: list[tuple[Fold, Change]] = []
        for name, events in batch.items():
            followed[name].heard_at = time.monotonic()
            for part in slices(events, MOST_ROWS):
                folded = self._fold(name, part)
                change = await self._change(followed[name], folded)
                change.stalls = stalls_of(part)
                self.tally.note(name, part, change.told)
                if sum(len(c.told) for _, c in pending) + len(change.told) > MOST_ROWS:
                    await self._write(followed, pending)
                    pending = []
                pending.append((folded, change))
        await self._write(followed, pending)

    def _fold(self, queue: str, events: Sequence[Event]) -> Fold:
        kept = intake(queue)
        folded = fold(events, kept.limit_bytes)
        for lives in folded.lives.values() if not kept.is_plain else ():
            for life in lives:
                kept.life(life)
        return folded

    async def _change(self, queue: Followed, folded: Fold) -> Change:
        told = await self.sides.look(queue.name, folded.lives)
        reached = datetime.fromtimestamp(folded.last_ms / 1000, UTC) if queue.is_settled else None
        return Change(queue.name, told, queue.stored(folded.cursor), reached)

    async def _write(self, followed: dict[str, Followed], pending: Sequence[tuple[Fold, Change]]) -> None:
        if not pending:
            return
        await self.sides.write([change for _, change in pending])
        for folded, change in pending:
            followed[change.queue].cursor = folded.cursor
