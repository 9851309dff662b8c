"""Many jobs with all their fields at once, but for fields too large: how large each is is asked first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from queues.protocol import codec
from queues.protocol.codec import JobRecord, job_record
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire
from queues.protocol.reads.lists import SMALL

#: May be of any size; the others are numbers.
_OPEN = tuple(
    "data opts failedReason stacktrace returnvalue progress name defa parentKey deid rjk pb toril:runs".split()
)
_CLOSED = tuple(name for name in codec.ALL_FIELDS if name.decode() not in _OPEN)
#: Beyond the budget of an answer a field is read only up to here.
LITTLE = 1024


class Whole(NamedTuple):
    """A job's record without the fields that are `too_large`, whose bytes are told."""

    record: JobRecord
    too_large: dict[str, int]


async def wholes(connection: str, queue: str, job_ids: Sequence[str], largest: int, budget: int) -> list[Whole]:
    """Each field up to `largest` bytes while all together take no more than `budget`, then only little ones.

    Three round trips at most. One whose hash is gone has a record that does not exist.
    """
    on, k = wire(connection), keys(connection, queue)
    weighed = await on.run([command("MEMORY", "USAGE", k.job(i), "SAMPLES", 0) for i in job_ids], return_errors=True)
    # Where MEMORY is forbidden, every job is measured field by field.
    weights = [size if isinstance(size, int) else SMALL + 1 if size is not None else 0 for size in weighed]
    limits = list(_limits(weights, largest, budget))
    measured = [i for i, weight, limit in zip(job_ids, weights, limits, strict=True) if weight > min(SMALL, limit)]
    asked = [command("HSTRLEN", k.job(i), name) for i in measured for name in _OPEN]
    told = zip(*[iter(await on.run(asked, return_errors=True))] * len(_OPEN), strict=True)
    sizes = {i: dict(zip(_OPEN, row, strict=True)) for i, row in zip(measured, told, strict=True)}
    large = [_too_large(sizes.get(i, {}), limit) for i, limit in zip(job_ids, limits, strict=True)]
    names = [(*_CLOSED, *(name.encode() for name in _OPEN if name not in left)) for left in large]
    rows = await on.run(
        [command("HMGET", k.job(i), *wanted) for i, wanted in zip(job_ids, names, strict=True)], return_errors=True
    )
    return [_whole(*each) for each in zip(job_ids, names, rows, large, strict=True)]


def _limits(weights: Sequence[int], largest: int, budget: int) -> Iterator[int]:
    for weight in weights:
        yield largest if budget > 0 else LITTLE
        budget -= weight


def _too_large(sizes: dict[str, Any], limit: int) -> dict[str, int]:
    return {name: size for name, size in sizes.items() if isinstance(size, int) and size > limit}


def _whole(job_id: str, names: tuple[bytes, ...], values: Any, too_large: dict[str, int]) -> Whole:
    if isinstance(values, Exception):
        return Whole(JobRecord(job_id, exists=False, problems=(str(values),)), {})
    found = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    return Whole(job_record(job_id, found), too_large)
