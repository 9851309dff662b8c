"""What an operation does to hundreds of jobs of a queue: a BullMQ script for each, in one write, each with its answer.

Redis serves others between any two of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakKeyDictionary

from queues.errors import RedisUnavailable
from queues.protocol import codec, writes
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, wire
from queues.protocol.metered import bundle
from queues.protocol.scripts import Script
from queues.protocol.wire import Wire
from queues.states import State

#: Per job: None where it was done, else why not.
Answers = list[str | None]


async def retry(
    connection: str, queue: str, state: State, job_ids: Sequence[str], reset_attempts: bool = False
) -> Answers:
    """Put ended jobs back to wait; as with Node's, lifo is no matter."""
    k = keys(connection, queue)
    return _reasons(await answers(connection, [writes.retry(k, one, state, reset_attempts) for one in job_ids]))


async def promote(connection: str, queue: str, job_ids: Sequence[str]) -> Answers:
    k = keys(connection, queue)
    return _reasons(await answers(connection, [writes.promote(k, one) for one in job_ids]), done=0)


async def change_priority(connection: str, queue: str, job_ids: Sequence[str], priority: int) -> Answers:
    k = keys(connection, queue)
    names = k.many("wait paused meta prioritized active pc marker")
    asked: list[Command[Any]] = [
        call_script("changePriority", names, (priority, k.base, codec.raw(one), "0")) for one in job_ids
    ]
    return _reasons(await answers(connection, asked), done=0)


async def priorities(connection: str, queue: str, job_ids: Sequence[str]) -> list[int]:
    k = keys(connection, queue)
    found = await answers(connection, [command("HGET", k.job(one), "priority") for one in job_ids])
    return [codec.integer("", value)[0] if isinstance(value, bytes) else 0 for value in found]


async def answers(connection: str, asked: Sequence[Command[Any]]) -> list[Any]:
    """Raw replies, refusals among them. Raises RedisUnavailable: then nothing is known of any."""
    scripts = {one.script.sha: one.script for one in asked if one.script is not None}
    await _load(connection, list(scripts.values()))
    replies = await bundle(connection, asked)
    # Somebody flushed the scripts in between: what was not known was not done.
    unknown = [at for at, reply in enumerate(replies) if "NOSCRIPT" in str(reply) and isinstance(reply, Exception)]
    if unknown:
        again = [command(*asked[at].as_eval()) for at in unknown]
        for at, reply in zip(unknown, await bundle(connection, again), strict=True):
            replies[at] = reply
    for reply in replies:
        if isinstance(reply, RedisUnavailable):
            raise reply
    return replies


async def _load(connection: str, scripts: Sequence[Script]) -> None:
    """Hundreds of calls, each answered that the script is not known, would each send its source."""
    on = wire(connection)
    known = _loaded.setdefault(on, {})
    unknown = [one for one in scripts if known.get(one.sha) != on.dials]
    if not unknown:
        return
    held = await on.call(command("SCRIPT", "EXISTS", *(one.sha for one in unknown)))
    missing = [one for one, is_held in zip(unknown, held, strict=True) if not is_held]
    await on.run([command("SCRIPT", "LOAD", one.source) for one in missing])
    known.update((one.sha, on.dials) for one in unknown)


#: Per wire the scripts that its server has, and by which of its connections that is known: another may lead elsewhere.
_loaded: WeakKeyDictionary[Wire, dict[str, int]] = WeakKeyDictionary()


def _reasons(replies: Sequence[Any], done: int = writes.DONE) -> Answers:
    return [_reason(reply, done) for reply in replies]


def _reason(reply: Any, done: int) -> str | None:
    if isinstance(reply, Exception):
        return str(reply)
    if reply == done:
        return None
    return writes.REASONS.get(reply, f"BullMQ answered {reply}")
