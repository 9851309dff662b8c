"""Named side tasks that are watched: when one dies, its owner hears of it and stops rather than limps."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any


class Duties:
    def __init__(self, on_death: Callable[[str], None]) -> None:
        self._on_death = on_death
        self._tasks: list[asyncio.Task[None]] = []
        self._is_stopping = False

    def start(self, name: str, duty: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(duty, name=name)
        task.add_done_callback(self._ended)
        self._tasks.append(task)

    async def stop(self) -> None:
        """Cancel what still runs and wait for its end. Callable twice."""
        self._is_stopping = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    def _ended(self, task: asyncio.Task[None]) -> None:
        error = None if task.cancelled() else task.exception()
        if self._is_stopping:
            return
        why = f"{type(error).__name__}: {error}" if error else "it was cancelled" if task.cancelled() else "it ended"
        self._on_death(f"“{task.get_name()}” died: {why}")
