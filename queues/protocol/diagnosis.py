"""What is wrong with a queue whose keys are not what BullMQ writes, as a sentence."""

from __future__ import annotations

from queues.protocol.codec import text
from queues.protocol.commands import command
from queues.protocol.connections import keys, wire
from queues.protocol.keys import STATE_KEYS

#: Redis's type of each structural key; "none" is right for all.
TYPES: dict[str, str] = {
    **{suffix: "list" if is_list else "zset" for suffix, is_list in STATE_KEYS.values()},
    "paused": "list",
    "meta": "hash",
    "limiter": "string",
    "repeat": "zset",
    "events": "stream",
    "marker": "zset",
}
WORDS = {"zset": "sorted set"}


async def broken_key(connection: str, queue: str) -> str:
    """“Its key chat:wait is a hash, not a list.”, or nothing where every key has the type it should."""
    k = keys(connection, queue)
    kinds = await wire(connection).run([command("TYPE", k(suffix)) for suffix in TYPES])
    for (suffix, right), found in zip(TYPES.items(), kinds, strict=True):
        kind = found.decode() if isinstance(found, bytes) else str(found)
        if kind not in (right, "none"):
            return f"Its key {text(k(suffix))} is a {WORDS.get(kind, kind)}, not a {WORDS.get(right, right)}."
    return ""
