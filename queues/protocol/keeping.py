"""What an undo needs, kept for some minutes under our own keys."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

import msgpack

from queues.protocol.commands import command
from queues.protocol.connections import prefix, wire
from queues.protocol.keys import FleetKeys

#: How long an act can be undone.
KEPT_MS = 10 * 60_000


async def keep(connection: str, token: str, record: Mapping[str, Any]) -> int:
    """Until when (ms) it is kept. Raises RedisRefused where Redis takes nothing more."""
    until_ms = time.time_ns() // 1_000_000 + KEPT_MS
    packed = msgpack.packb({**record, "until_ms": until_ms}, use_bin_type=True, unicode_errors="surrogatepass")
    await wire(connection).call(command("SET", _key(connection, token), packed, "PX", KEPT_MS))
    return until_ms


async def kept(connection: str, token: str) -> dict[str, Any] | None:
    """None where its time is over, or it was used."""
    found = await wire(connection).call(command("GET", _key(connection, token)))
    if found is None:
        return None
    try:
        record = msgpack.unpackb(found, raw=False, strict_map_key=False, unicode_errors="surrogatepass")
    except (ValueError, TypeError, msgpack.UnpackException):
        return None
    return record if isinstance(record, dict) else None


async def claim(connection: str, token: str) -> bool:
    """Take it away; whether it was there: of two who claim it at once one gets it."""
    return bool(await wire(connection).call(command("DEL", _key(connection, token))))


def _key(connection: str, token: str) -> bytes:
    return FleetKeys(prefix(connection)).undo(token)
