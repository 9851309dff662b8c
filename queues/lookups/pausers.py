"""Who paused which queue, for what is shown to all: asked only where a paused queue's pauser is not known yet."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from django.db import Error as DatabaseFailure

from queues.lookups.audit import paused_by

#: A queue that was paused elsewhere has no entry here: it is looked for no more often than this.
AGAIN_S = 5.0
#: Figures do not wait longer for a name.
ANSWER_WITHIN_S = 0.3


@dataclass(frozen=True, slots=True)
class Pauser:
    name: str
    at_ms: int


class Pausers:
    """`known`: queue → who paused it and when, of the queues that `look` was told are paused."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self.known: dict[str, Pauser] = {}
        self._sought: dict[str, float] = {}

    async def look(self, paused: frozenset[str], running: frozenset[str]) -> None:
        """Learn of these; never raises, and asks nothing where nothing new is paused."""
        for name in running:
            self.known.pop(name, None)
            self._sought.pop(name, None)
        now = time.monotonic()
        asked = [n for n in paused if n not in self.known and now - self._sought.get(n, -AGAIN_S) >= AGAIN_S]
        # Its entry is closed a moment after the queue is seen to be paused: a new one is looked for again at once.
        self._sought |= {name: now if name in self._sought else now - AGAIN_S + 1 for name in asked}
        if asked:
            await self._ask(asked)

    async def _ask(self, names: list[str]) -> None:
        try:
            async with asyncio.timeout(ANSWER_WITHIN_S):
                found = await paused_by(self.connection, names)
        except (DatabaseFailure, TimeoutError):
            return
        self.known |= {name: Pauser(e.actor, int(e.at.timestamp() * 1000)) for name, e in found.items()}
