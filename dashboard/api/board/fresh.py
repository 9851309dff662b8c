"""How fresh answers are: who asks the same at the same time shares a reading, and after an action it is begun anew."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine, Hashable
from contextlib import suppress
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

from queues.errors import TorilError
from queues.lookups.snapshot import refresh

Found = TypeVar("Found")
#: So long a page of jobs serves all who look at it; so many pages are held, for each may have megabytes.
MAX_AGE_S, MOST_HELD = 1.0, 32

_changed: Counter[tuple[str, str]] = Counter()
_held: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, asyncio.Task[Any]]] = WeakKeyDictionary()


async def changed(connection: str, *queues: str) -> None:
    """Called after an action. Never raises: what was done is done."""
    for queue in queues:
        _changed[connection, queue] += 1
    with suppress(TorilError):
        await refresh(connection, queues)


async def joined(connection: str, queue: str, key: Hashable, read: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
    """What `read` brings of a queue; or what it brought less than `MAX_AGE_S` ago, where nobody acted on it since."""
    loop = asyncio.get_running_loop()
    held = _held.setdefault(loop, {})
    place = (connection, queue, _changed[connection, queue], key)
    task = held.get(place)
    if task is None:
        task = loop.create_task(read(), name="jobs of a board")
        # Retrieved even where everyone who asked has gone, or asyncio would complain.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        if len(held) < MOST_HELD:
            held[place] = task
            loop.call_later(MAX_AGE_S, held.pop, place, None)
    found: Found = await asyncio.shield(task)
    return found
