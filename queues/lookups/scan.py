"""A bounded search through a state: so many jobs, bytes and seconds, then it says how far it came and goes on if asked.

Redis serves others between any two chunks; nothing is read that the filter does not ask for.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field

from queues.lookups import local
from queues.lookups.crowd import turn
from queues.lookups.filters import (
    FACT_FIELDS,
    LARGEST_SEARCHED,
    LARGEST_SORTED,
    Facts,
    Filter,
    ReadFacts,
    Sort,
    held_text,
)
from queues.models.local import is_in_process
from queues.protocol.reads import scan as redis_scan
from queues.protocol.reads.scan import Fields, Place, Walk
from queues.states import State

CHUNK = 500
#: A masked search begins with few jobs and goes on with more where it is quick.
FIRST_STEP, STEP_S, STEP_BYTES = 4, 0.2, 16 * 1024 * 1024
#: One request looks at no more jobs, bytes and for no longer; few jobs are searched to the end.
MOST_JOBS, MOST_BYTES, MOST_S = 10_000, 32 * 1024 * 1024, 1.0
FEW_JOBS, FEW_BYTES, FEW_S = 1_000, 256 * 1024 * 1024, 5.0
#: So many characters are masked in a thread: others are served meanwhile.
IN_THREAD = 16 * 1024
Mask = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Asked:
    """What to look for in a state. `at_ms` is the moment the filter's ages count from; `mask` is what stands before
    the eyes of somebody who may not see secrets, and so what is searched for them.
    """

    connection: str
    queue: str
    state: State
    filter: Filter
    at_ms: int
    is_reversed: bool = False
    after: Place | None = None
    sort: Sort | None = None
    is_descending: bool = False
    mask: Mask | None = None
    #: Whose search it is: a person has few under way at once.
    who: int | None = None


@dataclass(slots=True)
class Scan:
    """`ids` fit, among `searched` of `total` jobs, of which the first is the `first`th. `after` goes on from there,
    None at the end. The data of `too_large` jobs was not looked into.
    """

    total: int
    first: int = 1
    ids: list[str] = field(default_factory=list)
    searched: int = 0
    after: Place | None = None
    too_large: int = 0
    bytes_read: int = 0

    @property
    def is_whole(self) -> bool:
        return self.after is None and self.first == 1


async def scan(asked: Asked, most_jobs: int = MOST_JOBS) -> Scan:
    """Raises RedisUnavailable, RedisRefused where it may not be read, or Busy where too many search already."""
    async with turn(asked.who):
        return await _scan(asked, most_jobs)


async def _scan(asked: Asked, most_jobs: int) -> Scan:
    found = Scan(await _total(asked), _first(asked))
    keys: dict[str, int | float | str | None] = {}
    seen: set[str] = set()
    few = found.total <= FEW_JOBS
    deadline = time.monotonic() + (FEW_S if few else MOST_S)
    walk, step = _walk(asked), FIRST_STEP if asked.filter.text and asked.mask else CHUNK
    while ids := await walk.step(min(step, most_jobs - found.searched)):
        began, read = time.monotonic(), found.bytes_read
        new = [job_id for job_id in ids if job_id not in seen]
        seen.update(new)
        found.searched += len(new)
        await _look(asked, found, new, keys)
        step = _next_step(step, time.monotonic() - began, found.bytes_read - read)
        if found.searched >= most_jobs or found.bytes_read > (FEW_BYTES if few else MOST_BYTES):
            break
        if time.monotonic() > deadline:
            break
    # Whatever stopped it: only a walk that came to the end has nothing behind it.
    found.after = walk.place if ids else None
    if found.after is not None and found.after.position + 1 >= found.total:
        found.after = None
    if asked.sort is not None:
        _order(found.ids, keys, asked.is_descending)
    return found


def _next_step(step: int, took_s: float, read: int) -> int:
    """Masking a megabyte may take a second: after a slow step comes a shorter one, so that the clock is looked at."""
    if took_s > STEP_S or read > STEP_BYTES:
        return max(1, step // 4)
    return min(CHUNK, step * 2)


def _order(ids: list[str], keys: dict[str, int | float | str | None], is_descending: bool) -> None:
    """In place and stable; those without a value stand last either way."""
    known = [job_id for job_id in ids if keys.get(job_id) is not None]
    known.sort(key=lambda job_id: keys[job_id], reverse=is_descending)  # type: ignore[arg-type,return-value]
    ids[:] = known + [job_id for job_id in ids if keys.get(job_id) is None]


async def _look(asked: Asked, found: Scan, ids: Sequence[str], keys: dict[str, int | float | str | None]) -> None:
    wanted, sort = asked.filter, asked.sort
    if wanted.id_prefix:
        ids = [job_id for job_id in ids if job_id.startswith(wanted.id_prefix)]
    if wanted.asks_for_facts or sort:
        kept = []
        async for job_id, facts in _facts(asked, found, ids):
            if wanted.means(facts, asked.state, asked.at_ms):
                kept.append(job_id)
                if sort:
                    keys[job_id] = _key(sort, facts, asked.mask)
        ids = kept
    if wanted.text:
        ids = [job_id async for job_id in _holding(asked, found, ids)]
    found.ids += ids


def _key(sort: Sort, facts: Facts, mask: Mask | None) -> int | float | str | None:
    key = sort.key(facts)
    # In the order of what is shown, else the order would tell what is not.
    return mask(key) if sort.is_payload and mask and isinstance(key, str) else key


async def _facts(asked: Asked, found: Scan, ids: Sequence[str]) -> AsyncIterator[tuple[str, Facts]]:
    if is_in_process():
        for job in await local.jobs_by_id(asked.connection, asked.queue, asked.state, ids):
            yield job.job_id, job
        return
    sort, wanted = asked.sort, asked.filter
    measured = {b"name": LARGEST_SORTED} if wanted.name else {}
    measured |= dict.fromkeys(sort.measured, LARGEST_SORTED) if sort else {}
    plain = FACT_FIELDS if wanted.attempts or wanted.asks_for_moments else ()
    plain = tuple(dict.fromkeys((*plain, *(sort.fields if sort else ()))))
    async for job_id, fields in _read(asked, found, ids, plain, measured):
        yield job_id, ReadFacts(fields.values)


async def _holding(asked: Asked, found: Scan, ids: Sequence[str]) -> AsyncIterator[str]:
    """Those whose data or error holds the text."""
    if is_in_process():
        for job_id, held in await local.searched(asked.queue, asked.state, ids, LARGEST_SEARCHED):
            if await _is_held(asked, held):
                yield job_id
        return
    measured = {b"data": LARGEST_SEARCHED, b"failedReason": LARGEST_SEARCHED}
    async for job_id, fields in _read(asked, found, ids, (), measured):
        if await _is_held(asked, [held_text(value) for value in fields.values.values()]):
            yield job_id
        elif fields.too_large:
            found.too_large += 1


async def _is_held(asked: Asked, held: Sequence[str]) -> bool:
    found = [value for value in held if asked.filter.is_in(value)]
    if asked.mask is None or sum(map(len, found)) < IN_THREAD:
        return any(_has(asked, value) for value in found)
    return await asyncio.to_thread(lambda: any(_has(asked, value) for value in found))


def _has(asked: Asked, held: str) -> bool:
    # What is not in the text is not in its mask either; masking is what takes time.
    return asked.filter.is_in(held) and (asked.mask is None or asked.filter.is_in(asked.mask(held)))


async def _read(
    asked: Asked, found: Scan, ids: Sequence[str], plain: Sequence[bytes], measured: dict[bytes, int]
) -> AsyncIterator[tuple[str, Fields]]:
    rest = iter(ids)
    async for group in redis_scan.fields_within(asked.connection, asked.queue, ids, plain, measured):
        for fields in group:
            found.bytes_read += sum(map(len, fields.values.values()))
            yield next(rest), fields


def _walk(asked: Asked) -> Walk | local.LocalWalk:
    if is_in_process():
        return local.LocalWalk(asked.queue, asked.state, asked.is_reversed, asked.after)
    return Walk(asked.connection, asked.queue, asked.state, asked.is_reversed, asked.after)


def _first(asked: Asked) -> int:
    return asked.after.position + 2 if asked.after else 1


async def _total(asked: Asked) -> int:
    if is_in_process():
        return await local.total(asked.queue, asked.state)
    return await redis_scan.state_total(asked.connection, asked.queue, asked.state)
