"""BullMQ's own lists of what ended by the minute, as they are stored; our workers' minutes in their shape where a queue
has none.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

from queues.lookups.metrics import pulses
from queues.models.local import is_in_process
from queues.protocol.native import NativeList, native_lists

Kind = Literal["completed", "failed"]


@dataclass(frozen=True, slots=True)
class Minutes:
    """`points` are of the minutes before that of `last_ms`, newest first; `count` is how many ended in all, `before`
    how many until that minute.
    """

    count: int = 0
    last_ms: int = 0
    before: int = 0
    points: tuple[int, ...] = ()


async def minutes_of(connection: str, queue: str) -> dict[Kind, Minutes]:
    """Completed and failed. Raises RedisUnavailable."""
    if is_in_process():
        return {"completed": Minutes(), "failed": Minutes()}
    completed, failed = await native_lists(connection, queue)
    if completed.count or failed.count:
        return {"completed": _listed(completed), "failed": _listed(failed)}
    pulse = (await pulses(connection)).get(queue)
    if pulse is None:
        return {"completed": Minutes(), "failed": Minutes()}
    return {"completed": _recorded(pulse.completed), "failed": _recorded(pulse.failed)}


def _listed(found: NativeList) -> Minutes:
    return Minutes(found.count, found.last_ms, found.before, tuple(found.points))


def _recorded(minutes: tuple[int | None, ...]) -> Minutes:
    points = tuple(number or 0 for number in reversed(minutes))
    total = sum(points)
    return Minutes(total, int(time.time() // 60) * 60_000, total, points)
