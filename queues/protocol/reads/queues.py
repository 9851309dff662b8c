"""What Redis says of queues: names, counts, flags."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from queues.protocol import codec
from queues.protocol.codec import QueueFacts, text
from queues.protocol.commands import Command, command
from queues.protocol.connections import keys, prefix, wire
from queues.protocol.keys import STATE_KEYS, Keys, meta_pattern, queue_of_meta


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
