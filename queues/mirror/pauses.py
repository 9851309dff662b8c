"""How long to wait between attempts while Redis or the database is away, and how seldom to speak of it."""

from __future__ import annotations

import asyncio
import logging
import time

from queues.errors import RedisRefused, RedisUnavailable, TorilError
from queues.mirror.thread import DatabaseUnavailable

log = logging.getLogger(__name__)

#: How long to wait after a failure: doubling up to the longest.
FIRST_WAIT_S = 0.25
LONGEST_WAIT_S = 5.0
#: An outage is said once, then this often.
REMIND_EVERY_S = 60.0

#: What passes by itself. RedisRefused too: a server that is starting, or whose memory is full, refuses many things.
PASSING = (RedisUnavailable, RedisRefused, DatabaseUnavailable)


class Pauses:
    """Waits between attempts, and says little."""

    def __init__(self, of: str) -> None:
        self.of = of
        self._since: float | None = None
        self._said_at = 0.0
        self._wait_s = FIRST_WAIT_S

    async def wait(self, error: TorilError) -> None:
        now = time.monotonic()
        if self._since is None or now - self._said_at >= REMIND_EVERY_S:
            self._since, self._said_at = self._since or now, now
            log.warning("%s: %s Waiting.", self.of, error)
        await asyncio.sleep(self._wait_s)
        self._wait_s = min(self._wait_s * 2, LONGEST_WAIT_S)

    def is_over(self) -> None:
        if self._since is not None:
            log.info("%s: it goes on after %.1f s", self.of, time.monotonic() - self._since)
        self._since, self._wait_s = None, FIRST_WAIT_S
