"""What older libraries left in Redis, as `tests/interop/ages.mjs record` wrote it down, put under a test's prefix."""

from __future__ import annotations

import json
from functools import cache
from typing import Any

import redis

from tests.services import INTEROP

BULL = ("bull-v3", "bull-v4")
BULLMQ = ("bullmq-v3", "bullmq-v4", "bullmq-v5-early", "bullmq-v5", "bullmq")
AGES = BULL + BULLMQ
_RECORDED_UNDER = "ages:"


@cache
def recorded(age: str) -> dict[str, Any]:
    """`version`, what the library itself `said` of each queue, and the `keys`."""
    found: dict[str, Any] = json.loads((INTEROP / "ages" / f"{age}.json").read_text())
    return found


def plant(client: redis.Redis, age: str, prefix: str) -> dict[str, Any]:
    """All queues of that age under the prefix; what the library said of them. Locks, which expire, are left out."""
    keys = json.loads(json.dumps(recorded(age)["keys"]).replace(_RECORDED_UNDER, f"{prefix}:"))
    with client.pipeline() as pipe:
        for key, held in keys.items():
            if not held.get("expires"):
                _PUT[held["type"]](pipe, key, held["value"])
        pipe.execute()
    said: dict[str, Any] = recorded(age)["said"]
    return said


def _add_all(pipe: Any, key: str, entries: list[dict[str, str]]) -> None:
    for entry in entries:
        pipe.xadd(key, entry)


_PUT: dict[str, Any] = {
    "string": lambda pipe, key, value: pipe.set(key, value),
    "list": lambda pipe, key, value: pipe.rpush(key, *value),
    "set": lambda pipe, key, value: pipe.sadd(key, *value),
    "hash": lambda pipe, key, value: pipe.hset(key, mapping=value),
    "zset": lambda pipe, key, value: pipe.zadd(key, {member: float(score) for member, score in value}),
    "stream": _add_all,
}


def picture(client: redis.Redis, prefix: str) -> dict[bytes, bytes | None]:
    """Every key under the prefix as Redis would dump it: to see that nothing was touched."""
    return {key: client.dump(key) for key in sorted(client.scan_iter(f"{prefix}:*"))}
