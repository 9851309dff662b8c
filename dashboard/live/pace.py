"""Long work on the loop that leaves others their turns, however many listeners there are to be weighed."""

from __future__ import annotations

import asyncio
import time

#: So long at a stretch, and then a rest as long.
STRETCH_S = 0.02


class Pace:
    """`await breathe()` between pieces of work: mostly it returns at once."""

    def __init__(self) -> None:
        self._began = time.thread_time()

    async def breathe(self) -> None:
        if time.thread_time() - self._began >= STRETCH_S:
            await asyncio.sleep(STRETCH_S)
            self._began = time.thread_time()
