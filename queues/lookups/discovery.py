"""The names of all queues, found by walking Redis's keyspace: seldom, in the background, never while a page waits."""

from __future__ import annotations

import asyncio
import contextlib
import time

from django.utils.translation import gettext as _

from queues.errors import RedisUnavailable, TorilError
from queues.protocol import reads

#: Between two walks lie at least this, and 25 times what the last one took: 1M keys are walked every 18 s.
REST_S, REST_FACTOR, LONGEST_REST_S = 2.0, 25, 60.0
#: A small keyspace is walked while the look waits, so that a queue made a moment ago is there.
BRIEF_S = 0.03
#: Nobody has looked for so long that a queue may have come or gone: the next look waits for a walk, so long at most.
TOO_OLD_S, FIRST_S = 30.0, 1.0
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
        #: By the walk that goes on.
        self._found: set[str] = set()

    async def look(self) -> frozenset[str]:
        """The names; waits but briefly, unless none are known or they are far too old. Raises what SCAN raised then.

        While the first walk through millions of keys lasts, those that it has come by; before that, RedisUnavailable.
        """
        age_s = time.monotonic() - self._walked_at
        rest_s = min(LONGEST_REST_S, max(REST_S, REST_FACTOR * self._took_s))
        if age_s >= rest_s and self._walking is None:
            self._walking = asyncio.create_task(self._walk(), name=f"queue names of {self.connection}")
        if self._walking is not None:
            is_far_too_old = age_s >= rest_s + TOO_OLD_S
            # A walk that took long the last time will not be brief now.
            brief_s = BRIEF_S if self._took_s < BRIEF_S else 0.0
            await asyncio.wait({self._walking}, timeout=FIRST_S if is_far_too_old else brief_s)
            if is_far_too_old and self._error is not None:
                raise type(self._error)(str(self._error))
        return self.names or self._so_far()

    def _so_far(self) -> frozenset[str]:
        if self._walking is not None and not self._found and self._walked_at == NEVER:
            raise RedisUnavailable(_("Redis’s keys are still being walked for queues: look again in a moment."))
        return frozenset(self._found)

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
        began, self._found = time.monotonic(), set()
        try:
            self.names = frozenset(await reads.queue_names(self.connection, self._found))
        except TorilError as error:
            self._error = error
        else:
            self._error, self._walked_at = None, time.monotonic()
            self._took_s = self._walked_at - began
        finally:
            self._walking = None
