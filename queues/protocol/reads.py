"""Everything read from Redis, by plain read-only commands: a user with a read-only ACL may browse.

Each function makes one round trip, or two where ids come before hashes.
"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from queues.errors import RedisRefused
from queues.protocol import codec
from queues.protocol.codec import JobRecord, QueueFacts, job_record, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import STATE_KEYS, Keys, meta_pattern, queue_of_meta
from queues.states import LISTED, State

#: Fields that may be megabytes: measured first, and cut where the caller gives a limit.
PAYLOAD_FIELDS = ("data", "opts", "returnvalue", "progress", "failedReason", "stacktrace")
#: A larger field is not read only to show its beginning.
LARGEST_READ = 16 * 1024 * 1024
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


@dataclass(frozen=True, slots=True)
class ServerInfo:
    """Of INFO: what an operator wants to know. Bytes; `max_memory` 0 is unlimited."""

    name: str = ""
    version: str = ""
    used_memory: int = 0
    max_memory: int = 0
    eviction_policy: str = ""


async def queue_names(connection: str) -> list[str]:
    """Every queue under the prefix, sorted. SCANs the whole keyspace (1M keys: 0.7 s in small steps): cache it."""
    on, under = wire(connection), prefix(connection)
    names: set[str] = set()
    cursor = b"0"
    while True:
        cursor, found = await on.call(
            command("SCAN", cursor, "MATCH", meta_pattern(under), "COUNT", 1000, "TYPE", "hash")
        )
        names.update(name for key in found if (name := queue_of_meta(under, key)) is not None)
        if cursor == b"0":
            return sorted(names)


async def queue_facts(connection: str, names: Sequence[str]) -> list[QueueFacts]:
    """Counts, flags and the oldest waiting job's id of all these queues, plus one trip for the ages of those jobs."""
    on = wire(connection)
    asked = [(name, keys(connection, name)) for name in names]
    replies = await on.run([c for _, k in asked for c in _fact_commands(k)], return_errors=True)
    width = len(_fact_commands(Keys("", "")))
    facts = [_facts(name, replies[at * width : (at + 1) * width]) for at, (name, _) in enumerate(asked)]
    ages = await on.run(
        [
            command("HGET", k.job(oldest), "timestamp")
            for (_, k), (_, oldest) in zip(asked, facts, strict=True)
            if oldest
        ],
        return_errors=True,
    )
    stamps = iter(ages)
    return [_dated(fact, next(stamps)) if oldest else fact for fact, oldest in facts]


def _fact_commands(k: Keys) -> list[Command[Any]]:
    return [
        *(command("LLEN" if is_list else "ZCARD", k(suffix)) for suffix, is_list in STATE_KEYS.values()),
        command("LLEN", k("paused")),
        command("HMGET", k("meta"), "paused", "concurrency", "max", "duration", "version"),
        command("GET", k("limiter")),
        command("PTTL", k("limiter")),
        command("LINDEX", k("wait"), -1),
        command("LINDEX", k("paused"), -1),
    ]


def _facts(name: str, replies: list[Any]) -> tuple[QueueFacts, str]:
    """One queue's facts, and the id of its next-to-run waiting job ("" for none)."""
    counted, rest = replies[: len(STATE_KEYS)], replies[len(STATE_KEYS) :]
    broken = next((str(reply) for reply in replies if isinstance(reply, Exception)), "")
    legacy, meta, limiter, ttl, oldest, legacy_oldest = (None if isinstance(r, Exception) else r for r in rest)
    counts = {
        state.value: 0 if isinstance(count, Exception) else count
        for state, count in zip(STATE_KEYS, counted, strict=True)
    }
    counts["waiting"] += legacy or 0
    paused, concurrency, maximum, duration, version = meta or (None,) * 5
    limit = _number(maximum)
    held = ttl if limiter is not None and ttl and ttl > 0 and _number(limiter, 0) >= (limit or 1) else 0
    next_id = oldest or legacy_oldest or b""
    facts = QueueFacts(
        name=name,
        counts=counts,
        is_paused=paused is not None,
        concurrency=_number(concurrency),
        rate_limit_max=limit,
        rate_limit_duration_ms=_number(duration),
        rate_limited_ms=held,
        version=text(version or b""),
        broken=broken,
    )
    return facts, text(next_id)


def _dated(facts: QueueFacts, stamp: Any) -> QueueFacts:
    return replace(facts, oldest_waiting_ms=_number(stamp)) if isinstance(stamp, bytes) else facts


def _number(value: bytes | None, default: int | None = None) -> Any:
    if value is None:
        return default
    number, problem = codec.integer("", value)
    return default if problem and not number else number


async def worker_clients(connection: str) -> dict[str, int] | None:
    """Queue → how many workers listen, told by the names of their blocking connections (PROTOCOL.md §4).

    Node and Toril name them `prefix:base64(queue)[:w:name]`, one each; PyPI's worker `prefix:queue[:w:name]` on two or
    more, so its rows are counted once per name and address. None where CLIENT LIST is forbidden.
    """
    try:
        listing: bytes = await wire(connection).call(command("CLIENT", "LIST"))
    except RedisRefused:
        return None
    start = prefix(connection).encode() + b":"
    workers: dict[str, set[bytes]] = {}
    for line in listing.splitlines():
        found = _worker(line, start)
        if found:
            workers.setdefault(found[0], set()).add(found[1])
    return {queue: len(ids) for queue, ids in workers.items()}


def _worker(line: bytes, start: bytes) -> tuple[str, bytes] | None:
    """The queue and an identity of the worker whose row of CLIENT LIST this is."""
    row = dict(part.split(b"=", 1) for part in line.split(b" ") if b"=" in part)
    name = row.get(b"name", b"")
    if not name.startswith(start):
        return None
    queue, _, rest = name[len(start) :].partition(b":")
    if rest == b"qe" or not queue:
        return None
    try:
        decoded = base64.b64decode(queue, validate=True)
        if base64.b64encode(decoded) == queue:
            return text(decoded), row.get(b"id", name)
    except ValueError:
        pass
    return text(queue), name + row.get(b"addr", b"").rpartition(b":")[0]


async def server_info(connection: str) -> ServerInfo | None:
    """None where INFO is forbidden."""
    try:
        reply: bytes = await wire(connection).call(command("INFO"))
    except RedisRefused:
        return None
    told = dict(line.split(b":", 1) for line in reply.splitlines() if b":" in line)

    def said(name: str) -> str:
        return told.get(name.encode(), b"").decode("utf-8", "replace")

    is_valkey = bool(said("valkey_version"))
    return ServerInfo(
        name="Valkey" if is_valkey else "Redis",
        version=said("valkey_version") or said("redis_version"),
        used_memory=int(said("used_memory") or 0),
        max_memory=int(said("maxmemory") or 0),
        eviction_policy=said("maxmemory_policy"),
    )


async def job_page(connection: str, queue: str, state: State, start: int, count: int) -> JobPage:
    """`count` jobs from position `start`, summaries only. A deep page costs what the first does."""
    on, k = wire(connection), keys(connection, queue)
    total, ranked = await _ids(connection, queue, state, start, count)
    hashes = await on.run(
        [command("HMGET", k.job(job_id), *codec.SUMMARY_FIELDS) for job_id, _ in ranked], return_errors=True
    )
    rows = [JobRow(_summary(job_id, values), due) for (job_id, due), values in zip(ranked, hashes, strict=True)]
    return JobPage(total, rows)


def _summary(job_id: str, values: Any) -> JobRecord:
    if isinstance(values, Exception):
        return JobRecord(job_id, exists=False, problems=(str(values),))
    return job_record(
        job_id,
        {name: value for name, value in zip(codec.SUMMARY_FIELDS, values, strict=True) if value is not None},
    )


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
    return total, [(text(job_id), int(float(score)) // DELAY_BITS if is_delayed else None) for job_id, score in pairs]


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


async def job_records(connection: str, queue: str, job_ids: Sequence[str]) -> list[JobRecord]:
    """Whole hashes of many jobs in one round trip."""
    k = keys(connection, queue)
    replies = await wire(connection).run(
        [command("HGETALL", k.job(job_id), read=codec.pairs) for job_id in job_ids], return_errors=True
    )
    return [
        JobRecord(job_id, exists=False, problems=(str(reply),))
        if isinstance(reply, Exception)
        else job_record(job_id, reply)
        for job_id, reply in zip(job_ids, replies, strict=True)
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
            return state, int(float(score)) // DELAY_BITS if state is State.DELAYED else None
    for state, position in zip((State.ACTIVE, State.WAITING, State.WAITING), replies[len(_SETS) :], strict=True):
        if isinstance(position, int):
            return state, None
    return State.UNKNOWN, None
