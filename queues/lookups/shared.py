"""What all who look share: a reading under way is joined, and the last one serves while it is young.

Readings belong to one event loop, as the wire does.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, TypeVar
from weakref import WeakKeyDictionary

Found = TypeVar("Found")
#: What nobody asked for so long is let go.
KEPT_S = 120.0

_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Hashable, tuple[float, asyncio.Task[Any]]]] = (
    WeakKeyDictionary()
)


async def shared(
    key: tuple[str, *tuple[Hashable, ...]], max_age_s: float, read: Callable[[], Coroutine[Any, Any, Found]]
) -> Found:
    """What `read` brings: begun less than `max_age_s` ago, or under way already for somebody else.

    A reading belongs to all who ask under its key: it goes on when one of them is cancelled. One that failed raises
    for all who waited, and is not kept. The key begins with a noun; the rest of it is shown nowhere.
    """
    kept = _kept.setdefault(asyncio.get_running_loop(), {})
    now = time.monotonic()
    began, task = kept.get(key, (now, None))
    if task is None or (task.done() and (now - began >= max_age_s or task.cancelled() or task.exception())):
        for old in [each for each, (at, done) in kept.items() if now - at > KEPT_S and done.done()]:
            del kept[old]
        task = asyncio.create_task(read(), name=f"reading of {key[0]}")
        # Retrieved even where everyone who asked has gone, or asyncio would complain.
        task.add_done_callback(lambda ended: ended.cancelled() or ended.exception())
        kept[key] = (now, task)
    found: Found = await asyncio.shield(task)
    return found
