"""Of whom Redis hears that works: Toril's processes by their heartbeats, all others by CLIENT LIST.

One reading for every page that tells of workers; the snapshot counts them by itself, in the round trip of its figures.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from queues.errors import RedisRefused
from queues.lookups.shared import shared
from queues.options import get_options
from queues.protocol import fleet, reads
from queues.protocol.fleet import Beat
from queues.protocol.reads import Listener

#: CLIENT LIST costs what all clients of the server together cost.
EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class Heard:
    """As it was at `now_ms` of Redis's clock. `refusal` says why heartbeats may not be read; `listeners` is None where
    CLIENT LIST is forbidden.
    """

    now_ms: int = 0
    beats: tuple[Beat, ...] = ()
    listeners: tuple[Listener, ...] | None = ()
    refusal: str = ""

    def age_ms(self, beat: Beat) -> int:
        return max(0, self.now_ms - beat.beat_ms)


async def heard(connection: str, max_age_s: float | None = None) -> Heard:
    """No older than `max_age_s` (`EVERY_S` where none is told); asked once for all. Raises RedisUnavailable."""
    key = ("heard", get_options().connection(connection))
    return await shared(key, EVERY_S if max_age_s is None else max_age_s, lambda: _read(connection))


async def _read(connection: str) -> Heard:
    (now_ms, beats, refusal), listeners = await asyncio.gather(_beats(connection), reads.worker_listeners(connection))
    return Heard(now_ms, beats, None if listeners is None else tuple(listeners), refusal)


async def _beats(connection: str) -> tuple[int, tuple[Beat, ...], str]:
    try:
        now_ms, beats = await fleet.beats(connection)
    except RedisRefused as error:
        return 0, (), str(error)
    return now_ms, tuple(beats), ""
