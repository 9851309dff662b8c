"""What a queue's workers have counted since they first did: figures that only grow, as Prometheus wants its counters.

Written by the script that records the minutes (`queues.protocol.samples`), so each delivery is in both once. Beside
them stand BullMQ's own counters, which its workers write where they are started with `metrics` (PROTOCOL.md §1).
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

from queues.errors import TorilError
from queues.histogram import Histogram, middle_s
from queues.protocol.commands import Command, command
from queues.protocol.connections import prefix, wire
from queues.protocol.keys import Keys, SampleKeys

#: A queue of which nothing was heard for so long is counted from nought when it comes back.
TOTALS_KEPT_S = 90 * 24 * 3600
#: Each is the end of a bucket of `queues.histogram`, so that folding misplaces nothing.
BOUNDS_MS = (
    *(4, 16, 64, 128, 256, 512, 1_024, 2_048, 4_096, 8_192, 16_384, 32_768, 65_536, 262_144, 1_048_576, 4_194_304),
)
_ABOVE, _SUM = "+", "s"
_ENDED = ("c", "f", "r")
_OF_TIMES = (*map(str, BOUNDS_MS), _ABOVE, _SUM)
#: Asked for by name: whatever others may have put beside them is not read.
FIELDS = (*_ENDED, *(f"{letter}{name}" for letter in "dw" for name in _OF_TIMES))


@dataclass(slots=True)
class Times:
    """How many took at most each of `BOUNDS_MS`, in all, and together (ms, as near as a histogram knows it)."""

    within: tuple[int, ...] = (0,) * len(BOUNDS_MS)
    count: int = 0
    sum_ms: int = 0


@dataclass(slots=True)
class Totals:
    """None: nobody has counted it. `retried` are failed attempts with another to come; `run` of every attempt, `wait`
    of first ones.
    """

    completed: int | None = None
    failed: int | None = None
    retried: int | None = None
    run: Times = field(default_factory=Times)
    wait: Times = field(default_factory=Times)


def folded(letter: str, counted: Histogram) -> dict[str, int]:
    """A histogram as fields of the totals, each with how much to add."""
    fields: dict[str, int] = {}
    sum_ms = 0.0
    for index, count in counted.items():
        took_ms = middle_s(index) * 1000
        place = bisect_left(BOUNDS_MS, took_ms)
        name = f"{letter}{BOUNDS_MS[place] if place < len(BOUNDS_MS) else _ABOVE}"
        fields[name] = fields.get(name, 0) + count
        sum_ms += took_ms * count
    if fields:
        fields[f"{letter}{_SUM}"] = round(sum_ms)
    return fields


async def totals(connection: str, queues: Sequence[str]) -> dict[str, Totals]:
    """Of all these queues, in one round trip. What Redis refuses is not known. Raises RedisUnavailable."""
    if not queues:
        return {}
    ours, on = SampleKeys(prefix(connection)), wire(connection)
    asked: list[Command[Any]] = []
    for queue in queues:
        k = Keys(prefix(connection), queue)
        asked.append(command("HMGET", ours.totals(queue), *FIELDS))
        asked += [command("HGET", k(f"metrics:{kind}"), "count") for kind in ("completed", "failed")]
    replies = [None if isinstance(one, TorilError) else one for one in await on.run(asked, return_errors=True)]
    return {queue: _totals(*replies[at * 3 : at * 3 + 3]) for at, queue in enumerate(queues)}


def _totals(told: Sequence[bytes | None] | None, completed: bytes | None, failed: bytes | None) -> Totals:
    found = Totals()
    if told is not None and any(told):
        counts = [_whole(value) for value in told]
        (completed_here, failed_here, retried), times = counts[: len(_ENDED)], counts[len(_ENDED) :]
        half = len(_OF_TIMES)
        found = Totals(completed_here, failed_here, retried, _times(times[:half]), _times(times[half:]))
    if completed is not None or failed is not None:
        # Toril's workers may write BullMQ's counters too, so they are not added to what is counted of them.
        found.completed = max(found.completed or 0, _whole(completed))
        found.failed = max(found.failed or 0, _whole(failed))
    return found


def _times(told: Sequence[int]) -> Times:
    """As `_OF_TIMES` names them."""
    *counts, above, sum_ms = told
    within = tuple(accumulate(counts))
    return Times(within, within[-1] + above, sum_ms)


def _whole(value: bytes | None) -> int:
    return int(value) if value is not None and value.isdigit() and len(value) < 16 else 0
