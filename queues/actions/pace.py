"""How many jobs one chunk of bulk work may take, so that Redis is never held up and workers come first."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

#: What one chunk may cost Redis.
TARGET_S = 0.003
BEGIN, MOST = 250, 1000
#: Fewer would cost more in the going to and fro than in the work; these take Redis less than a millisecond.
LEAST = 50
#: After a chunk Redis is left alone for as long as the chunk took, but no longer than this.
LONGEST_REST_S = 0.05


class Pace:
    """`size` follows what chunks cost. `latency_s` is what a round trip takes that asks nothing of Redis."""

    def __init__(self, latency_s: float = 0.0, begin: int = BEGIN, least: int = LEAST) -> None:
        self.latency_s, self.size, self.least, self._took_s = latency_s, begin, least, TARGET_S

    @contextmanager
    def chunk(self, places: int, trips: int) -> Iterator[None]:
        """Measures the work inside, which looks at so many places in so many round trips."""
        # Our own packing and parsing costs Redis nothing: only the time not spent computing here counts.
        began, computing = time.perf_counter(), time.thread_time()
        yield
        waited = time.perf_counter() - began - (time.thread_time() - computing)
        self.learn(places, max(0.0, waited - trips * self.latency_s))

    def learn(self, places: int, took_s: float) -> None:
        # The shorter of two: one long wait says more of a busy machine than of the chunk.
        self._took_s, took_s = took_s, min(took_s, self._took_s)
        if took_s > TARGET_S:
            self.size = max(self.least, int(self.size * max(0.5, TARGET_S / took_s)))
        elif took_s < TARGET_S / 2 and places >= self.size:
            self.size = min(MOST, self.size * 3 // 2)

    async def rest(self) -> None:
        await asyncio.sleep(min(self._took_s, LONGEST_REST_S))
