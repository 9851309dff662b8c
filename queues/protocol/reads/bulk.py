"""What the mirror asks of jobs: many of them whole, with where they are; sets walked in chunks.

Plain read-only commands, a few hundred ids per round trip; a large field is never read for many jobs at once.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from typing import Any

from queues.errors import RedisRefused, TorilError
from queues.protocol import codec
from queues.protocol.calls import pack
from queues.protocol.codec import JobRecord, job_record, text
from queues.protocol.commands import Command, command
from queues.protocol.keys import STATE_KEYS, Keys
from queues.protocol.reads.jobs import LARGEST_READ, PAYLOAD_FIELDS, JobSight
from queues.protocol.wire import Wire
from queues.states import LISTED, State

SETS = tuple(state for state in LISTED if not STATE_KEYS[state][1])
#: Fields that others fill and that may therefore be of any size.
OPEN_FIELDS = (*PAYLOAD_FIELDS, "name", "parentKey", "rjk", "deid", "defa", "pb")


async def forgiving(on: Wire, commands: Sequence[Command[Any]]) -> list[Any]:
    """All replies as they are, in one round trip, with None for a key of the wrong type. Raises every other error: what
    cannot be read must never look as if it were gone.
    """
    return _forgiven(await on.bundle(pack(commands), len(commands)))


def _forgiven(replies: Sequence[Any]) -> list[Any]:
    for reply in replies:
        if isinstance(reply, TorilError) and not is_wrong_type(reply):
            raise reply
    return [None if isinstance(reply, TorilError) else reply for reply in replies]


def is_wrong_type(error: TorilError) -> bool:
    return isinstance(error, RedisRefused) and "WRONGTYPE" in str(error)


async def job_sights(on: Wire, k: Keys, job_ids: Sequence[str], limit: int) -> list[JobSight]:
    """Each job with where it is; fields over `limit` bytes are cut, and `problems` says so.

    A job whose hash is there and that no sorted set and not `active` lists counts as waiting: a look into a long
    `wait` would halt the workers. `listed` tells the few that are in doubt.
    """
    keys = [k.job(job_id) for job_id in job_ids]
    asked = [*_asking_states(k, job_ids), *(command("MEMORY", "USAGE", key, "SAMPLES", 0) for key in keys)]
    replies = await on.bundle(pack(asked), len(asked))
    asked_states = len(asked) - len(keys)
    states, sizes = _states(job_ids, _forgiven(replies[:asked_states])), _sizes(replies[asked_states:])
    small = [at for at, size in enumerate(sizes) if size is not None and size <= limit]
    hashes = await forgiving(on, [command("HGETALL", keys[at]) for at in small])
    records = {at: _record(job_ids[at], fields) for at, fields in zip(small, hashes, strict=True)}
    for at, (job_id, size) in enumerate(zip(job_ids, sizes, strict=True)):
        if at not in records:
            records[at] = job_record(job_id, {}) if size is None else await _large(on, k, job_id, limit)
    return [JobSight(records[at], state or State.WAITING) for at, state in enumerate(states)]


def _sizes(replies: Sequence[Any]) -> list[int | None]:
    """Bytes of each hash, None for one that is gone. Where MEMORY is forbidden all count as large."""
    return [sys.maxsize if isinstance(reply, TorilError) else reply for reply in replies]


def _record(job_id: str, flat: list[bytes] | None) -> JobRecord:
    if flat is None:
        return JobRecord(job_id, exists=False, problems=("its key is no hash",))
    return job_record(job_id, codec.pairs(flat))


async def _large(on: Wire, k: Keys, job_id: str, limit: int) -> JobRecord:
    """One job of unknown or great size, field by field."""
    key = k.job(job_id)
    lengths = await forgiving(on, [command("HSTRLEN", key, name) for name in OPEN_FIELDS])
    large = {n.encode(): size for n, size in zip(OPEN_FIELDS, lengths, strict=True) if size and size > limit}
    names = [name for name in codec.ALL_FIELDS if name not in large]
    (values,) = await forgiving(on, [command("HMGET", key, *names)])
    if values is None:
        return _record(job_id, None)
    fields: dict[bytes, bytes] = {name: value for name, value in zip(names, values, strict=True) if value is not None}
    for name, size in large.items():
        fields[name] = whole_characters((await _beginning(on, key, name, size))[:limit])
    record = job_record(job_id, fields, cut=frozenset(name.decode() for name in large))
    said = [f"{n.decode()} is cut: {len(fields[n])} of {size} bytes are kept" for n, size in large.items()]
    return replace(record, problems=(*record.problems, *said))


async def _beginning(on: Wire, key: bytes, name: bytes, size: int) -> bytes:
    # Redis cannot send part of a hash field without a script: it is read whole, or not at all.
    return b"" if size > LARGEST_READ else await on.call(command("HGET", key, name)) or b""


def whole_characters(cut: bytes) -> bytes:
    """Without the half of a UTF-8 character at its end."""
    for back in range(1, min(4, len(cut)) + 1):
        if cut[-back] >= 0xC0:
            return cut if back >= _width(cut[-back]) else cut[:-back]
        if cut[-back] < 0x80:
            break
    return cut


def _width(lead: int) -> int:
    return 4 if lead >= 0xF0 else 3 if lead >= 0xE0 else 2


def _asking_states(k: Keys, job_ids: Sequence[str]) -> list[Command[Any]]:
    if not job_ids:
        return []
    members = [codec.raw(job_id) for job_id in job_ids]
    return [command("LRANGE", k("active"), 0, -1), *(command("ZMSCORE", k.state(state), *members) for state in SETS)]


def _states(job_ids: Sequence[str], replies: Sequence[Any]) -> list[State | None]:
    """Per job the sorted set or `active` that lists it, else None."""
    if not replies:
        return []
    active, *scored = replies
    found = dict.fromkeys(map(text, active or ()), State.ACTIVE)
    for state, scores in zip(SETS, scored, strict=True):
        found |= {j: state for j, score in zip(job_ids, scores or (), strict=False) if score is not None}
    return [found.get(job_id) for job_id in job_ids]


@dataclass(frozen=True, slots=True)
class Place:
    """`timestamp` as the hash says it, None for a hash that is gone; `state` None where only `wait` may list it."""

    timestamp: bytes | None
    state: State | None


async def places(on: Wire, k: Keys, job_ids: Sequence[str]) -> list[Place]:
    """A cheap look at which jobs are still there, and where."""
    asked = [command("HMGET", k.job(job_id), "timestamp", "name") for job_id in job_ids]
    replies = await forgiving(on, [*asked, *_asking_states(k, job_ids)])
    states = _states(job_ids, replies[len(asked) :])
    return [
        Place(None if not fields or fields == [None, None] else fields[0] or b"", state)
        for fields, state in zip(replies, states, strict=False)
    ]


async def listed(on: Wire, k: Keys, job_ids: Sequence[str]) -> set[str]:
    """Those that `wait` or `paused` lists. Costs what those lists are long, per id: for few ids."""
    members = [codec.raw(job_id) for job_id in job_ids]
    asked = [command("LPOS", k(name), member) for name in ("wait", "paused") for member in members]
    replies = await forgiving(on, asked)
    return {job_id for job_id, reply in zip([*job_ids, *job_ids], replies, strict=True) if reply is not None}


async def state_chunks(on: Wire, k: Keys, state: State, count: int) -> AsyncGenerator[list[str], None]:
    """Every id in the state, about `count` at a time; some may come twice.

    What is listed from beginning to end is not missed, but for a list out of which something is taken meanwhile.
    A key of the wrong type lists nothing.
    """
    try:
        if state in SETS:
            async for ids in _scan(on, k.state(state), count):
                yield ids
            return
        for name in ("wait", "paused") if state is State.WAITING else ("active",):
            async for ids in _range(on, k(name), count):
                yield ids
    except RedisRefused as error:
        if not is_wrong_type(error):
            raise


async def scored_chunks(on: Wire, k: Keys, state: State, count: int) -> AsyncGenerator[list[tuple[str, float]], None]:
    """The same of a sorted set, each id with its score."""
    try:
        async for part in _scan_scored(on, k.state(state), count):
            yield part
    except RedisRefused as error:
        if not is_wrong_type(error):
            raise


async def _scan(on: Wire, key: bytes, count: int) -> AsyncGenerator[list[str], None]:
    async for part in _scan_scored(on, key, count):
        yield [member for member, _ in part]


async def _scan_scored(on: Wire, key: bytes, count: int) -> AsyncGenerator[list[tuple[str, float]], None]:
    cursor = b"0"
    while True:
        cursor, flat = await on.call(command("ZSCAN", key, cursor, "COUNT", count))
        members = [(text(member), float(score)) for member, score in zip(flat[::2], flat[1::2], strict=True)]
        # A small set answers whole, whatever COUNT says.
        for start in range(0, len(members), count):
            yield members[start : start + count]
        if cursor == b"0":
            return


async def _range(on: Wire, key: bytes, count: int) -> AsyncGenerator[list[str], None]:
    # From the head: what is added there meanwhile moves the rest back, so that it is seen twice rather than missed.
    start = 0
    while found := await on.call(command("LRANGE", key, start, start + count - 1)):
        yield [text(job_id) for job_id in found if not job_id.startswith(b"0:")]
        start += len(found)
