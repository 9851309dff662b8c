"""The sync door: every `async def` method of a handle, for code without an event loop."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable
from typing import Any

from queues.errors import TorilError
from queues.producer.carrier import carrier


class SyncDoor:
    """`queue("chat").sync.add(…)` is `await queue("chat").add(…)`, blocking: for views, scripts, threads, on_commit.

    In a thread that runs an event loop it raises, as Django's ORM does.
    """

    __slots__ = ("_handle",)

    def __init__(self, handle: Any) -> None:
        self._handle = handle

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._handle, name)
        if not inspect.iscoroutinefunction(method):
            raise AttributeError(f"{name!r} cannot be done without an event loop.")

        def blocking(*args: Any, **options: Any) -> Any:
            _refuse_in_loop(name)
            return carrier().run_sync(lambda: method(*args, **options))

        return blocking


def _refuse_in_loop(name: str) -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise TorilError(f"sync.{name}() would block this thread's event loop; use `await queue(…).{name}(…)` here.")
