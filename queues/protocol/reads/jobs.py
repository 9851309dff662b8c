"""What Redis says of single jobs: one whole, its logs, where it is; single fields of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from queues.protocol import codec
from queues.protocol.codec import JobRecord, job_record, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import RESERVED_IDS, STATE_KEYS, Keys
from queues.protocol.reads.lists import due_ms
from queues.states import LISTED, State

#: Fields that may be megabytes: measured first, and cut where the caller gives a limit.
PAYLOAD_FIELDS = ("data", "opts", "returnvalue", "progress", "failedReason", "stacktrace")
#: A larger field is not read only to show its beginning.
LARGEST_READ = 16 * 1024 * 1024


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


async def job(
    connection: str, queue: str, job_id: str, limit_bytes: int | None = None, *, with_beginnings: bool = True
) -> JobSight:
    """One job, whole or with each payload field cut to `limit_bytes`. One that is nowhere has `record.exists` False.

    Without beginnings such a field is not read at all: Redis hands it over whole, however little of it is wanted.
    """
    on, k = wire(connection), keys(connection, queue)
    lengths = [command("HSTRLEN", k.job(job_id), name) for name in PAYLOAD_FIELDS]
    where = [*_state_commands(k, job_id), command("EXISTS", k.lock(job_id))]
    replies = await on.run([*lengths, *where], return_errors=True)
    sizes = {name: size for name, size in zip(PAYLOAD_FIELDS, replies, strict=False) if isinstance(size, int) and size}
    large = {name for name, size in sizes.items() if limit_bytes is not None and size > limit_bytes}
    fields = await _fields(connection, queue, job_id, large)
    for name in large:
        most = LARGEST_READ if with_beginnings else 0
        is_read = sizes[name] <= most
        value = await large_field(connection, queue, job_id, name) if is_read else None
        fields[name.encode()] = (value or b"")[:limit_bytes]
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


async def job_field(connection: str, queue: str, job_id: str, name: str) -> bytes | None:
    """One field of the hash, whole; None where there is none."""
    value: bytes | None = await wire(connection).call(command("HGET", keys(connection, queue).job(job_id), name))
    return value


async def large_field(connection: str, queue: str, job_id: str, name: str) -> bytes | None:
    """The same on a connection of its own, so that other answers need not wait behind megabytes. Waits as long as it
    takes.
    """
    on = wire(connection, purpose="large fields")
    value: bytes | None = await on.call(command("HGET", keys(connection, queue).job(job_id), name))
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


def _state(replies: list[Any]) -> tuple[State, int | None]:
    for state, score in zip(_SETS, replies, strict=False):
        if isinstance(score, bytes):
            return state, due_ms(score) if state is State.DELAYED else None
    for state, position in zip((State.ACTIVE, State.WAITING, State.WAITING), replies[len(_SETS) :], strict=True):
        if isinstance(position, int):
            return state, None
    return State.UNKNOWN, None


async def queues_of_job(connection: str, queues: Sequence[str], job_id: str) -> list[str]:
    """Those of these queues that have a job of this id."""
    if job_id in RESERVED_IDS:
        return []
    asked = [command("HEXISTS", keys(connection, queue).job(job_id), "timestamp") for queue in queues]
    replies = await wire(connection).run(asked, return_errors=True)
    return [queue for queue, reply in zip(queues, replies, strict=True) if reply == 1]
