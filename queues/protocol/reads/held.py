"""Where jobs are and by what they are known again: for bulk work, hundreds in one round trip."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from queues.errors import RedisRefused
from queues.protocol import codec
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys
from queues.protocol.metered import bundle
from queues.protocol.reads.bulk import SETS, is_wrong_type
from queues.states import State

#: States in whose set the score says when the job ended, or is due: another score is another stay.
SCORED = (State.COMPLETED, State.FAILED, State.DELAYED)


@dataclass(frozen=True, slots=True)
class Held:
    """`state` None: it is nowhere. `mark` is the score in its set, or when it was added (see `SCORED`)."""

    id: str
    state: State | None
    mark: int = 0
    timestamp_ms: int = 0
    ended_ms: int = 0
    name: str = ""
    scheduler: bytes = b""


async def held(connection: str, queue: str, job_ids: Sequence[str]) -> list[Held]:
    """Each job with where it is. One that no set and not `active` lists, and that has a hash, counts as waiting: a look
    into a long `wait` would halt the workers. Raises RedisUnavailable, RedisRefused.
    """
    if not job_ids:
        return []
    k, members = keys(connection, queue), [codec.raw(job_id) for job_id in job_ids]
    asked = [command("HMGET", k.base + member, "timestamp", "finishedOn", "name", "rjk") for member in members]
    asked += [command("ZMSCORE", k.state(state), *members) for state in SETS]
    replies = await ask(connection, [*asked, command("LRANGE", k("active"), 0, -1)])
    active = set(replies.pop() or ())
    scores = [row or [None] * len(members) for row in replies[len(members) :]]
    placed = [_placed(at, scores) for at in range(len(members))]
    return [
        _held(job_id, fields, (State.ACTIVE, 0) if member in active else place)
        for job_id, member, fields, place in zip(job_ids, members, replies, placed, strict=False)
    ]


def _placed(at: int, scores: Sequence[Sequence[bytes | None]]) -> tuple[State, int] | None:
    for state, row in zip(SETS, scores, strict=True):
        if (score := row[at]) is not None:
            return state, whole(score)
    return None


def _held(job_id: str, fields: Sequence[bytes | None] | None, place: tuple[State, int] | None) -> Held:
    timestamp, ended, name, scheduler = fields or (None, None, None, None)
    if place is None and timestamp is None:
        # A scheduler's record has a hash too, without a moment.
        return Held(job_id, None)
    state, score = place or (State.WAITING, 0)
    added = _number(timestamp)
    mark = score if state in SCORED else added
    return Held(job_id, state, mark, added, _number(ended), codec.text((name or b"")[:300]), scheduler or b"")


async def still(connection: str, queue: str, state: State, jobs: Sequence[tuple[str, int]]) -> list[bool]:
    """Whether each job (id, mark) is in this state yet, and for the same stay; cheaper than `held` where sets tell."""
    if state not in SCORED:
        found = await held(connection, queue, [job_id for job_id, _mark in jobs])
        return [one.state is state and one.mark == mark for one, (_id, mark) in zip(found, jobs, strict=True)]
    members = [codec.raw(job_id) for job_id, _mark in jobs]
    (scores,) = await ask(connection, [command("ZMSCORE", keys(connection, queue).state(state), *members)])
    pairs = zip(scores or [None] * len(jobs), jobs, strict=True)
    return [score is not None and whole(score) == mark for score, (_id, mark) in pairs]


async def next_runs(connection: str, queue: str, found: Sequence[Held]) -> set[str]:
    """Those that are the coming run of a scheduler, which only the scheduler may touch."""
    schedulers = sorted({one.scheduler for one in found if one.scheduler})
    if not schedulers:
        return set()
    k = keys(connection, queue)
    (scores,) = await ask(connection, [command("ZMSCORE", k("repeat"), *schedulers)])
    told = zip(schedulers, scores or (), strict=False)
    coming = {b"repeat:" + name + b":%d" % whole(score) for name, score in told if score is not None}
    return {one.id for one in found if codec.raw(one.id) in coming}


async def ask(connection: str, commands: Sequence[Command[Any]]) -> list[Any]:
    """The replies, in one write; None for a key of the wrong type. Raises the first other refusal."""
    replies = await bundle(connection, commands)
    for at, reply in enumerate(replies):
        if isinstance(reply, Exception):
            if not (isinstance(reply, RedisRefused) and is_wrong_type(reply)):
                raise reply
            replies[at] = None
    return replies


def whole(score: bytes) -> int:
    """A score as it fits into SQL; 0 for one that no clock has made."""
    value = float(score)
    return int(value) if abs(value) < 2**62 else 0


def _number(value: bytes | None) -> int:
    return codec.integer("", value)[0] if value else 0


async def listed_ids(connection: str, queue: str, suffix: str, start: int, count: int) -> list[str]:
    """Of a list, from its head, where jobs are added."""
    (found,) = await ask(connection, [command("LRANGE", keys(connection, queue)(suffix), start, start + count - 1)])
    return [codec.text(job_id) for job_id in found or () if not job_id.startswith(b"0:")]
