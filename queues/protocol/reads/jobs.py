"""What Redis says of jobs: lists in running order, one whole job, its logs, where it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from queues.protocol import codec
from queues.protocol.codec import JobRecord, job_record, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import STATE_KEYS, Keys
from queues.states import LISTED, State

#: Fields that may be megabytes: measured first, and cut where the caller gives a limit.
PAYLOAD_FIELDS = ("data", "opts", "returnvalue", "progress", "failedReason", "stacktrace")
#: A larger field is not read only to show its beginning.
LARGEST_READ = 16 * 1024 * 1024
#: Fields of a list's row that may be of any size, and how much of one a list reads.
_OPEN = (b"name", b"opts", b"failedReason", b"defa", b"parentKey", b"deid", b"rjk", b"pb")
LARGEST_LISTED = 16 * 1024
DELAY_BITS = 4096


@dataclass(frozen=True, slots=True)
class JobRow:
    record: JobRecord
    due_ms: int | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    """`total` jobs are in the state; `rows` are those asked for, next to run first, finished: newest first."""

    total: int
    rows: list[JobRow]


@dataclass(frozen=True, slots=True)
class JobSight:
    """A job with where it is. `sizes` are the bytes each payload field has in Redis, cut or not."""

    record: JobRecord
    state: State
    due_ms: int | None = None
    is_locked: bool = False
    sizes: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class JobLogs:
    lines: list[str]
    total: int


async def job_page(connection: str, queue: str, state: State, start: int, count: int) -> JobPage:
    """`count` jobs from position `start`, summaries only. A deep page costs what the first does."""
    total, ranked = await _ids(connection, queue, state, start, count)
    records = await _summaries(connection, queue, [job_id for job_id, _ in ranked])
    return JobPage(total, [JobRow(record, due) for record, (_, due) in zip(records, ranked, strict=True)])


async def _summaries(connection: str, queue: str, job_ids: Sequence[str]) -> list[JobRecord]:
    """Measured first, as an error's text may be megabytes too: what is too large for a list is not read for it."""
    on, k = wire(connection), keys(connection, queue)
    sizes = await on.run(
        [command("HSTRLEN", k.job(job_id), name) for job_id in job_ids for name in _OPEN], return_errors=True
    )
    large = [
        {name: size for name, size in zip(_OPEN, group, strict=True) if isinstance(size, int) and size > LARGEST_LISTED}
        for group in zip(*[iter(sizes)] * len(_OPEN), strict=True)
    ]
    asked = [tuple(name for name in codec.SUMMARY_FIELDS if name not in without) for without in large]
    hashes = await on.run(
        [command("HMGET", k.job(job_id), *names) for job_id, names in zip(job_ids, asked, strict=True)],
        return_errors=True,
    )
    return [_summary(*row) for row in zip(job_ids, asked, hashes, large, strict=True)]


def _summary(job_id: str, names: tuple[bytes, ...], values: Any, large: dict[bytes, int]) -> JobRecord:
    if isinstance(values, Exception):
        return JobRecord(job_id, exists=False, problems=(str(values),))
    found = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    record = job_record(job_id, found)
    said = tuple(f"{name.decode()} is too large for a list: {size:,} bytes" for name, size in large.items())
    return replace(record, problems=(*record.problems, *said)) if said else record


async def state_ids(connection: str, queue: str, state: State, start: int, count: int) -> list[str]:
    """Ids in running order from position `start`."""
    return [job_id for job_id, _ in (await _ids(connection, queue, state, start, count))[1]]


async def _ids(
    connection: str, queue: str, state: State, start: int, count: int
) -> tuple[int, list[tuple[str, int | None]]]:
    """How many jobs are in the state, and (id, due time) of those asked for."""
    on, k = wire(connection), keys(connection, queue)
    if state is State.WAITING:
        return await _waiting_ids(connection, queue, start, count)
    suffix, is_list = STATE_KEYS[state]
    if is_list:
        total, found = await on.run([command("LLEN", k(suffix)), _tail(k(suffix), start, count)])
        return total, [(text(job_id), None) for job_id in reversed(found)]
    verb = "ZREVRANGE" if state.is_finished else "ZRANGE"
    total, flat = await on.run(
        [command("ZCARD", k(suffix)), command(verb, k(suffix), start, start + count - 1, "WITHSCORES")]
    )
    pairs = zip(flat[::2], flat[1::2], strict=True)
    is_delayed = state is State.DELAYED
    return total, [(text(job_id), _due_ms(score) if is_delayed else None) for job_id, score in pairs]


async def _waiting_ids(connection: str, queue: str, start: int, count: int) -> tuple[int, list[tuple[str, int | None]]]:
    """`wait`, then what an older BullMQ parked in `paused` (PROTOCOL.md §2), without its `0:` markers."""
    on, k = wire(connection), keys(connection, queue)
    waiting, parked, found = await on.run(
        [command("LLEN", k("wait")), command("LLEN", k("paused")), _tail(k("wait"), start, count)]
    )
    ids = list(reversed(found))
    if parked and len(ids) < count:
        more = await on.call(_tail(k("paused"), max(0, start - waiting), count - len(ids)))
        ids += reversed(more)
    return waiting + parked, [(text(job_id), None) for job_id in ids if not job_id.startswith(b"0:")]


def _tail(key: bytes, start: int, count: int) -> Command[list[bytes]]:
    """`count` items of a list counted from its tail, where the next to run stands."""
    return command("LRANGE", key, -(start + count), -(start + 1))


async def job(connection: str, queue: str, job_id: str, limit_bytes: int | None = None) -> JobSight:
    """One job, whole or with each payload field cut to `limit_bytes`. One that is nowhere has `record.exists` False."""
    on, k = wire(connection), keys(connection, queue)
    lengths = [command("HSTRLEN", k.job(job_id), name) for name in PAYLOAD_FIELDS]
    where = [*_state_commands(k, job_id), command("EXISTS", k.lock(job_id))]
    replies = await on.run([*lengths, *where], return_errors=True)
    sizes = {name: size for name, size in zip(PAYLOAD_FIELDS, replies, strict=False) if isinstance(size, int) and size}
    large = {name for name, size in sizes.items() if limit_bytes is not None and size > limit_bytes}
    fields = await _fields(connection, queue, job_id, large)
    for name in large:
        fields[name.encode()] = await _beginning(connection, queue, job_id, name, sizes[name], limit_bytes or 0)
    state, due = _state(replies[len(PAYLOAD_FIELDS) : -1])
    record = job_record(job_id, fields, data_size=sizes.get("data", 0), cut=frozenset(large))
    return JobSight(record, state, due, replies[-1] == 1, sizes)


async def _fields(connection: str, queue: str, job_id: str, without: set[str]) -> dict[bytes, bytes]:
    on, key = wire(connection), keys(connection, queue).job(job_id)
    if not without:
        return await on.call(command("HGETALL", key, read=codec.pairs))
    names = [name for name in codec.ALL_FIELDS if name.decode() not in without]
    values = await on.call(command("HMGET", key, *names))
    return {name: value for name, value in zip(names, values, strict=True) if value is not None}


async def _beginning(connection: str, queue: str, job_id: str, name: str, size: int, limit: int) -> bytes:
    # Redis cannot send part of a hash field without a script: it is read whole and cut here, or not read at all.
    if size > LARGEST_READ:
        return b""
    return (await job_field(connection, queue, job_id, name) or b"")[:limit]


async def job_field(connection: str, queue: str, job_id: str, name: str) -> bytes | None:
    """One field of the hash, whole; None where there is none."""
    value: bytes | None = await wire(connection).call(command("HGET", keys(connection, queue).job(job_id), name))
    return value


async def job_fields(
    connection: str, queue: str, job_ids: Sequence[str], fields: Sequence[str]
) -> list[dict[bytes, bytes]]:
    """The named fields of many jobs in one round trip; an empty dict where a hash is gone or is no hash."""
    k = keys(connection, queue)
    replies = await wire(connection).run(
        [command("HMGET", k.job(job_id), *fields) for job_id in job_ids], return_errors=True
    )
    return [
        {}
        if isinstance(values, Exception)
        else {name.encode(): value for name, value in zip(fields, values, strict=True) if value is not None}
        for values in replies
    ]


async def job_logs(connection: str, queue: str, job_id: str, start: int, count: int) -> JobLogs:
    """Log lines oldest first; `start` may be negative, from the end."""
    key = keys(connection, queue).logs(job_id)
    stop = -1 if start < 0 and start + count >= 0 else start + count - 1
    total, lines = await wire(connection).run(
        [command("LLEN", key), command("LRANGE", key, start, stop)], return_errors=True
    )
    if isinstance(total, Exception) or isinstance(lines, Exception):
        return JobLogs([], 0)
    return JobLogs([text(line) for line in lines], total)


async def job_states(connection: str, queue: str, job_ids: Sequence[str]) -> list[State]:
    """Where each job is now. A look into a long `wait` list costs what its length is: for few ids."""
    k = keys(connection, queue)
    asked = [_state_commands(k, job_id) for job_id in job_ids]
    replies = iter(await wire(connection).run([c for group in asked for c in group], return_errors=True))
    return [_state([next(replies) for _ in group])[0] for group in asked]


#: Sorted sets first (a look-up each), lists last (a walk each).
_SETS = [state for state in LISTED if not STATE_KEYS[state][1]]
_LISTS = ("active", "wait", "paused")


def _state_commands(k: Keys, job_id: str) -> list[Command[Any]]:
    member = codec.raw(job_id)
    return [
        *(command("ZSCORE", k.state(state), member) for state in _SETS),
        *(command("LPOS", k(name), member) for name in _LISTS),
    ]


def _due_ms(score: bytes) -> int | None:
    """None for what is no time: anybody may have written it, and infinity too."""
    number, problem = codec.integer("score", score)
    return None if problem else number // DELAY_BITS


def _state(replies: list[Any]) -> tuple[State, int | None]:
    for state, score in zip(_SETS, replies, strict=False):
        if isinstance(score, bytes):
            return state, _due_ms(score) if state is State.DELAYED else None
    for state, position in zip((State.ACTIVE, State.WAITING, State.WAITING), replies[len(_SETS) :], strict=True):
        if isinstance(position, int):
            return state, None
    return State.UNKNOWN, None
