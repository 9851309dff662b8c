"""What Redis says of queues: names, counts, flags."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any
from weakref import WeakSet

from queues.errors import TorilError
from queues.protocol import ages, codec
from queues.protocol.calls import pack
from queues.protocol.codec import QueueFacts, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import FOUND_BY, STATE_KEYS, Keys, pattern, queue_of
from queues.protocol.reads.bulk import is_wrong_type
from queues.protocol.reads.server import CLIENT_LIST, INFO, ServerInfo, count_workers, read_info
from queues.protocol.wire import Wire

#: Of BullMQ, whoever wrote it: its version is not told, the length of its stream is.
UNSAID = "?"
#: So begin the ids of no job: they wake the workers of BullMQ 3 and 4.
MARKER = b"0:"
#: Wires whose user or server does not take SORT_RO.
_without_sort: WeakSet[Wire] = WeakSet()


async def queue_names(connection: str, found: set[str] | None = None) -> list[str]:
    """Every queue under the prefix, sorted. SCANs the whole keyspace (1M keys: 0.7 s in small steps): cache it.

    Names are put into `found` as they come.
    """
    found = set() if found is None else found
    await asyncio.gather(*(_walk(on, prefix(connection), found) for on in await wire(connection).each()))
    return sorted(found)


async def _walk(on: Wire, under: str, found: set[str]) -> None:
    cursor = b"0"
    while True:
        cursor, some = await on.call(command("SCAN", cursor, "MATCH", pattern(under), "COUNT", 1000))
        looks = [(key, *named) for key in some if (named := queue_of(under, key)) is not None]
        kinds = await on.run([command("TYPE", key) for key, *_ in looks]) if looks else []
        found.update(name for (_, name, suffix), kind in zip(looks, kinds, strict=True) if kind == FOUND_BY[suffix])
        if cursor == b"0":
            return


@dataclass(frozen=True, slots=True)
class Board:
    """Everything that an overview says of a Redis, in one round trip. `workers` (by queue) and `server` are None where
    they were not asked for or Redis forbids them.
    """

    facts: list[QueueFacts]
    workers: dict[str, int] | None = None
    server: ServerInfo | None = None


async def board(connection: str, names: Sequence[str], *, around: bool = True) -> Board:
    """The facts of these queues; with `around` also who is connected and how the server is."""
    on = wire(connection)
    places = [keys(connection, name) for name in names]
    asked = [_packed(k, on not in _without_sort) for k in places]
    more = [CLIENT_LIST, INFO] if around else []
    replies = await on.bundle(b"".join([*asked, pack(more)]), WIDTH * len(names) + len(more))
    facts = _read(names, replies)
    if any(_is_forbidden(oldest) for _, oldest in facts):
        # From here on, as long as this wire lives, the ages of the oldest cost a trip of their own.
        _without_sort.add(on)
        return await board(connection, names, around=around)
    found = await _dated(on, places, facts)
    if not around:
        return Board(found)
    clients, info = replies[-2:]
    return Board(
        found,
        None if isinstance(clients, Exception) else count_workers(clients, prefix(connection)),
        None if isinstance(info, Exception) else read_info(info),
    )


async def queue_facts(connection: str, names: Sequence[str]) -> list[QueueFacts]:
    """Counts, flags and the age of the next waiting job of all these queues, in two round trips, by any carrier."""
    on = wire(connection)
    places = [keys(connection, name) for name in names]
    replies = await on.run([c for k in places for c in _fact_commands(k, can_sort=False)], return_errors=True)
    return await _dated(on, places, _read(names, replies))


def _read(names: Sequence[str], replies: list[Any]) -> list[tuple[QueueFacts, Any]]:
    return [_facts(name, replies[at * WIDTH : (at + 1) * WIDTH]) for at, name in enumerate(names)]


async def _dated(on: Wire, places: Sequence[Keys], facts: list[tuple[QueueFacts, Any]]) -> list[QueueFacts]:
    """With the moment when the next to run was added: told with it, or asked for here."""
    unknown = [(k, oldest) for k, (_, oldest) in zip(places, facts, strict=True) if isinstance(oldest, bytes)]
    nameless = [(k, fact.name) for k, (fact, _) in zip(places, facts, strict=True) if not fact.version]
    asked = [command("HGET", k.job(text(oldest)), "timestamp") for k, oldest in unknown]
    asked += [one for k, _ in nameless for one in ages.asking(k)]
    replies = await on.run(asked, return_errors=True) if asked else []
    stamps, told = iter(replies[: len(unknown)]), replies[len(unknown) :]
    said = {name: told[3 * at : 3 * at + 3] for at, (_, name) in enumerate(nameless)}
    dated = [_aged(fact, next(stamps) if isinstance(oldest, bytes) else oldest) for fact, oldest in facts]
    return [_named(fact, said.get(fact.name)) for fact in dated]


def _aged(facts: QueueFacts, stamp: Any) -> QueueFacts:
    stamp = stamp[-1] if isinstance(stamp, list) else stamp
    return replace(facts, oldest_waiting_ms=_number(stamp)) if isinstance(stamp, bytes) else facts


def _named(facts: QueueFacts, said: list[Any] | None) -> QueueFacts:
    if said and ages.is_bull(*said):
        # Its first versions wrote the flag into a key of its own.
        return replace(facts, version=ages.BULL, is_paused=facts.is_paused or said[2] == 1)
    return replace(facts, version="") if facts.version == UNSAID else facts


def _is_forbidden(oldest: Any) -> bool:
    """SORT_RO is not in Redis 6, some users may not call it, and a Cluster may refuse its GET."""
    return isinstance(oldest, TorilError)


@lru_cache(maxsize=20_000)
def _packed(k: Keys, can_sort: bool) -> bytes:
    """The same for the same queue, each second: packing costs more than sending."""
    return pack(_fact_commands(k, can_sort))


def _fact_commands(k: Keys, can_sort: bool) -> list[Command[Any]]:
    return [
        *(command("LLEN" if is_list else "ZCARD", k(suffix)) for suffix, is_list in STATE_KEYS.values()),
        command("LLEN", k("paused")),
        command("ZCARD", k("repeat")),
        command("HMGET", k("meta"), "paused", "concurrency", "max", "duration", "version", "opts.maxLenEvents"),
        command("GET", k("limiter")),
        command("PTTL", k("limiter")),
        _oldest(k, "wait", can_sort),
        _oldest(k, "paused", can_sort),
    ]


def _oldest(k: Keys, suffix: str, can_sort: bool) -> Command[Any]:
    """The id of the last in the list, with its moment where Redis can look it up by itself (4 µs, however long)."""
    # SORT puts the id in place of the first `*` of its pattern, so the queue's name may hold none.
    if not can_sort or b"*" in k.base:
        return command("LINDEX", k(suffix), -1)
    stamp = k.base + b"*->timestamp"
    return command("SORT_RO", k(suffix), "BY", "nosort", "DESC", "LIMIT", 0, 1, "GET", "#", "GET", stamp)


WIDTH = len(_fact_commands(Keys("", ""), can_sort=False))


def _facts(name: str, replies: list[Any]) -> tuple[QueueFacts, Any]:
    """One queue's facts, and its next-to-run waiting job: None, its id, its id and moment, or why that is not told."""
    counted, rest = replies[: len(STATE_KEYS)], replies[len(STATE_KEYS) :]
    refused = [reply for reply in rest[-2:] if isinstance(reply, TorilError) and not is_wrong_type(reply)]
    broken = next((str(reply) for reply in replies if isinstance(reply, Exception) and reply not in refused), "")
    legacy, schedulers, meta, limiter, ttl, *oldest = (None if isinstance(r, Exception) else r for r in rest)
    counts = {
        state.value: 0 if isinstance(count, Exception) else count
        for state, count in zip(STATE_KEYS, counted, strict=True)
    }
    counts["waiting"] += legacy or 0
    paused, concurrency, maximum, duration, version, length = meta or (None,) * 6
    # BullMQ 3 and 4 wake their workers by it; it lies where nothing else waits, or next to run.
    jobs = [one for one in oldest if one and not _is_marker(one)]
    counts["waiting"] -= sum(map(_is_marker, oldest))
    limit = _number(maximum)
    held = ttl if limiter is not None and ttl and ttl > 0 and _number(limiter, 0) >= (limit or 1) else 0
    facts = QueueFacts(
        name=name,
        counts=counts,
        is_paused=paused is not None,
        concurrency=_number(concurrency),
        rate_limit_max=limit,
        rate_limit_duration_ms=_number(duration),
        rate_limited_ms=held,
        version=text(version) if version else UNSAID if length else "",
        broken=broken,
        schedulers=schedulers or 0,
    )
    return facts, refused[0] if refused else jobs[0] if jobs else None


def _is_marker(oldest: Any) -> bool:
    found = oldest[0] if isinstance(oldest, list) and oldest else oldest
    return isinstance(found, bytes) and found.startswith(MARKER)


def _number(value: bytes | None, default: int | None = None) -> Any:
    if value is None:
        return default
    number, problem = codec.integer("", value)
    return default if problem and not number else number
