"""Jobs planted in Redis: by BullMQ's own scripts where they are ordinary, by hand where they must be odd."""

from __future__ import annotations

import json
import time
from typing import Any

import redis

from queues.protocol.commands import call_script, pack
from queues.protocol.connections import keys, wire


async def plant_waiting(connection: str, queue: str, count: int = 1, **opts: Any) -> list[str]:
    """`count` jobs named `work` with data {"n": i}, added as BullMQ adds them; their ids."""
    k = keys(connection, queue)
    now = int(time.time() * 1000)
    added = [
        call_script(
            "addStandardJob",
            k.many("wait paused meta id completed delayed active events marker"),
            [
                pack([k.base, "", "work", now + n, None, None, None, None, None]),
                json.dumps({"n": n}),
                pack({"attempts": 1, **opts}),
                now + n,
            ],
        )
        for n in range(count)
    ]
    return [reply.decode() for reply in await wire(connection).run(added)]


async def plant_delayed(connection: str, queue: str, count: int = 1, delay_ms: int = 3_600_000) -> list[str]:
    k = keys(connection, queue)
    now = int(time.time() * 1000)
    added = [
        call_script(
            "addDelayedJob",
            k.many("marker meta id delayed completed events"),
            [
                pack([k.base, "", "later", now, None, None, None, None, None]),
                json.dumps({"n": n}),
                pack({"delay": delay_ms}),
                now,
            ],
        )
        for n in range(count)
    ]
    return [reply.decode() for reply in await wire(connection).run(added)]


def plant_failed(
    client: redis.Redis,
    prefix: str,
    queue: str,
    count: int = 1,
    *,
    reason: str = "TimeoutError: no answer",
    **more: Any,
) -> list[str]:
    """`count` failed jobs written by hand, the last id the newest; `more` are further hash fields."""
    base, now = f"{prefix}:{queue}:", int(time.time() * 1000)
    ids = [str(n + 1) for n in range(count)]
    with client.pipeline(transaction=False) as pipe:
        pipe.hset(f"{base}meta", mapping={"opts.maxLenEvents": 10000, "version": "bullmq:6.7.0"})
        pipe.set(f"{base}id", count)
        for n, job_id in enumerate(ids):
            finished = now - count + n
            pipe.hset(
                base + job_id,
                mapping={
                    "name": "work",
                    "data": json.dumps({"n": n}),
                    "opts": '{"attempts":1}',
                    "timestamp": finished - 1000,
                    "delay": 0,
                    "priority": 0,
                    "processedOn": finished - 500,
                    "finishedOn": finished,
                    "ats": 1,
                    "atm": 1,
                    "failedReason": reason,
                    "stacktrace": json.dumps([f"{reason}\n  at work (jobs.py:1)"]),
                    **more,
                },
            )
            pipe.zadd(f"{base}failed", {job_id: finished})
        pipe.execute()
    return ids
