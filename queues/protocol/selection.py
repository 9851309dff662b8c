"""What a bulk action may touch, found in bounded steps: ids by score or by place, and the few fields that decide.

Never one command over a large set: callers ask for at most 1,000 places at a time.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import hiredis

from queues.errors import RedisRefused
from queues.protocol.codec import raw, text
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import FOUND_BY, STATE_KEYS
from queues.protocol.refusals import refusal
from queues.states import State

#: A key that exists only inside one transaction of `sweep_list`.
BENCH = "toril:bench"

#: By which moment cleanJobsInSet-3.lua tells a job's age, per key: the first of these fields that is set.
AGE_FIELDS: dict[str, tuple[str, ...]] = {
    "wait": ("finishedOn", "processedOn", "timestamp"),
    "paused": ("finishedOn", "processedOn", "timestamp"),
    "active": ("finishedOn", "processedOn", "timestamp"),
    "delayed": ("processedOn", "timestamp"),
    "prioritized": ("timestamp",),
}
LISTS = ("wait", "paused", "active")


@dataclass(frozen=True, slots=True)
class Candidate:
    """A job at a place, with what decides whether an action means it.

    `stamp` is the moment its age counts from, None for a job without one (or without a hash).
    """

    id: str
    exists: bool
    stamp: bytes | None
    is_next_run: bool
    is_locked: bool

    def is_older_than(self, before_ms: int) -> bool:
        # A job without a moment is old (cleanJobsInSet-3.lua).
        return self.stamp is None or self.stamp <= _cutoff(before_ms)


def _cutoff(before_ms: int) -> bytes:
    """The script compares moments as text: one with fewer digits, before 2001, would pass for later than all."""
    return b"%d" % before_ms if before_ms >= 10**12 else b"0"


def suffixes(state: State) -> tuple[str, ...]:
    """The keys in which a state's jobs stand; waiting has a second one where an older BullMQ paused the queue."""
    return ("wait", "paused") if state is State.WAITING else (STATE_KEYS[state][0],)


async def queues_exist(connection: str, names: Sequence[str]) -> list[bool]:
    """Whether each queue has a key by which queues are found."""
    asked = [command("EXISTS", *keys(connection, name).many(" ".join(FOUND_BY))) for name in names]
    found = await wire(connection).run(asked)
    return [bool(one) for one in found]


async def key_length(connection: str, queue: str, suffix: str) -> int:
    verb = "LLEN" if suffix in LISTS else "ZCARD"
    return int(await wire(connection).call(command(verb, keys(connection, queue)(suffix))))


async def count_finished(connection: str, queue: str, state: State, before_ms: int) -> int:
    """How many completed or failed jobs finished until `before_ms`; one look-up, however large the set."""
    asked = command("ZCOUNT", keys(connection, queue).state(state), 0, before_ms)
    return int(await wire(connection).call(asked))


async def scored_ids(
    connection: str, queue: str, state: State, lowest: str, highest: str, skip: int, count: int
) -> list[tuple[str, str]]:
    """(id, score) by rising score from `lowest` on, leaving out the first `skip`; scores as Redis writes them."""
    key = keys(connection, queue).state(state)
    flat = await wire(connection).call(
        command("ZRANGEBYSCORE", key, lowest, highest, "WITHSCORES", "LIMIT", skip, count)
    )
    return [(text(job_id), score.decode()) for job_id, score in zip(flat[::2], flat[1::2], strict=True)]


async def placed_ids(connection: str, queue: str, suffix: str, start: int, count: int) -> list[str]:
    """`count` ids from place `start`, the next to run first."""
    key = keys(connection, queue)(suffix)
    if suffix in LISTS:
        found = await wire(connection).call(command("LRANGE", key, -(start + count), -(start + 1)))
        found.reverse()
    else:
        found = await wire(connection).call(command("ZRANGE", key, start, start + count - 1))
    return [text(job_id) for job_id in found]


async def candidates(connection: str, queue: str, suffix: str, job_ids: Sequence[str]) -> list[Candidate]:
    """What decides over each job; one round trip, and a second where schedulers are involved."""
    k = keys(connection, queue)
    asked: list[Command[Any]] = [command("HMGET", k.job(i), "rjk", *AGE_FIELDS[suffix]) for i in job_ids]
    if suffix == "active":
        asked += [command("EXISTS", k.lock(i)) for i in job_ids]
    replies = await wire(connection).run(asked, return_errors=True)
    none = [None] * (len(AGE_FIELDS[suffix]) + 1)
    rows = [none if isinstance(row, RedisRefused) else row for row in replies[: len(job_ids)]]
    next_runs = await _next_runs(connection, queue, {row[0] for row in rows if row[0]})
    locks = replies[len(job_ids) :] or [0] * len(job_ids)
    return [
        Candidate(
            id=job_id,
            exists=any(field is not None for field in row),
            stamp=next((field for field in row[1:] if field is not None), None),
            is_next_run=raw(job_id) == next_runs.get(row[0] or b""),
            is_locked=lock == 1,
        )
        for job_id, row, lock in zip(job_ids, rows, locks, strict=True)
    ]


async def _next_runs(connection: str, queue: str, scheduler_ids: set[bytes]) -> dict[bytes, bytes]:
    """Scheduler → the id of its coming iteration, which only the scheduler may remove."""
    if not scheduler_ids:
        return {}
    ordered, key = sorted(scheduler_ids), keys(connection, queue)("repeat")
    scores = await wire(connection).run([command("ZSCORE", key, one) for one in ordered], return_errors=True)
    return {
        scheduler: b"repeat:" + scheduler + b":" + score
        for scheduler, score in zip(ordered, scores, strict=True)
        if isinstance(score, bytes)
    }


async def sweep(connection: str, queue: str, suffix: str, before_ms: int, window: int) -> list[str]:
    """Remove what is older than `before_ms` among the `window` places next to run; the removed ids. Atomic.

    A coming iteration of a scheduler, a younger job and a locked active one stay, in their order.
    """
    if suffix in ("wait", "paused"):
        return await _sweep_list(connection, queue, suffix, before_ms, window)
    k = keys(connection, queue)
    asked: Command[Any] = call_script(
        "cleanJobsInSet", k.many(f"{suffix} events repeat"), [k.base, _cutoff(before_ms), window, suffix]
    )
    return [text(job_id) for job_id in await wire(connection).call(asked)]


async def _sweep_list(connection: str, queue: str, suffix: str, before_ms: int, window: int) -> list[str]:
    # The script walks the whole list to drop what it marked (10 ms at 600,000 jobs, for each call): so the places are
    # set aside, cleaned there, and what stays is put back, in one transaction that either happens or does not.
    k = keys(connection, queue)
    key, bench = k(suffix), k(BENCH)
    clean: Command[Any] = call_script(
        "cleanJobsInSet", (bench, k("events"), k("repeat")), [k.base, _cutoff(before_ms), window, "wait"]
    )
    replies = await wire(connection).run(
        [
            command("MULTI"),
            *[command("LMOVE", key, bench, "RIGHT", "LEFT")] * window,
            # With its source: a missing script cannot be sent again inside a transaction.
            command(*clean.as_eval()),
            *[command("LMOVE", bench, key, "LEFT", "RIGHT")] * window,
            command("EXEC"),
        ]
    )
    outcome = replies[-1]
    for reply in outcome:
        if isinstance(reply, hiredis.ReplyError):
            raise refusal(str(reply))
    return [text(job_id) for job_id in outcome[window]]


async def remove_placed(connection: str, queue: str, suffix: str, job_ids: Sequence[str]) -> tuple[int, dict[str, str]]:
    """Remove these jobs one by one; how many left the key by it, and per job that stayed why. One transaction.

    The script says "removed" of a job that somebody else removed first, so what counts is how much shorter the key got.
    """
    k = keys(connection, queue)
    length = command("LLEN" if suffix in LISTS else "ZCARD", k(suffix))
    calls: list[Command[Any]] = [
        call_script("removeJob", (k.job(job_id), k("repeat")), [raw(job_id), "0", k.base]) for job_id in job_ids
    ]
    # The first with its source, which loads it for the others: nothing can be sent again inside a transaction.
    sent = [command("MULTI"), length, command(*calls[0].as_eval()), *map(_bare, calls[1:]), length, command("EXEC")]
    before, *answers, after = (await wire(connection).run(sent))[-1]
    reasons = {job_id: REASONS.get(answer) for job_id, answer in zip(job_ids, answers, strict=True)}
    for job_id, answer in zip(job_ids, answers, strict=True):
        if isinstance(answer, hiredis.ReplyError):
            reasons[job_id] = str(refusal(str(answer)))
    return before - after, {job_id: reason for job_id, reason in reasons.items() if reason}


#: What removeJob-2.lua answers where it removes nothing.
REASONS = {0: "a worker holds its lock", -8: "a scheduler owns it"}


def _bare(call: Command[Any]) -> Command[Any]:
    return command(*call.args)
