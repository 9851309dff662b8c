"""BullMQ's own lists of what ended by the minute, which its workers write where they are told to (PROTOCOL.md §1)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queues.errors import TorilError
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import Keys
from queues.protocol.samples import Count
from queues.protocol.wire import Wire

_FIELDS = ("prevTS", "count", "prevCount")


@dataclass(frozen=True, slots=True)
class _List:
    """`points` are of the minutes before `minute`, newest first; in that one `here` ended, and in none since."""

    minute: int
    here: int
    points: Sequence[int]

    def at(self, minute: int) -> int | None:
        if minute >= self.minute:
            return self.here if minute == self.minute else 0
        back = self.minute - 1 - minute
        return self.points[back] if back < len(self.points) else None


async def native_counts(
    on: Wire, prefix: str, queues: Sequence[str], minutes: Sequence[int], now: int
) -> dict[str, dict[int, Count]]:
    """By queue and minute, one round trip; `now` is the minute under way. A queue whose workers write no lists is not
    in it, nor a minute before them.

    The lists cannot tell a minute in which nothing ended from one without a worker: both are nought. Of minutes after
    the last job they say nothing at all; those are nought here.
    """
    if not queues or not minutes:
        return {}
    asked = [c for queue in queues for c in _commands(Keys(prefix, queue), now - minutes[0])]
    replies = await on.run(asked, return_errors=True)
    found = {}
    for at, queue in enumerate(queues):
        completed, failed = (_list(*replies[at * 4 + half : at * 4 + half + 2]) for half in (0, 2))
        counted = {m: count for m in minutes if (count := _count(completed, failed, m)) is not None}
        if counted:
            found[queue] = counted
    return found


def _commands(k: Keys, most: int) -> list[Command[Any]]:
    asked: list[Command[Any]] = []
    for kind in ("completed", "failed"):
        asked.append(command("HMGET", k(f"metrics:{kind}"), *_FIELDS))
        asked.append(command("LRANGE", k(f"metrics:{kind}:data"), 0, most))
    return asked


def _list(meta: Any, data: Any) -> _List | None:
    if isinstance(meta, TorilError) or isinstance(data, TorilError) or not meta or not meta[0]:
        return None
    last_ms, count, before = (_whole(value) for value in meta)
    return _List(last_ms // 60_000, max(0, count - before), [_whole(value) for value in data])


def _count(completed: _List | None, failed: _List | None, minute: int) -> Count | None:
    """One of the lists begins later where the first job of its kind ended later: before that, none did."""
    told = [one.at(minute) if one is not None else None for one in (completed, failed)]
    return None if told == [None, None] else Count(*(number or 0 for number in told))


def _whole(value: bytes | None) -> int:
    return codec.integer("", value)[0] if value else 0


@dataclass(frozen=True, slots=True)
class NativeList:
    """As stored: `points` newest first, of the minutes before that of `last_ms`. All nought where there is none."""

    count: int
    last_ms: int
    before: int
    points: list[int]


#: BullMQ keeps two weeks of minutes at most, where its workers are told to.
MOST_POINTS = 20_160


async def native_lists(connection: str, queue: str) -> tuple[NativeList, NativeList]:
    """Completed and failed, in one round trip."""
    asked = _commands(keys(connection, queue), MOST_POINTS - 1)
    replies = await wire(connection).run(asked, return_errors=True)
    return _native(*replies[:2]), _native(*replies[2:])


def _native(meta: Any, data: Any) -> NativeList:
    told = meta if isinstance(meta, list) else [None] * 3
    last_ms, count, before = (_whole(value) for value in told)
    return NativeList(count, last_ms, before, [_whole(value) for value in data] if isinstance(data, list) else [])
