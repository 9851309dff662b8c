"""What the Redis page says: the server as it tells of itself, and what each queue costs; read once for all who look."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

from queues.errors import RedisRefused
from queues.models import Queue
from queues.protocol.connections import prefix
from queues.protocol.reads.about import About, SlowCommand, Weight, about, weights

__all__ = ["About", "SlowCommand", "Weighed", "Weight", "server", "weighed"]
EVERY_S, WEIGHED_EVERY_S = 3.0, 60.0
#: So many queues are weighed, those with the most jobs.
MOST_WEIGHED = 50


@dataclass(frozen=True, slots=True)
class Weighed:
    """The heaviest first. `left_out` queues have fewer jobs and were not looked at; `forbidden`: MEMORY is."""

    weights: tuple[Weight, ...] = ()
    left_out: int = 0
    at_s: float = 0.0
    forbidden: bool = False

    @property
    def sampled(self) -> int:
        return sum(weight.weighed for weight in self.weights)


_kept: WeakKeyDictionary[asyncio.AbstractEventLoop, dict[Any, tuple[float, asyncio.Task[Any]]]] = WeakKeyDictionary()


async def server(connection: str) -> About:
    """No older than three seconds, asked once however many look. Raises RedisUnavailable."""
    found: About = await _shared(("about", connection, prefix(connection)), EVERY_S, lambda: about(connection))
    return found


async def weighed(connection: str, queues: Sequence[Queue]) -> Weighed:
    """What these queues cost, by samples: no older than a minute."""
    chosen = sorted(queues, key=lambda queue: (-queue.total, queue.name))[:MOST_WEIGHED]
    names = tuple(queue.name for queue in chosen)
    left_out = len(queues) - len(chosen)

    async def read() -> Weighed:
        try:
            found = await weights(connection, {queue.name: queue.counts for queue in chosen})
        except RedisRefused:
            return Weighed(forbidden=True)
        ordered = sorted(found, key=lambda weight: (-weight.total, weight.queue))
        return Weighed(tuple(ordered), left_out, time.time())

    key = ("weights", connection, prefix(connection), frozenset(names))
    found: Weighed = await _shared(key, WEIGHED_EVERY_S, read)
    return found


async def _shared(key: Any, every_s: float, read: Callable[[], Awaitable[Any]]) -> Any:
    """The last answer while it is young, or the one under way; a failed one is not kept."""
    kept = _kept.setdefault(asyncio.get_running_loop(), {})
    now = time.monotonic()
    for old in [each for each, (at, task) in kept.items() if now - at > WEIGHED_EVERY_S and task.done()]:
        del kept[old]
    at, task = kept.get(key, (now - every_s, None))
    if task is None or now - at >= every_s or (task.done() and (task.cancelled() or task.exception())):
        task = asyncio.ensure_future(_as_coroutine(read))
        kept[key] = (now, task)
    return await asyncio.shield(task)


async def _as_coroutine(read: Callable[[], Awaitable[Any]]) -> Any:
    return await read()
