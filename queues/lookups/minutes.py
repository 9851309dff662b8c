"""The minutes that the tables do not have yet, read from what workers recorded in Redis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from queues.errors import TorilError
from queues.protocol.commands import Command
from queues.protocol.connections import prefix, wire
from queues.protocol.fleet import time_command
from queues.protocol.keys import SampleKeys
from queues.protocol.native import native_counts
from queues.protocol.samples import KEPT_S, Count, Ended, figures_command, minute_command, names_command

CHUNK = 500


@dataclass(slots=True)
class Minute:
    """One queue in one minute. Without names: only how its jobs ended was asked for, or is known."""

    queue: str
    minute: int
    whole: Ended
    names: dict[str, Ended] = field(default_factory=dict)
    has_names: bool = False
    is_listed: bool = False


async def newest(connection: str, since: int, queue: str | None = None) -> list[Minute]:
    """The minutes from `since` on that are over, as far as Redis keeps them; of one queue with its job names.

    Nothing while Redis is away.
    """
    try:
        now = await wire(connection).call(time_command()) // 60_000
        wanted = list(range(max(since, now - KEPT_S // 60), now))
        if not wanted:
            return []
        return await (_wholes(connection, wanted) if queue is None else _of_queue(connection, wanted, queue, now))
    except TorilError:
        return []


async def _wholes(connection: str, wanted: Sequence[int]) -> list[Minute]:
    on = SampleKeys(prefix(connection))
    counted = await _run(connection, [minute_command(on, minute) for minute in wanted], {})
    return [
        Minute(queue, minute, _ended(count))
        for minute, counts in zip(wanted, counted, strict=True)
        for queue, count in counts.items()
    ]


async def _of_queue(connection: str, wanted: Sequence[int], queue: str, now: int) -> list[Minute]:
    on = SampleKeys(prefix(connection))
    recorded = [one for one in await _wholes(connection, wanted) if one.queue == queue]
    if not recorded:
        told = await native_counts(wire(connection), prefix(connection), [queue], wanted, now)
        return [Minute(queue, m, _ended(count), is_listed=True) for m, count in told.get(queue, {}).items()]
    stirred = [one for one in recorded if not one.whole.is_empty]
    (names,) = await _run(connection, [names_command(on, queue)], [])
    places = [(one, name) for one in stirred for name in names]
    asked = [figures_command(on, one.minute, queue, name) for one, name in places]
    for (one, name), ended in zip(places, await _run(connection, asked, Ended()), strict=True):
        if not ended.is_empty:
            one.names[name] = ended
    for one in recorded:
        one.has_names = True
        for ended in one.names.values():
            one.whole.add(Ended(run=ended.run, wait=ended.wait))
    return recorded


def _ended(count: Count) -> Ended:
    return Ended(count.completed, count.failed, count.retried)


async def _run(connection: str, commands: Sequence[Command[Any]], nothing: Any) -> list[Any]:
    """`nothing` stands for what Redis refuses."""
    found: list[Any] = []
    for start in range(0, len(commands), CHUNK):
        found += await wire(connection).run(commands[start : start + CHUNK], return_errors=True)
    return [nothing if isinstance(one, TorilError) else one for one in found]
