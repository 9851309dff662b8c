"""What schedulers give their jobs, of many at once; and whether a run of theirs is still there."""

from __future__ import annotations

from collections.abc import Sequence

from queues.protocol import codec
from queues.protocol.commands import command
from queues.protocol.connections import keys
from queues.protocol.reads.schedulers import SchedulerSight, _all


async def templates(connection: str, sights: Sequence[SchedulerSight], largest: int) -> list[tuple[str, str]]:
    """Of each its jobs' data and options as they are stored; empty where there are none or they are larger."""
    asked = []
    for one in sights:
        key = keys(connection, one.queue)("repeat:") + codec.raw(one.schedule.id)
        fits = {"data": one.data_size <= largest, "opts": one.opts_size <= largest}
        # A field that is not there stands for one that is not wanted: the replies keep their places.
        asked.append(command("HMGET", key, *(name if fit else "" for name, fit in fits.items())))
    found = await _all(connection, asked)
    return [
        (codec.text(row[0] or b""), codec.text(row[1] or b"")) if isinstance(row, list) else ("", "") for row in found
    ]


async def there(connection: str, jobs: Sequence[tuple[str, str]]) -> list[bool]:
    """Of each (queue, job id)."""
    replies = await _all(connection, [command("EXISTS", keys(connection, queue).job(i)) for queue, i in jobs])
    return [reply == 1 for reply in replies]
