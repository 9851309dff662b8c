"""Figures by the minute, of queues and of job names. A minute that nobody recorded is None, never nought."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from django.db import DatabaseError

from queues.errors import TorilError
from queues.models import Sample
from queues.models.local import is_in_process
from queues.models.sample import EVENTS, LISTS, MINUTE_S
from queues.protocol.connections import prefix, wire
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.samples import Count, minute_command

MINUTES = 60
#: Figures are asked for no more often than this, whoever calls.
PULSES_EVERY_S = 5.0
#: Minutes that may still change: the one under way and those before it, for deliveries come late.
STIRRING = 3
#: How often the others are read again, for what came later still.
ALL_EVERY_S = 60.0


@dataclass(frozen=True, slots=True)
class Pulse:
    """A queue's last hour, oldest minute first, 60 of each; None where nothing was recorded."""

    completed: tuple[int | None, ...] = (None,) * MINUTES
    failed: tuple[int | None, ...] = (None,) * MINUTES

    @property
    def failure_rate(self) -> float | None:
        """Failed of all that ended within the hour, 0 to 1; None where nothing ended."""
        failed, ended = sum(n or 0 for n in self.failed), sum(n or 0 for n in (*self.completed, *self.failed))
        return failed / ended if ended else None

    @property
    def per_s(self) -> float | None:
        """Jobs that ended per second, over the newest five recorded minutes of ten; None where none was recorded."""
        pairs = zip(self.completed[-10:], self.failed[-10:], strict=True)
        recorded = [(done or 0) + (failed or 0) for done, failed in pairs if done is not None or failed is not None]
        return sum(recorded[-5:]) / (60 * len(recorded[-5:])) if recorded else None


async def pulses(connection: str) -> Mapping[str, Pulse]:
    """By queue, of those that have one; asked for anew at most every few seconds per process, whoever calls.

    The hour ends with the last minute that is over. While Redis does not answer: the last that was known.
    """
    if is_in_process():
        return {}
    return await _source(connection).look()


class _Pulses:
    """Minutes that are over are kept, so that a look asks for few."""

    def __init__(self, connection: str) -> None:
        self._connection = connection
        self._keys = SampleKeys(prefix(connection))
        self._minutes: dict[int, dict[str, Count]] = {}
        #: Of queues that only others work on: what the mirror saw.
        self._seen: dict[int, dict[str, Count]] = {}
        self._known: Mapping[str, Pulse] = {}
        self._looked_at = self._all_at = float("-inf")
        self._reading = asyncio.Lock()

    async def look(self) -> Mapping[str, Pulse]:
        if time.monotonic() - self._looked_at >= PULSES_EVERY_S:
            async with self._reading:
                if time.monotonic() - self._looked_at >= PULSES_EVERY_S:
                    await self._read()
        return self._known

    async def _read(self) -> None:
        self._looked_at = now = time.monotonic()
        is_whole = now - self._all_at >= ALL_EVERY_S
        try:
            minute = await wire(self._connection).call(time_command()) // 60_000
            wanted = [m for m in range(minute - MINUTES, minute) if is_whole or m >= minute - STIRRING]
            asked = [minute_command(self._keys, m) for m in wanted]
            found = await wire(self._connection).run(asked, return_errors=True)
        except TorilError:
            return
        read = {m: counts for m, counts in zip(wanted, found, strict=True) if isinstance(counts, dict)}
        self._minutes = {m: counts for m, counts in (self._minutes | read).items() if m >= minute - MINUTES}
        if is_whole:
            self._all_at, self._seen = now, await _seen_by_the_mirror(self._connection, minute - MINUTES)
        self._known = _pulses(self._seen, minute) | _pulses(self._minutes, minute)


async def _seen_by_the_mirror(connection: str, since: int) -> dict[int, dict[str, Count]]:
    """Nothing where the database does not answer: pages have more to say."""
    rows = Sample.objects.filter(
        series__connection=connection,
        series__name="",
        step_s=MINUTE_S,
        at__gte=since * MINUTE_S,
        source__in=(EVENTS, LISTS),
        recorded=1,
    ).values_list("series__queue", "at", "completed", "failed")
    found: dict[int, dict[str, Count]] = {}
    with contextlib.suppress(DatabaseError):
        async for queue, at, completed, failed in rows:
            found.setdefault(at // MINUTE_S, {})[queue] = Count(completed, failed)
    return found


def _pulses(minutes: Mapping[int, Mapping[str, Count]], minute: int) -> dict[str, Pulse]:
    """Of the hour before `minute`."""
    completed: dict[str, list[int | None]] = {}
    failed: dict[str, list[int | None]] = {}
    for at in range(MINUTES):
        for queue, count in minutes.get(minute - MINUTES + at, {}).items():
            if queue not in completed:
                completed[queue], failed[queue] = [None] * MINUTES, [None] * MINUTES
            completed[queue][at], failed[queue][at] = count.completed, count.failed
    return {queue: Pulse(tuple(completed[queue]), tuple(failed[queue])) for queue in completed}


_sources: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[tuple[str, str], _Pulses]] = WeakKeyDictionary()


def _source(connection: str) -> _Pulses:
    sources = _sources.setdefault(asyncio.get_running_loop(), {})
    # By its prefix too: another configuration is another connection.
    key = connection, prefix(connection)
    if key not in sources:
        sources[key] = _Pulses(connection)
    return sources[key]
