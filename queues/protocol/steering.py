"""What changes a whole queue at a program's wish. Many jobs are touched by many small calls: none halts the workers."""

from __future__ import annotations

import time
from typing import Any

from django.utils.translation import gettext as _

from queues.errors import Refused
from queues.options import Limiter
from queues.protocol import codec, writes
from queues.protocol.commands import Command, call_script, command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import STATE_KEYS, Keys
from queues.protocol.running import BY_HAND
from queues.states import State

#: Jobs that one call may remove: about 4 ms of Redis.
CHUNK = 250
#: Later than every job: scripts compare times as text, so it has as many digits.
_EVER_MS = 9_999_999_999_999
#: What the obliterating script answers.
_NOT_PAUSED, _HAS_ACTIVE = -1, -2
_NO_LIMIT: dict[str, int | None] = {"max": None, "duration": None}


async def clean(connection: str, queue: str, state: State, older_than_ms: int, limit: int) -> list[str]:
    """Remove at most `limit` jobs (0: all) that ended, or were added, longer ago; the ids. Runs of schedulers stay."""
    until_ms = time.time_ns() // 1_000_000 - older_than_ms
    removed: list[str] = []
    for name in _names(state):
        removed += await _clean(connection, queue, name, until_ms, limit - len(removed) if limit else 0)
        if limit and len(removed) >= limit:
            break
    return removed


async def drain(connection: str, queue: str, delayed: bool) -> None:
    """Remove what waits, and with `delayed` what waits for its time. Runs of schedulers stay."""
    for name in ("wait", "paused", "prioritized", *(("delayed",) if delayed else ())):
        await _clean(connection, queue, name, _EVER_MS, 0)


def _names(state: State) -> tuple[str, ...]:
    # Older versions park what waits in `paused`.
    return ("wait", "paused") if state is State.WAITING else (STATE_KEYS[state][0],)


async def _clean(connection: str, queue: str, name: str, until_ms: int, limit: int) -> list[str]:
    on, k = wire(connection), keys(connection, queue)
    removed: list[str] = []
    window = CHUNK
    while not limit or len(removed) < limit:
        most = min(window, limit - len(removed)) if limit else window
        found = await on.call(_clean_command(k, name, until_ms, most))
        removed += [codec.text(job_id) for job_id in found]
        if found:
            window = CHUNK
        elif window < await on.call(_size(k, name)):
            # Only jobs that must stay stood in the window: runs of schedulers, or newer ones.
            window *= 2
        else:
            break
    return removed


def _clean_command(k: Keys, name: str, until_ms: int, most: int) -> Command[Any]:
    return call_script("cleanJobsInSet", (k(name), k("events"), k("repeat")), (k.base, until_ms, most, name))


def _size(k: Keys, name: str) -> Command[int]:
    return command("LLEN" if name in ("wait", "paused", "active") else "ZCARD", k(name))


async def obliterate(connection: str, queue: str, force: bool) -> None:
    """Remove the queue and all in it. Raises Refused where jobs are active, unless forced."""
    on, k = wire(connection), keys(connection, queue)
    was_paused, active = await on.run([command("HEXISTS", k("meta"), "paused"), command("LLEN", k("active"))])
    if active and not force:
        raise Refused(
            _("Queue “%(queue)s” has %(active)s active jobs; it can only be obliterated by force.")
            % {"queue": queue, "active": f"{active:,}"}
        )
    await writes.pause(connection, queue)
    await _remove_parents(connection, queue)
    while (left := await on.call(_obliterate(k, force))) > 0:
        pass
    if left == _HAS_ACTIVE:
        if not was_paused:
            await writes.resume(connection, queue)
        raise Refused(_("Queue “%(queue)s” has active jobs; it can only be obliterated by force.") % {"queue": queue})
    if left == _NOT_PAUSED:
        raise Refused(_("Queue “%(queue)s” was resumed by somebody while it was being obliterated.") % {"queue": queue})
    await on.call(command("DEL", k("limiter")))


async def obliterate_some(connection: str, queue: str, force: bool) -> bool:
    """One step of it, of a paused queue: a chunk of its jobs; whether nothing is left. Raises Refused."""
    on, k = wire(connection), keys(connection, queue)
    if found := await on.call(command("ZRANGE", k("waiting-children"), 0, CHUNK - 1)):
        await _remove_listed(connection, queue, found)
        return False
    left = await on.call(_obliterate(k, force))
    if left == _HAS_ACTIVE:
        raise Refused(_("Queue “%(queue)s” has active jobs; it can only be obliterated by force.") % {"queue": queue})
    if left == _NOT_PAUSED:
        raise Refused(_("Queue “%(queue)s” was resumed by somebody while it was being obliterated.") % {"queue": queue})
    if not left:
        await on.call(command("DEL", k("limiter")))
    return not left


def _obliterate(k: Keys, force: bool) -> Command[int]:
    return call_script("obliterate", (k("meta"), k.base), (CHUNK, "force" if force else ""))


async def _remove_parents(connection: str, queue: str) -> None:
    """The script forgets those that wait for children. The children stay: they may belong to other queues."""
    on, k = wire(connection), keys(connection, queue)
    while found := await on.call(command("ZRANGE", k("waiting-children"), 0, CHUNK - 1)):
        await _remove_listed(connection, queue, found)


async def _remove_listed(connection: str, queue: str, found: list[bytes]) -> None:
    k = keys(connection, queue)
    gone: list[Command[Any]] = [
        call_script("removeJob", (k.base + job_id, k("repeat")), (job_id, "0", k.base)) for job_id in found
    ]
    await wire(connection).run([*gone, command("ZREM", k("waiting-children"), *found)])


async def set_concurrency(connection: str, queue: str, most: int | None) -> None:
    await _set(connection, queue, {"concurrency": most})


async def set_rate_limit(connection: str, queue: str, limiter: Limiter | None) -> None:
    told: dict[str, int | None] = {"max": limiter.max, "duration": limiter.duration_ms} if limiter else _NO_LIMIT
    await _set(connection, queue, told)


async def _set(connection: str, queue: str, told: dict[str, int | None]) -> None:
    k = keys(connection, queue)
    given = [part for name, value in told.items() if value is not None for part in (name, value)]
    asked = command("HSET", k("meta"), *given) if given else command("HDEL", k("meta"), *told)
    # Wakes a worker that the old limit had sent to sleep.
    await wire(connection).run([asked, command("ZADD", k("marker"), 0, "0")])


async def hold(connection: str, queue: str, duration_ms: int) -> None:
    """Let no worker start a job for so long; 0 ends it."""
    k = keys(connection, queue)
    asked = command("SET", k("limiter"), BY_HAND, "PX", duration_ms) if duration_ms else command("DEL", k("limiter"))
    await wire(connection).run([asked, command("ZADD", k("marker"), 0, "0")] if not duration_ms else [asked])


async def deduplicated(connection: str, queue: str, deduplication_id: str) -> str | None:
    found = await wire(connection).call(command("GET", _deduplication(connection, queue, deduplication_id)))
    return None if found is None else codec.text(found)


async def remove_deduplication(connection: str, queue: str, deduplication_id: str, job_id: str | None) -> bool:
    key = _deduplication(connection, queue, deduplication_id)
    given = call_script("removeDeduplicationKey", (key,), (codec.raw(job_id),)) if job_id else command("DEL", key)
    return bool(await wire(connection).call(given))


def _deduplication(connection: str, queue: str, deduplication_id: str) -> bytes:
    return keys(connection, queue)("de:") + codec.raw(deduplication_id)
