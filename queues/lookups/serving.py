"""Who serves a queue, as far as it shows: Toril's processes by their heartbeats, others by CLIENT LIST. Shared by all
who ask within a few seconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from queues.errors import RedisRefused
from queues.options import ConnectionOptions, get_options
from queues.protocol import fleet, reads
from queues.protocol.fleet import SILENT_AFTER_S, Beat, Share, shown_name

#: CLIENT LIST costs what all clients of the server together cost.
EVERY_S = 3.0


@dataclass(frozen=True, slots=True)
class Serving:
    """Of one queue. `running`: the parts of processes that take jobs; `resting`: how many are quiet or stop;
    `silent_s`: how long ago the last of those was heard that are not heard any more; `others`: workers that are not
    Toril's, None where Redis forbids to look.
    """

    running: tuple[Share, ...] = ()
    resting: int = 0
    silent_s: float | None = None
    others: int | None = 0

    @property
    def slots(self) -> int:
        return sum(share.slots for share in self.running)

    @property
    def used(self) -> int:
        return sum(share.used for share in self.running)

    @property
    def are_all_busy(self) -> bool:
        """Whether no slot is free; of workers that are not Toril's nobody knows."""
        return self.others == 0 and 0 < self.slots <= self.used

    def lacks(self, job_name: str | None) -> bool:
        """Whether every worker is known, and none has a processor for jobs of this name."""
        if job_name is None or self.others != 0 or not self.running:
            return False
        return all(share.names and job_name not in share.names for share in self.running)


@dataclass(frozen=True, slots=True)
class _Seen:
    at: float
    now_ms: int
    beats: tuple[Beat, ...]
    listeners: tuple[reads.Listener, ...] | None


async def serving(connection: str, queue: str) -> Serving:
    """Raises RedisUnavailable."""
    seen = await _seen(connection)
    parts = [(beat, share) for beat in seen.beats for share in beat.queues if share.queue == queue]
    heard = [(beat, share) for beat, share in parts if _age_s(seen, beat) <= SILENT_AFTER_S]
    silent = [_age_s(seen, beat) for beat, _ in parts if _age_s(seen, beat) > SILENT_AFTER_S]
    return Serving(
        running=tuple(share for beat, share in heard if beat.state == "running"),
        resting=sum(beat.state != "running" for beat, _ in heard),
        silent_s=min(silent, default=None),
        others=_others(seen, queue, (beat for beat, _ in parts)),
    )


def _age_s(seen: _Seen, beat: Beat) -> float:
    return max(0, seen.now_ms - beat.beat_ms) / 1000


def _others(seen: _Seen, queue: str, own: Iterable[Beat]) -> int | None:
    if seen.listeners is None:
        return None
    names = {shown_name(beat.name) for beat in own}
    return sum(one.queue == queue and one.name not in names for one in seen.listeners)


_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[ConnectionOptions, tuple[asyncio.Lock, list[_Seen]]]] = (
    WeakKeyDictionary()
)


async def _seen(connection: str) -> _Seen:
    """The last reading, or a new one; who comes meanwhile waits for it."""
    of_loop = _kept.setdefault(asyncio.get_running_loop(), {})
    lock, last = of_loop.setdefault(get_options().connection(connection), (asyncio.Lock(), []))
    async with lock:
        if not last or time.monotonic() - last[0].at > EVERY_S:
            last[:] = [await _read(connection)]
        return last[0]


async def _read(connection: str) -> _Seen:
    at = time.monotonic()
    (now_ms, beats), listeners = await asyncio.gather(_beats(connection), reads.worker_listeners(connection))
    return _Seen(at, now_ms, tuple(beats), None if listeners is None else tuple(listeners))


async def _beats(connection: str) -> tuple[int, list[Beat]]:
    try:
        return await fleet.beats(connection)
    except RedisRefused:
        return 0, []
