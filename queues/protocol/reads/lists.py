"""What Redis says of a state's jobs as a list: ids in running order or its reverse, and a summary of each.

How large each job is is asked first, so that no megabyte is read for a line.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from queues.errors import RedisUnavailable
from queues.protocol import codec
from queues.protocol.codec import JobRecord, job_record, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import STATE_KEYS, Keys
from queues.states import LISTED, State

#: What a list's row shows of a job.
FIELDS = (*codec.SUMMARY_FIELDS, b"progress")
#: Those that may be of any size, and how much of one a list reads.
_OPEN = (b"name", b"opts", b"failedReason", b"defa", b"parentKey", b"deid", b"rjk", b"pb", b"progress")
LARGEST_LISTED = 16 * 1024
#: A job that takes no more memory than this is read without measuring each field.
SMALL = 32 * 1024
DELAY_BITS = 4096
Ranked = list[tuple[str, int | None]]


@dataclass(frozen=True, slots=True)
class JobRow:
    record: JobRecord
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """`total` jobs are in the state; `rows` are those asked for, next to run first, finished: newest first."""

    total: int
    rows: list[JobRow]


async def job_page(
    connection: str, queue: str, state: State, start: int, count: int, is_reversed: bool = False
) -> JobPage:
    """`count` jobs from position `start`, summaries only. A deep page costs what the first does."""
    total, ranked = await _ids(connection, queue, state, start, count, is_reversed)
    records = await summaries(connection, queue, [job_id for job_id, _ in ranked])
    return JobPage(total, [JobRow(record, due) for record, (_, due) in zip(records, ranked, strict=True)])


async def summaries(connection: str, queue: str, job_ids: Sequence[str]) -> list[JobRecord]:
    """What a list shows of these jobs: two round trips, and a third where some are large or sizes may not be asked."""
    on, k = wire(connection), keys(connection, queue)
    sizes = await on.run([command("MEMORY", "USAGE", k.job(i), "SAMPLES", 0) for i in job_ids], return_errors=True)
    unknown = [i for i, size in zip(job_ids, sizes, strict=True) if size is not None and _is_large(size)]
    large = await _large_fields(connection, queue, unknown)
    asked = [tuple(name for name in FIELDS if name not in large.get(job_id, ())) for job_id in job_ids]
    hashes = await on.run(
        [command("HMGET", k.job(job_id), *names) for job_id, names in zip(job_ids, asked, strict=True)],
        return_errors=True,
    )
    return [_summary(i, names, row, large.get(i, {})) for i, names, row in zip(job_ids, asked, hashes, strict=True)]


def _is_large(size: Any) -> bool:
    # Where MEMORY is forbidden every job counts as large.
    return not isinstance(size, int) or size > SMALL


async def _large_fields(connection: str, queue: str, job_ids: Sequence[str]) -> dict[str, dict[bytes, int]]:
    """Of each job the fields too large for a list, with their bytes."""
    k = keys(connection, queue)
    asked = [command("HSTRLEN", k.job(job_id), name) for job_id in job_ids for name in _OPEN]
    sizes = await wire(connection).run(asked, return_errors=True)
    groups = zip(*[iter(sizes)] * len(_OPEN), strict=True)
    return {
        job_id: {
            name: size
            for name, size in zip(_OPEN, group, strict=True)
            if isinstance(size, int) and size > LARGEST_LISTED
        }
        for job_id, group in zip(job_ids, groups, strict=True)
    }


def _summary(job_id: str, names: tuple[bytes, ...], values: Any, large: dict[bytes, int]) -> JobRecord:
    if isinstance(values, Exception):
        return JobRecord(job_id, exists=False, problems=(str(values),))
    found = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    record = job_record(job_id, found)
    said = tuple(f"{name.decode()} is too large for a list: {size:,} bytes" for name, size in large.items())
    return replace(record, problems=(*record.problems, *said)) if said else record


async def state_ids(
    connection: str, queue: str, state: State, start: int, count: int, is_reversed: bool = False
) -> list[str]:
    """Ids in running order, or its reverse, from position `start`."""
    return [job_id for job_id, _ in (await _ids(connection, queue, state, start, count, is_reversed))[1]]


async def _ids(
    connection: str, queue: str, state: State, start: int, count: int, is_reversed: bool
) -> tuple[int, Ranked]:
    """How many jobs are in the state, and (id, due time) of those asked for."""
    on, k = wire(connection), keys(connection, queue)
    if state is State.WAITING:
        if is_reversed:
            return await _waiting_reversed(connection, queue, start, count)
        return await _waiting_ids(connection, queue, start, count)
    suffix, is_list = STATE_KEYS[state]
    if is_list:
        part = _head(k(suffix), start, count) if is_reversed else _tail(k(suffix), start, count)
        total, found = await on.run([command("LLEN", k(suffix)), part])
        return total, [(text(job_id), None) for job_id in (found if is_reversed else reversed(found))]
    total, flat = await on.run([command("ZCARD", k(suffix)), _range(k, state, start, count, is_reversed)])
    return total, _ranked(state, flat)


def _range(k: Keys, state: State, start: int, count: int, is_reversed: bool = False) -> Command[Any]:
    verb = "ZREVRANGE" if state.is_finished is not is_reversed else "ZRANGE"
    return command(verb, k.state(state), start, start + count - 1, "WITHSCORES")


def _ranked(state: State, flat: list[bytes]) -> Ranked:
    pairs = zip(flat[::2], flat[1::2], strict=True)
    is_delayed = state is State.DELAYED
    return [(text(job_id), due_ms(score) if is_delayed else None) for job_id, score in pairs]


async def _waiting_ids(connection: str, queue: str, start: int, count: int) -> tuple[int, Ranked]:
    """`wait`, then what an older BullMQ parked in `paused` (PROTOCOL.md §2), without its `0:` markers."""
    on, k = wire(connection), keys(connection, queue)
    *lengths, found = await on.run([*_lengths(k), _tail(k("wait"), start, count + 1)])
    (waiting, parked), (skipped, skipped_parked) = _counted(lengths)
    ids = list(reversed(found))[skipped : count + skipped]
    if parked and len(ids) < count:
        more = await on.call(_tail(k("paused"), max(0, start - waiting) + skipped_parked, count - len(ids)))
        ids += reversed(more)
    return waiting + parked, _unmarked(ids)


async def _waiting_reversed(connection: str, queue: str, start: int, count: int) -> tuple[int, Ranked]:
    on, k = wire(connection), keys(connection, queue)
    *lengths, ids = await on.run([*_lengths(k), _head(k("paused"), start, count)])
    (waiting, parked), (_, skipped) = _counted(lengths)
    if len(ids) < count:
        ids += await on.call(_head(k("wait"), max(0, start - parked - skipped), count - len(ids)))
    return waiting + parked, _unmarked(ids)


def _lengths(k: Keys) -> list[Command[Any]]:
    return [command(verb, k(name), *at) for verb, *at in (("LLEN",), ("LINDEX", -1)) for name in ("wait", "paused")]


def _counted(lengths: list[Any]) -> tuple[list[int], list[int]]:
    """How many jobs `wait` and `paused` list, and how many markers each: those of BullMQ 3 and 4 lie next to run."""
    markers = [int((next_up or b"").startswith(b"0:")) for next_up in lengths[2:]]
    return [length - marked for length, marked in zip(lengths[:2], markers, strict=True)], markers


async def waiting_total(connection: str, queue: str) -> int:
    """How many jobs wait, or are parked by an older BullMQ; its markers are none."""
    lengths = await wire(connection).run(_lengths(keys(connection, queue)))
    return sum(_counted(lengths)[0])


def _unmarked(ids: list[bytes]) -> Ranked:
    return [(text(job_id), None) for job_id in ids if not job_id.startswith(b"0:")]


def _tail(key: bytes, start: int, count: int) -> Command[list[bytes]]:
    """`count` items of a list counted from its tail, where the next to run stands."""
    return command("LRANGE", key, -(start + count), -(start + 1))


def _head(key: bytes, start: int, count: int) -> Command[list[bytes]]:
    return command("LRANGE", key, start, start + count - 1)


async def first_of_each(connection: str, queue: str, count: int) -> list[tuple[State, JobRow]]:
    """The first `count` of every state as its list shows them, summaries only; a broken state lists none."""
    on, k = wire(connection), keys(connection, queue)
    asked = [
        _tail(k.state(state), 0, count) if STATE_KEYS[state][1] else _range(k, state, 0, count) for state in LISTED
    ]
    found: list[tuple[State, str, int | None]] = []
    for state, reply in zip(LISTED, await on.run(asked, return_errors=True), strict=True):
        if isinstance(reply, RedisUnavailable):
            raise reply
        if not isinstance(reply, Exception):
            ranked = _unmarked(reply[::-1]) if STATE_KEYS[state][1] else _ranked(state, reply)
            found += [(state, job_id, due) for job_id, due in ranked]
    records = await summaries(connection, queue, [job_id for _, job_id, _ in found])
    return [(state, JobRow(record, due)) for (state, _, due), record in zip(found, records, strict=True)]


def due_ms(score: bytes) -> int | None:
    """None for what is no time: anybody may have written it, and infinity too."""
    number, problem = codec.integer("score", score)
    return None if problem else number // DELAY_BITS


async def due_times(connection: str, queue: str, job_ids: Sequence[str]) -> list[int | None]:
    """When these delayed jobs are due; None for those that are delayed no longer."""
    members = [codec.raw(job_id) for job_id in job_ids]
    if not members:
        return []
    scores = await wire(connection).call(command("ZMSCORE", keys(connection, queue).state(State.DELAYED), *members))
    return [due_ms(score) if isinstance(score, bytes) else None for score in scores]


#: What a line unfolds to, beside what the line has.
_LARGE = ("data", "opts", "failedReason", "stacktrace", "returnvalue")


async def glimpse(connection: str, queue: str, job_id: str, limit: int) -> tuple[JobRecord, dict[str, int]]:
    """One job without its fields over `limit` bytes, and the bytes of each that may be large."""
    key, on = keys(connection, queue).job(job_id), wire(connection)
    names = (*_LARGE, *(name.decode() for name in _OPEN if name.decode() not in _LARGE))
    lengths = await on.run([command("HSTRLEN", key, name) for name in names], return_errors=True)
    sizes = {name: size for name, size in zip(names, lengths, strict=True) if isinstance(size, int)}
    wanted = [name for name in codec.ALL_FIELDS if sizes.get(name.decode(), 0) <= limit]
    (values,) = await on.run([command("HMGET", key, *wanted)], return_errors=True)
    if isinstance(values, Exception):
        return JobRecord(job_id, exists=False, problems=(str(values),)), {}
    found = {name: value for name, value in zip(wanted, values, strict=True) if value is not None}
    return job_record(job_id, found), {name: sizes[name] for name in _LARGE if sizes.get(name)}


async def scheduler_count(connection: str, queue: str) -> int:
    """How many schedulers the queue has; of those that are paused BullMQ knows nothing."""
    return int(await wire(connection).call(command("ZCARD", keys(connection, queue)("repeat"))))
