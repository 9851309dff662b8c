"""Guards the paused schedulers: what a program registers again is taken out again, what has its time is resumed.

It costs a query of one small table each second, and one round trip of Redis where anything is paused.
"""

from __future__ import annotations

import asyncio
import logging
import time

from asgiref.sync import sync_to_async
from django.db import DatabaseError, connections

from queues.actions.guarding import forget_removed, guard
from queues.errors import TorilError
from queues.mirror.thread import DatabaseUnavailable

log = logging.getLogger(__name__)

#: What was registered again is gone within a few seconds, and a job of it at most gets away.
EVERY_S = 1.0
FORGET_EVERY_S = 600.0


class SchedulerGuard:
    """`turn` again and again. Each action is recorded, as a person's is."""

    def __init__(self, connection: str) -> None:
        self.connection = connection
        self._forget_at = 0.0

    async def turn(self) -> int:
        """How many were taken out. Raises TorilError: DatabaseUnavailable too, which passes."""
        try:
            if time.monotonic() >= self._forget_at:
                await forget_removed()
                self._forget_at = time.monotonic() + FORGET_EVERY_S
            taken = await guard(self.connection)
        except DatabaseError as error:
            await close_database()
            raise DatabaseUnavailable(f"The database does not answer: {error}.") from error
        if taken:
            log.info("connection %s: %d paused schedulers were registered again and taken out", self.connection, taken)
        return taken

    async def run(self) -> None:
        """Until cancelled; says once that it could not, and goes on."""
        is_failing = False
        while True:
            try:
                await self.turn()
                is_failing = False
            except TorilError as error:
                if not is_failing:
                    log.warning("connection %s: paused schedulers are not guarded: %s", self.connection, error)
                is_failing = True
            await asyncio.sleep(EVERY_S)


async def close_database() -> None:
    """The connection that the ORM's own thread holds."""
    await sync_to_async(connections.close_all)()
