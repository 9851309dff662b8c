"""How a queue and one of its jobs stand at this moment: what holds them up, as far as Redis knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from queues.protocol import codec
from queues.protocol.codec import text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import Keys
from queues.protocol.running import BY_HAND
from queues.states import State

#: A walk through `wait` ends here: a list of a million would be walked while nobody else is served.
FURTHEST = 100_000


@dataclass(frozen=True, slots=True)
class QueueStanding:
    """`started` jobs count in the rate limit's window, which ends in `window_ms`; `is_held_by_hand`: somebody limited
    the queue for that long. `limit_max` per `limit_ms` and `concurrency` are the queue's own, 0 for none. `next_name`
    is the name of the job that runs next.
    """

    is_paused: bool = False
    waiting: int = 0
    prioritized: int = 0
    active: int = 0
    concurrency: int = 0
    limit_max: int = 0
    limit_ms: int = 0
    started: int = 0
    window_ms: int = 0
    is_held_by_hand: bool = False
    next_name: str | None = None

    @property
    def ready(self) -> int:
        return self.waiting + self.prioritized


@dataclass(frozen=True, slots=True)
class JobStanding:
    """`ahead`: jobs that run before it, None where that is not known or not asked; `is_at_least`: there are more.

    Children: `pending` of `children` have not ended.
    """

    ahead: int | None = None
    is_at_least: bool = False
    pending: int = 0
    children: int = 0


async def queue_standing(connection: str, queue: str) -> QueueStanding:
    """One round trip, and one for the next job's name."""
    on, k = wire(connection), keys(connection, queue)
    told = await on.run(_queue_commands(k), return_errors=True)
    meta, started, window, waiting, parked, prioritized, active, *nexts = (_plain(reply) for reply in told)
    paused, concurrency, limit_max, limit_ms = meta or (None,) * 4
    count = _number(started)
    next_id = next((_first(reply) for reply in nexts if _first(reply)), None)
    name = await on.run([command("HGET", k.job(text(next_id)), "name")], return_errors=True) if next_id else [None]
    return QueueStanding(
        is_paused=paused is not None,
        waiting=_number(waiting) + _number(parked),
        prioritized=_number(prioritized),
        active=_number(active),
        concurrency=_number(concurrency),
        limit_max=_number(limit_max),
        limit_ms=_number(limit_ms),
        started=count,
        window_ms=max(0, _number(window)) if count else 0,
        is_held_by_hand=count >= BY_HAND,
        next_name=text(name[0]) if isinstance(name[0], bytes) else None,
    )


async def job_standing(connection: str, queue: str, job_id: str, state: State) -> JobStanding:
    """How many run before it, or which children it waits for; one round trip."""
    k, member = keys(connection, queue), codec.raw(job_id)
    if state is State.WAITING_CHILDREN:
        return _family(await wire(connection).run(_child_commands(k, job_id), return_errors=True))
    if state is State.PRIORITIZED:
        asked = [command("ZRANK", k("prioritized"), member), command("LLEN", k("wait"))]
        rank, waiting = (_plain(reply) for reply in await wire(connection).run(asked, return_errors=True))
        return JobStanding() if rank is None else JobStanding(rank + _number(waiting))
    if state is State.WAITING:
        walk = command("LPOS", k("wait"), member, "RANK", -1, "MAXLEN", FURTHEST)
        replies = await wire(connection).run([walk, command("LLEN", k("wait"))], return_errors=True)
        return _place(*(_plain(reply) for reply in replies))
    return JobStanding()


def _queue_commands(k: Keys) -> list[Command[Any]]:
    return [
        command("HMGET", k("meta"), "paused", "concurrency", "max", "duration"),
        command("GET", k("limiter")),
        command("PTTL", k("limiter")),
        command("LLEN", k("wait")),
        command("LLEN", k("paused")),
        command("ZCARD", k("prioritized")),
        command("LLEN", k("active")),
        command("LINDEX", k("wait"), -1),
        command("ZRANGE", k("prioritized"), 0, 0),
    ]


def _child_commands(k: Keys, job_id: str) -> list[Command[Any]]:
    job = k.job(job_id)
    return [
        command("SCARD", job + b":dependencies"),
        command("HLEN", job + b":processed"),
        command("HLEN", job + b":failed"),
        command("ZCARD", job + b":unsuccessful"),
    ]


def _family(replies: list[Any]) -> JobStanding:
    pending, *ended = (_number(_plain(reply)) for reply in replies)
    return JobStanding(pending=pending, children=pending + sum(ended))


def _place(index: Any, length: Any) -> JobStanding:
    """The tail runs first; `index` counts from the head."""
    if index is not None:
        return JobStanding(max(0, _number(length) - 1 - index))
    return JobStanding(FURTHEST, is_at_least=True) if _number(length) > FURTHEST else JobStanding()


def _plain(reply: Any) -> Any:
    return None if isinstance(reply, Exception) else reply


def _first(reply: Any) -> bytes | None:
    return (reply[0] if reply else None) if isinstance(reply, list) else reply


def _number(value: Any) -> int:
    if isinstance(value, int):
        return value
    return codec.integer("", value)[0] if isinstance(value, bytes) else 0
