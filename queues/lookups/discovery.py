"""The names of all queues, found by walking Redis's keyspace: seldom, in the background, never while a page waits."""

from __future__ import annotations

import asyncio
import contextlib
import time

from queues.errors import TorilError
from queues.protocol import reads

#: Between two walks lie at least this, and 25 times what the last one took: 1M keys are walked every 18 s.
REST_S, REST_FACTOR, LONGEST_REST_S = 2.0, 25, 60.0
#: A small keyspace is walked while the look waits, so that a queue made a moment ago is there.
BRIEF_S = 0.03
#: Nobody has looked for so long that a queue may have come or gone: the next look waits for a walk.
TOO_OLD_S = 30.0
NEVER = float("-inf")


class Discovery:
    """The names last found. A new queue shows after the next walk, which any look may set off."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self.names: frozenset[str] = frozenset()
        self._walked_at = NEVER
        self._took_s = 0.0
        self._error: TorilError | None = None
        self._walking: asyncio.Task[None] | None = None

    async def look(self) -> frozenset[str]:
        """The names; waits but briefly, unless none are known or they are far too old. Raises what SCAN raised then."""
        age_s = time.monotonic() - self._walked_at
        rest_s = min(LONGEST_REST_S, max(REST_S, REST_FACTOR * self._took_s))
        if age_s >= rest_s and self._walking is None:
            self._walking = asyncio.create_task(self._walk(), name=f"queue names of {self.connection}")
        if self._walking is not None:
            is_far_too_old = age_s >= rest_s + TOO_OLD_S
            # A walk that took long the last time will not be brief now.
            brief_s = BRIEF_S if self._took_s < BRIEF_S else 0.0
            await asyncio.wait({self._walking}, timeout=None if is_far_too_old else brief_s)
            if is_far_too_old and self._error is not None:
                raise type(self._error)(str(self._error))
        return self.names

    def add(self, names: frozenset[str]) -> None:
        self.names |= names

    def drop(self, names: frozenset[str]) -> None:
        self.names -= names

    async def stop(self) -> None:
        if self._walking is not None:
            self._walking.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._walking

    async def _walk(self) -> None:
        began = time.monotonic()
        try:
            self.names = frozenset(await reads.queue_names(self.connection))
        except TorilError as error:
            self._error = error
        else:
            self._error, self._walked_at = None, time.monotonic()
            self._took_s = self._walked_at - began
        finally:
            self._walking = None
